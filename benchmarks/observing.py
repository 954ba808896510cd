"""What it costs to observe: throughput of POST /predict with all observers and without any.

python benchmarks/observing.py runs/digits/bundle runs/pets/bundle

Both services of a bundle run all the time and are asked in turn, in short rounds
whose order changes, so that whatever else the machine does meets both. A round's
ratio is that of two neighbours. The processor time of the front's event loop for a
request is given beside it: observers run nowhere else. First, the instruments alone,
in processor time.
"""

import argparse
import multiprocessing
import statistics
import timeit
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from math import log
from pathlib import Path
from time import monotonic, process_time, sleep

import httpx
import prometheus_client
import uvicorn

from tapetum import metrics
from tapetum.delivery import load, target
from tapetum.logs.setup import configure
from tapetum.serving.app import create_app
from tapetum.serving.instruments import Expected, Instruments
from tapetum.serving.record import Exchange, Record
from tapetum.serving.tallies import Histograms
from tapetum.settings import Settings
from tapetum.watch.feedback import Feedback

HOST = "127.0.0.1"
CLIENTS = 8
PICTURE = Record(
    "id", "/predict", "answered", 200, 20_000, 0.001, 0.02, 400, 300, 0.002, 0.003, "cat", 0.8, 0.6, "pets", "1"
)
EXCHANGE = Exchange("id", "a" * 32, "POST", "/predict", 200, None, 20_000, 400, 0.02, (PICTURE,))


def alone() -> None:
    """Print the time of one observation, and of one scrape."""
    instruments = Instruments(low_confidence=0.6)
    instruments.expect_routes([Expected("/predict", ("POST",), (200, 500, 503), (500, 503))])
    instruments.expect_model(("cat", "dog"), "openvino", "cpu")
    refusal = replace(PICTURE, outcome="overloaded", status=503, label=None, size=0)
    refused = replace(EXCHANGE, status=503, problem="overloaded", records=(refusal,))
    series = metrics.LATENCY
    ours = Histograms(series).of()
    theirs = prometheus_client.Histogram(series.name, series.help, buckets=series.buckets, registry=None)
    feedback = Feedback(most=10_000, age_s=3600, clock=monotonic)
    feedback.expect(("cat", "dog"), "1")
    # An id of its own for each, since that is what is kept.
    answered = (replace(EXCHANGE, request_id=uuid.uuid4().hex) for _ in range(9 * 20_000))
    answers = iter(list(answered))
    for name, work in (
        ("a picture", partial(instruments.observe, EXCHANGE)),
        ("a refusal", partial(instruments.observe, refused)),
        ("a probe", partial(instruments.observe, replace(EXCHANGE, records=()))),
        ("a picture, for feedback", lambda: feedback.observe(next(answers))),
        ("one value", partial(ours.observe, 0.02)),
        ("the same by prometheus_client", partial(theirs.observe, 0.02)),
        ("one with its trace", partial(ours.trace, 0.02, "a" * 32)),
        ("the same by prometheus_client", partial(theirs.observe, 0.02, {"trace_id": "a" * 32})),
    ):
        found = [run / 20_000 * 1e6 for run in timeit.repeat(work, timer=process_time, number=20_000, repeat=9)]
        print(f"observe {name:30} {statistics.median(found):5.2f} µs ({min(found):.2f}-{max(found):.2f}, n=9)")
    whole = create_app(Settings()).state.instruments
    for accept in ("text/plain", "application/openmetrics-text"):
        runs = timeit.repeat(partial(whole.exposition, accept), timer=process_time, number=1, repeat=25)
        found = [run * 1e3 for run in runs]
        lines = len(whole.exposition(accept)[0].splitlines())
        print(f"scrape {accept}, {lines} lines: {statistics.median(found):.1f} ms ({min(found):.1f}-{max(found):.1f})")


def serve(bundle: Path, port: int, is_observed: bool) -> None:
    """One service, as under `uvicorn app:app`, until it is told to end."""
    settings = Settings(bundle=bundle, port=port, log_level="error", log_format="json")
    app = create_app(settings, journal=configure(settings))
    if not is_observed:
        app.state.observers.clear()
    uvicorn.run(app, host=HOST, port=port, log_config=None, access_log=False)


@contextmanager
def service(bundle: Path, port: int, is_observed: bool) -> Iterator[int]:
    """The process id of a ready service."""
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(bundle, port, is_observed))
    process.start()
    try:
        while process.is_alive():
            try:
                if httpx.get(f"http://{HOST}:{port}/ready").is_success:
                    break
            except httpx.TransportError:
                sleep(0.05)  # between two looks: asking without a pause would slow the start
        assert process.pid is not None
        yield process.pid
    finally:
        process.terminate()
        process.join()


def cpu_us(pid: int) -> float:
    """Processor time of the event loop's thread so far, in microseconds."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1000


def compare(bundle: Path, port: int, rounds: int, seconds: float) -> None:
    """Print the throughput of both services, and what the observers cost of it."""
    contents = target.generated()
    rates: dict[bool, list[float]] = {True: [], False: []}
    costs: dict[bool, list[float]] = {True: [], False: []}
    with ExitStack() as stack:
        kinds = (True, False)
        ports = {kind: port + number for number, kind in enumerate(kinds)}
        pids = {kind: stack.enter_context(service(bundle, ports[kind], kind)) for kind in kinds}
        asked = {kind: target.pictures(f"http://{HOST}:{ports[kind]}", contents, {}) for kind in kinds}
        for kind in kinds:
            load.run(load.closed(asked[kind], CLIENTS, seconds))
        for number in range(rounds):
            for kind in kinds if number % 2 else reversed(kinds):
                before = cpu_us(pids[kind])
                seen = load.run(load.closed(asked[kind], CLIENTS, seconds))
                rates[kind].append(seen.rate())
                costs[kind].append((cpu_us(pids[kind]) - before) / len(seen.latencies_s[200]))
    print(f"{bundle}: {rounds} rounds of {seconds:g} s each, {CLIENTS} clients")
    for kind, name in ((False, "without observers"), (True, "with all of them")):
        print(f"  {name}  {_spread(rates[kind], '.0f')} requests/s, front {_spread(costs[kind], '.0f')} µs a request")
    # Logarithms, so that a round that was disturbed weighs the same whichever of its halves was hit.
    lost = [100 * log(bare / observed) for observed, bare in zip(rates[True], rates[False], strict=True)]
    dearer = [observed - bare for observed, bare in zip(costs[True], costs[False], strict=True)]
    print(f"  cost: {_mean(lost)} % of throughput, {_mean(dearer)} µs of the front a request")


def _mean(found: list[float]) -> str:
    """With the bounds of 95 of 100 repetitions."""
    return f"{statistics.mean(found):.1f} ± {1.96 * statistics.stdev(found) / len(found) ** 0.5:.1f}"


def _spread(found: list[float], style: str) -> str:
    low, middle, high = statistics.quantiles(found, n=4)
    return f"{middle:{style}} (quartiles {low:{style}}-{high:{style}})"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundles", type=Path, nargs="*")
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=0.5)
    parser.add_argument("--port", type=int, default=8123)
    given = parser.parse_args()
    alone()
    for bundle in given.bundles:
        compare(bundle, given.port, given.rounds, given.seconds)


if __name__ == "__main__":
    main()
