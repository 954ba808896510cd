"""What is gained by batches is measured, and decided by what was measured."""

import math

import numpy as np
import pytest

from tapetum.errors import EngineError, WorkerLost
from tapetum.image import Preprocess
from tapetum.inference import batching, timing
from tapetum.inference.engine import Outputs

pytestmark = pytest.mark.anyio
SPEC = Preprocess(height=4, width=6)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Metered:
    """An engine by whose calls a clock goes on: for each call and for each picture so much, for a size's first 9 s."""

    name, precision, device = "metered", "fp32", "cpu"

    def __init__(self, call_s: float, picture_s: float) -> None:
        self.now = 0.0
        self.sizes: list[int] = []
        self._costs = call_s, picture_s

    def infer(self, images: np.ndarray) -> Outputs:
        call_s, picture_s = self._costs
        self.now += 9.0 if len(images) not in self.sizes else call_s + picture_s * len(images)
        self.sizes.append(len(images))
        return Outputs(np.zeros((len(images), 2), np.float32), np.zeros((len(images), 3), np.float32))

    async def time(self, pictures: int) -> float:
        return timing.call_s(self, SPEC, pictures, lambda: self.now)


@pytest.mark.parametrize(
    ("call_s", "picture_s", "size"),
    [
        (0, 0.004, 1),  # nothing gained
        (0.0004, 0.004, 1),  # too little
        (0.004, 0.004, 8),  # more and more
        (0.0008, 0.0023, 4),  # of which 8 would be hardly better
        (0.04, 0.001, 8),
        (0, 0.3, 1),
    ],
)
async def test_the_size_is_the_smallest_that_gains_about_all_there_is_to_gain(call_s, picture_s, size):
    assert await batching.find(Metered(call_s, picture_s).time) == size


async def test_the_first_call_of_a_size_does_not_count():
    found = await batching.measure(Metered(0.002, 0.001).time)

    assert found == pytest.approx({1: 0.003, 2: 0.004, 4: 0.006, 8: 0.010})


async def test_beyond_a_call_that_takes_long_no_more_is_asked():
    engine = Metered(0, 0.03)

    assert list(await batching.measure(engine.time)) == [1, 2]
    assert engine.sizes.count(2) == 2


async def test_a_size_that_the_engine_cannot_compute_is_not_chosen():
    async def time(pictures: int) -> float:
        return math.inf if pictures > 2 else 0.01

    assert await batching.find(time) == 2


async def test_where_no_call_works_pictures_stay_alone():
    async def time(pictures: int) -> float:
        return math.inf

    assert await batching.find(time) == 1


@pytest.mark.parametrize("size", batching.SIZES)
async def test_where_the_worker_ends_meanwhile_pictures_stay_alone(size):
    async def time(pictures: int) -> float:
        if pictures == size:
            raise WorkerLost("it ended")
        return 0.001

    assert await batching.find(time) == 1


async def test_another_error_is_not_hidden():
    async def time(pictures: int) -> float:
        raise EngineError("no")

    with pytest.raises(EngineError):
        await batching.find(time)
