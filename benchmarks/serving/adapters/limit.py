"""The limit: decode, resize and forward in a bare loop, one process for each core, without HTTP.

`limit.py SECONDS PICTURE…` prints how many pictures a second all processes together had.
"""

import multiprocessing
import sys
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path
from time import perf_counter

from model import CORES, open_model

WARM_UP_S = 0.5


def loop(start_together: Barrier, rates: "Queue[float]", seconds: float, paths: list[str]) -> None:
    """One process."""
    contents = [Path(path).read_bytes() for path in paths]
    classify = open_model()

    def rate(seconds: float) -> float:
        start, number = perf_counter(), 0
        while perf_counter() < start + seconds:
            classify(contents[number % len(contents)])
            number += 1
        return number / (perf_counter() - start)

    rate(WARM_UP_S)
    start_together.wait()
    rates.put(rate(seconds))


def main() -> None:
    """One process for each core."""
    context = multiprocessing.get_context("spawn")
    start_together, rates = context.Barrier(CORES), context.Queue()
    arguments = (start_together, rates, float(sys.argv[1]), sys.argv[2:])
    processes = [context.Process(target=loop, args=arguments) for _ in range(CORES)]
    for process in processes:
        process.start()
    print(sum(rates.get(timeout=120) for _ in processes))
    for process in processes:
        process.join()


if __name__ == "__main__":
    main()
