"""How many pictures one call of the engine takes: as many as this model on this machine gains by, which is measured.

One model gains nothing by company, another is twice as fast in it, and who serves them cannot know which is which.
"""

from collections.abc import Awaitable, Callable, Mapping

import structlog

from tapetum.errors import WorkerLost
from tapetum.inference.timing import LONGEST_S

# Few, since an engine makes itself ready for each when it first meets it, which takes ResNet-50 some 50 ms.
SIZES = (1, 2, 4, 8)
_LEAST_GAIN = 0.15
_AS_GOOD_AS = 1.05

log = structlog.get_logger()


async def measure(time: Callable[[int], Awaitable[float]]) -> dict[int, float]:
    """Seconds of a call by its number of pictures, as far as calls do not take too long."""
    found: dict[int, float] = {}
    for pictures in SIZES:
        found[pictures] = await time(pictures)
        if found[pictures] > LONGEST_S:
            break
    return found


def choose(found: Mapping[int, float]) -> int:
    """The smallest size that is about as good as the best, and clearly better than one picture at a time; else 1."""
    each = {pictures: seconds / pictures for pictures, seconds in found.items()}
    enough = min(min(each.values()) * _AS_GOOD_AS, each[1] * (1 - _LEAST_GAIN))
    return min((pictures for pictures, seconds in each.items() if seconds <= enough), default=1)


async def find(time: Callable[[int], Awaitable[float]]) -> int:
    """Measure, choose, and say so in the log; 1 where who measures ends."""
    try:
        found = await measure(time)
    except WorkerLost as error:
        log.warning("workers are given one picture at a time", reason=str(error))
        return 1
    size = choose(found)
    figures = {str(pictures): round(seconds * 1000, 2) for pictures, seconds in found.items()}
    log.info("the batch that pays is measured", pictures=size, call_ms=figures)
    return size
