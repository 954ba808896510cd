"""What the service does at its limit and beyond it, with workers and without.

python benchmarks/overload.py runs/pets/bundle

First 8 clients in a closed loop find the capacity; then requests come at that
rate and at 5 times that rate in an open loop. Goodput is answers of 200 in a
second. The service has the machine's last core and the generator the others,
which must not take from each other what is measured.
"""

import argparse
import io
import os
from pathlib import Path

import numpy as np
from PIL import Image

from tapetum.delivery import load, target
from tapetum.delivery.load import Seen
from tapetum.delivery.own_service import own_service

TIMES = 5


def picture(width: int, height: int) -> bytes:
    """A JPEG of few bytes for its size, so that its work is the decoder's and not the generator's."""
    coarse = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC).save(stream, "JPEG", quality=60)
    return stream.getvalue()


def quantiles_ms(seen: Seen, status: int) -> str:
    """Median and 99th percentile of a status' latencies."""
    found = [seen.quantile_s(share, status) for share in (0.5, 0.99)]
    return "/".join("-" if value is None else f"{value * 1000:.1f}" for value in found)


def measure(bundle: Path, contents: list[bytes], workers: str | None, cores: set[int], duration_s: float) -> None:
    """Print three lines for one shape of the service, which has `cores` to itself."""
    chosen = {} if workers is None else {"TAPETUM_WORKERS": workers}
    own = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)  # the service takes over what it is started with
    with own_service(bundle, **chosen) as service:
        os.sched_setaffinity(0, own)
        asked = target.pictures(service.url, contents, {})
        load.run(load.closed(asked, 8, 1.0))
        peak = load.run(load.closed(asked, 8, duration_s))
        capacity = peak.rate()
        name = "workers" if workers is None else f"workers={workers}"
        print(f"{name:10} closed loop    {capacity:7.0f}/s  accepted p50/p99 {quantiles_ms(peak, 200)} ms")
        for times in (1, TIMES):
            seen = load.run(load.opened(asked, load.arrivals(capacity * times, duration_s, are_even=True)))
            others = {status: len(found) for status, found in seen.latencies_s.items() if status not in (200, 503)}
            print(
                f"{name:10} {times}x, {seen.number / seen.asking_s:6.0f}/s  {seen.rate():7.0f}/s  "
                f"accepted p50/p99 {quantiles_ms(seen, 200)} ms, refused {seen.rate(503):.0f}/s "
                f"in {quantiles_ms(seen, 503)} ms, others {others or 'none'}; "
                f"{seen.rate() / capacity:.0%} of the peak"
            )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--picture", type=Path, help="instead of a generated one of 2000×1500")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    *own, last = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, own)
    contents = [given.picture.read_bytes() if given.picture else picture(2000, 1500)]
    print(f"a picture of {len(contents[0]):,} bytes, {given.seconds:g} s each")
    for _ in range(given.rounds):
        for workers in (None, "0"):
            measure(given.bundle, contents, workers, {last}, given.seconds)


if __name__ == "__main__":
    main()
