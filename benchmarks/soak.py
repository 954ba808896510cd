"""Does the service grow? Memory of the front and its workers over many requests, and by how much it drifts.

python benchmarks/soak.py runs/pets/bundle --requests 100000
"""

import argparse
import asyncio
import statistics
from collections import Counter
from pathlib import Path

from tapetum.delivery import load, target
from tapetum.delivery.connection import Connection, Target
from tapetum.delivery.own_service import own_service
from tapetum.machine import memory_bytes

CLIENTS = 8
SAMPLES = 50


def children(pid: int) -> list[int]:
    """Processes that a process has started."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


async def soak(asked: Target, requests: int, front: int) -> tuple[Counter[int], list[tuple[int, int]]]:
    """Ask in a closed loop; memory of the front and of all workers together, sampled evenly."""
    answers: Counter[int] = Counter()
    samples: list[tuple[int, int]] = []
    every = max(1, requests // SAMPLES // CLIENTS)

    async def client(number: int, asks: int) -> None:
        connection = Connection(asked)
        for each in range(asks):
            answers[(await connection.ask(asked.requests[each % len(asked.requests)])).status] += 1
            if number == 0 and each % every == 0:
                samples.append((memory_bytes(front), sum(map(memory_bytes, children(front)))))
        connection.close()

    await asyncio.gather(*(client(number, requests // CLIENTS) for number in range(CLIENTS)))
    return answers, samples


def drift(sizes: list[int]) -> str:
    """From the median of the second fifth, when everything is warm, to that of the last."""
    fifth = max(1, len(sizes) // 5)
    early, late = statistics.median(sizes[fifth : 2 * fifth]), statistics.median(sizes[-fifth:])
    return f"{early / 1e6:.1f} MB -> {late / 1e6:.1f} MB ({late / early - 1:+.1%})"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--picture", type=Path, help="instead of generated ones of 500×375")
    parser.add_argument("--requests", type=int, default=20_000)
    given = parser.parse_args()
    contents = [given.picture.read_bytes()] if given.picture else target.generated()
    with own_service(given.bundle) as service:
        asked = target.pictures(service.url, contents, {})
        answers, samples = load.run(soak(asked, given.requests, service.pid))
    print(f"answers by status: {dict(answers)}")
    for name, sizes in zip(("front", "workers"), zip(*samples, strict=True), strict=True):
        print(f"{name:8} {drift(list(sizes))}, n={len(sizes)}")


if __name__ == "__main__":
    main()
