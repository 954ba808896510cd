"""How long a call of an engine takes."""

from collections.abc import Callable
from time import perf_counter

import numpy as np

from tapetum.image import Preprocess
from tapetum.inference.engine import Engine

LONGEST_S = 0.05  # a call: of batches that take longer nobody would want twice the size
_CALLS = 10


def call_s(engine: Engine, spec: Preprocess, pictures: int, clock: Callable[[], float] = perf_counter) -> float:
    """Seconds of one call with so many pictures: the least of some, after one that makes the engine ready for it."""
    # What is in them does not matter: networks compute the same of any.
    images = np.zeros((pictures, spec.height, spec.width, 3), np.uint8)
    engine.infer(images)
    began = clock()
    least_s = float("inf")
    for _ in range(_CALLS):
        start = clock()
        engine.infer(images)
        least_s = min(least_s, clock() - start)
        if clock() - began > LONGEST_S:
            break
    return least_s
