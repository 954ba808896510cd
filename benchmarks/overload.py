"""What the service does at its limit and beyond it, with workers and without.

python benchmarks/overload.py runs/pets/bundle

First 8 clients in a closed loop find the capacity; then requests come at that
rate and at 5 times that rate in an open loop. Goodput is answers of 200 in a
second. The service has the machine's last core and the generator the others,
which must not take from each other what is measured.
"""

import argparse
import asyncio
import os
from pathlib import Path

from load import closed, opened, picture, post, service

TIMES = 5


def measure(bundle: Path, content: bytes, workers: str | None, port: int, duration_s: float) -> None:
    """Print three lines for one shape of the service."""
    request = post(content)
    chosen = {} if workers is None else {"TAPETUM_WORKERS": workers}
    with service(bundle, port, {max(os.sched_getaffinity(0)) + 1}, **chosen):
        asyncio.run(closed(port, request, 8, 1.0))
        peak = asyncio.run(closed(port, request, 8, duration_s))
        capacity = peak.rate(200)
        name = "workers" if workers is None else f"workers={workers}"
        print(f"{name:10} closed loop    {capacity:7.0f}/s  accepted p50/p99 {peak.quantiles_ms(200)} ms")
        for times in (1, TIMES):
            seen = asyncio.run(opened(port, request, capacity * times, duration_s))
            others = {status: len(found) for status, found in seen.latencies_s.items() if status not in (200, 503)}
            print(
                f"{name:10} {times}x, {seen.offered:6.0f}/s  {seen.rate(200):7.0f}/s  "
                f"accepted p50/p99 {seen.quantiles_ms(200)} ms, refused {seen.rate(503):.0f}/s "
                f"in {seen.quantiles_ms(503)} ms, others {others or 'none'}; "
                f"{seen.rate(200) / capacity:.0%} of the peak"
            )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--picture", type=Path, help="instead of a generated one of 2000×1500")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--port", type=int, default=8123)
    given = parser.parse_args()
    *own, _ = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, own)
    content = given.picture.read_bytes() if given.picture else picture(2000, 1500)
    print(f"a picture of {len(content):,} bytes, {given.seconds:g} s each")
    for _ in range(given.rounds):
        for workers in (None, "0"):
            measure(given.bundle, content, workers, given.port, given.seconds)


if __name__ == "__main__":
    main()
