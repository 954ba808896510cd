"""Pictures a second of an engine, without decoding."""

from collections.abc import Mapping
from statistics import median
from time import perf_counter

import numpy as np

from tapetum.inference.engine import Engine

_ROUNDS = 5
_CALLS = 24


def throughput(engines: Mapping[str, Engine], images: np.ndarray) -> dict[str, float]:
    """Of each engine, in calls of one picture, the median of several rounds; `images` are uint8 (N, H, W, 3).

    The engines take turns, so that what else the machine does meets all of them.
    """
    rounds: dict[str, list[float]] = {name: [] for name in engines}
    for _ in range(_ROUNDS):
        for name, engine in engines.items():
            engine.infer(images[:1])
            start = perf_counter()
            for number in range(_CALLS):
                engine.infer(images[number % len(images)][None])
            rounds[name].append(_CALLS / (perf_counter() - start))
    return {name: median(figures) for name, figures in rounds.items()}
