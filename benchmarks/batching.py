"""What it brings to compute pictures that wait together: POST /predict with batching and without.

python benchmarks/batching.py runs/cifar10/bundle runs/pets/bundle --pictures photos

Both services of a bundle run all the time and are asked in turn, in short rounds
whose order changes, so that whatever else the machine does meets both. A round's
ratio is that of two neighbours.
"""

import argparse
import statistics
from contextlib import ExitStack
from pathlib import Path

import httpx

from tapetum.delivery import load, target
from tapetum.delivery.own_service import own_service

WARM_UP_S = 2.0  # in which the service measures what pays, and its workers meet each size of a batch
KINDS = ("auto", "off")
BATCH = "prediction_batch_limit_pictures "


def compare(bundle: Path, contents: list[bytes], clients: list[int], rounds: int, seconds: float) -> None:
    """Print the throughput and the latency of both services for each number of clients."""
    with ExitStack() as stack:
        urls = {kind: stack.enter_context(own_service(bundle, TAPETUM_BATCHING=kind)).url for kind in KINDS}
        asked = {kind: target.pictures(url, contents, {}) for kind, url in urls.items()}
        for kind in KINDS:
            load.run(load.closed(asked[kind], max(clients), WARM_UP_S))
        series = httpx.get(f"{urls['auto']}/metrics").text.splitlines()
        batch = next(row.removeprefix(BATCH) for row in series if row.startswith(BATCH))
        print(f"{bundle}: batches of up to {float(batch):.0f}; {rounds} rounds of {seconds:g} s each")
        for number in clients:
            rates: dict[str, list[float]] = {kind: [] for kind in KINDS}
            tails: dict[str, list[str]] = {kind: [] for kind in KINDS}
            for round_ in range(rounds):
                for kind in KINDS if round_ % 2 else reversed(KINDS):
                    seen = load.run(load.closed(asked[kind], number, seconds))
                    rates[kind].append(seen.rate())
                    tails[kind].append("/".join(f"{1000 * (seen.quantile_s(share) or 0):.0f}" for share in (0.5, 0.99)))
            for kind in KINDS:
                print(f"  {number:3} clients, {kind:4}  {_spread(rates[kind], '.0f')} requests/s, ", end="")
                print(f"p50/p99 {' '.join(tails[kind])} ms")
            ratios = [with_it / without for with_it, without in zip(*rates.values(), strict=True)]
            print(f"  {number:3} clients: {_spread(ratios, '.2f')} times as many", flush=True)


def _spread(found: list[float], style: str) -> str:
    return f"{statistics.median(found):{style}} ({min(found):{style}}-{max(found):{style}})"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundles", type=Path, nargs="+", metavar="bundle")
    parser.add_argument("--pictures", type=Path, help="folder of pictures to send instead of generated ones of 500×375")
    parser.add_argument("--clients", type=int, nargs="+", default=[8, 32])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0)
    given = parser.parse_args()
    paths = sorted(path for path in given.pictures.rglob("*") if path.is_file())[:200] if given.pictures else []
    contents = [path.read_bytes() for path in paths] or target.generated()
    for bundle in given.bundles:
        compare(bundle, contents, given.clients, given.rounds, given.seconds)


if __name__ == "__main__":
    main()
