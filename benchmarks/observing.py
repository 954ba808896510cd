"""What it costs to observe: throughput of POST /predict with all observers and without any.

python benchmarks/observing.py runs/digits/bundle runs/pets/bundle

Both services of a bundle run all the time and are asked in turn, in short rounds
whose order changes, so that whatever else the machine does meets both. A round's
ratio is that of two neighbours. The front's own processor time for a request says
the same with less noise: observers run nowhere else. First, one observer alone.
"""

import argparse
import asyncio
import multiprocessing
import os
import statistics
import timeit
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import sleep

import httpx
import uvicorn
from load import HOST, closed, picture, post

from tapetum import logs
from tapetum.serving.app import create_app
from tapetum.serving.instruments import Expected, Instruments
from tapetum.serving.record import Exchange, Record
from tapetum.settings import Settings

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
    for name, exchange in (("a picture", EXCHANGE), ("a refusal", refused), ("a probe", replace(EXCHANGE, records=()))):
        runs = timeit.repeat(partial(instruments.observe, exchange), number=20_000, repeat=9)
        found = [run / 20_000 * 1e6 for run in runs]
        print(f"observe {name:12} {statistics.median(found):6.2f} µs ({min(found):.2f}-{max(found):.2f}, n=9)")
    whole = create_app(Settings()).state.instruments
    for accept in ("text/plain", "application/openmetrics-text"):
        found = [run * 1e3 for run in timeit.repeat(partial(whole.exposition, accept), number=1, repeat=25)]
        lines = len(whole.exposition(accept)[0].splitlines())
        print(f"scrape {accept}, {lines} lines: {statistics.median(found):.1f} ms ({min(found):.1f}-{max(found):.1f})")


def serve(bundle: Path, port: int, is_observed: bool) -> None:
    """One service, as under `uvicorn app:app`, until it is told to end."""
    logs.configure("error", "json")
    app = create_app(Settings(bundle=bundle, port=port))
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


def cpu_s(pid: int) -> float:
    """Processor time of one process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def compare(bundle: Path, port: int, rounds: int, seconds: float) -> None:
    """Print the throughput of both services, and what the observers cost of it."""
    request = post(picture(400, 300))
    rates: dict[bool, list[float]] = {True: [], False: []}
    costs: dict[bool, list[float]] = {True: [], False: []}
    with ExitStack() as stack:
        kinds = (True, False)
        ports = {kind: port + number for number, kind in enumerate(kinds)}
        pids = {kind: stack.enter_context(service(bundle, ports[kind], kind)) for kind in kinds}
        for kind in kinds:
            asyncio.run(closed(ports[kind], request, CLIENTS, seconds))
        for number in range(rounds):
            for kind in kinds if number % 2 else reversed(kinds):
                before = cpu_s(pids[kind])
                seen = asyncio.run(closed(ports[kind], request, CLIENTS, seconds))
                rates[kind].append(seen.rate(200))
                costs[kind].append((cpu_s(pids[kind]) - before) / len(seen.latencies_s[200]) * 1e6)
    print(f"{bundle}: {rounds} rounds of {seconds:g} s each, {CLIENTS} clients")
    for kind, name in ((False, "without observers"), (True, "with all of them")):
        print(f"  {name}  {_spread(rates[kind], '.0f')} requests/s, front {_spread(costs[kind], '.0f')} µs a request")
    lost = [100 * (1 - observed / bare) for observed, bare in zip(rates[True], rates[False], strict=True)]
    error = 1.96 * statistics.stdev(lost) / len(lost) ** 0.5
    dearer = statistics.median(costs[True]) - statistics.median(costs[False])
    print(f"  cost: {statistics.mean(lost):.1f} ± {error:.1f} % of throughput, {dearer:.0f} µs of the front a request")


def _spread(found: list[float], style: str) -> str:
    low, middle, high = statistics.quantiles(found, n=4)
    return f"{middle:{style}} (quartiles {low:{style}}-{high:{style}})"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundles", type=Path, nargs="*")
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--port", type=int, default=8123)
    given = parser.parse_args()
    alone()
    for bundle in given.bundles:
        compare(bundle, given.port, given.rounds, given.seconds)


if __name__ == "__main__":
    main()
