"""Does the service grow? Memory of the front and its workers over many requests, and by how much it drifts.

python benchmarks/soak.py runs/pets/bundle --requests 100000
"""

import argparse
import asyncio
import statistics
from pathlib import Path

from load import Seen, connections, picture, post, service

from tapetum.machine import memory_bytes

CLIENTS = 8
SAMPLES = 50


def children(pid: int) -> list[int]:
    """Processes that a process has started."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


async def soak(port: int, request: bytes, requests: int, front: int) -> tuple[Seen, list[tuple[int, int]]]:
    """Ask in a closed loop; memory of the front and of all workers together, sampled evenly."""
    seen = Seen(duration_s=1.0)
    samples: list[tuple[int, int]] = []
    every = max(1, requests // SAMPLES // CLIENTS)

    async def client(number: int, asks: int) -> None:
        for asked in range(asks):
            seen.add(await opened[number].ask(request), 0.0)
            if number == 0 and asked % every == 0:
                samples.append((memory_bytes(front), sum(map(memory_bytes, children(front)))))

    async with connections(port, CLIENTS) as opened:
        await asyncio.gather(*(client(number, requests // CLIENTS) for number in range(CLIENTS)))
    return seen, samples


def drift(sizes: list[int]) -> str:
    """From the median of the second fifth, when everything is warm, to that of the last."""
    fifth = max(1, len(sizes) // 5)
    early, late = statistics.median(sizes[fifth : 2 * fifth]), statistics.median(sizes[-fifth:])
    return f"{early / 1e6:.1f} MB -> {late / 1e6:.1f} MB ({late / early - 1:+.1%})"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--picture", type=Path, help="instead of a generated one of 500×375")
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--port", type=int, default=8123)
    given = parser.parse_args()
    content = given.picture.read_bytes() if given.picture else picture(500, 375)
    with service(given.bundle, given.port) as process:
        seen, samples = asyncio.run(soak(given.port, post(content), given.requests, process.pid))
    counts = {status: len(found) for status, found in seen.latencies_s.items()}
    print(f"answers by status: {counts}")
    for name, sizes in zip(("front", "workers"), zip(*samples, strict=True), strict=True):
        print(f"{name:8} {drift(list(sizes))}, n={len(sizes)}")


if __name__ == "__main__":
    main()
