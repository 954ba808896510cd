"""What a worker is given of what waits."""

import numpy as np
import pytest
from conftest import encode

from tapetum.errors import WorkerLost
from tapetum.inference.work import Job, Limits, Predictions

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def waiting(*contents: bytes | np.ndarray, batch: int = 8) -> tuple[Predictions, list[Job]]:
    predictions = Predictions(10**9)
    predictions.batch = batch
    jobs = [Job(content, 10**7) for content in contents]
    predictions.take(jobs)
    return predictions, jobs


@pytest.mark.parametrize(
    ("number", "workers", "batch", "given"),
    [
        (1, 1, 8, 1),
        (3, 3, 8, 1),
        (2, 3, 8, 1),
        (4, 3, 8, 2),
        (8, 1, 8, 8),
        (50, 1, 8, 8),
        (50, 1, 4, 4),
        (50, 1, 1, 1),
        (7, 1, 8, 4),  # the sizes are few
        (16, 2, 8, 8),
        (9, 2, 8, 4),
    ],
)
async def test_a_worker_gets_more_than_one_only_where_more_wait_than_workers_are_free(number, workers, batch, given):
    predictions, jobs = waiting(*[b"picture"] * number, batch=batch)

    assert predictions.give(workers) == jobs[:given]
    assert list(predictions.waiting) == jobs[given:]
    assert [job.begun is not None for job in jobs] == [True] * given + [False] * (number - given)


async def test_large_pictures_are_given_alone_and_nobody_overtakes():
    large, padded = encode(np.zeros((501, 500, 3), np.uint8), "PNG"), b"x" * 1_000_001
    small, pixels = encode(np.zeros((500, 500, 3), np.uint8), "PNG"), np.zeros((16, 16, 3), np.uint8)
    predictions, jobs = waiting(large, small, pixels, small, pixels, padded, small, small)

    given = []
    while predictions.waiting:
        given.append([jobs.index(job) for job in predictions.give(1)])

    assert given == [[0], [1, 2, 3, 4], [5], [6, 7]]


async def test_a_lost_batch_waits_before_all_others_each_alone_without_what_is_done():
    predictions, jobs = waiting(*[b"picture"] * 6, batch=4)
    lost = predictions.give(1)
    lost[1].answer.cancel()

    predictions.take_back(lost)

    assert list(predictions.waiting) == [jobs[0], jobs[2], jobs[3], jobs[4], jobs[5]]
    assert [job.begun for job in predictions.waiting] == [None] * 5
    assert [predictions.give(1) for _ in range(4)] == [[jobs[0]], [jobs[2]], [jobs[3]], [jobs[4], jobs[5]]]


async def test_who_waits_longest_is_asked_of_the_first():
    predictions, jobs = waiting(b"picture", b"picture")
    assert predictions.oldest_s >= jobs[1].queue_s

    predictions.give(1)

    assert predictions.oldest_s == 0


async def test_an_answer_is_given_once():
    _, (job, failed) = waiting(b"picture", b"picture")

    failed.settle(WorkerLost("it ended"))
    job.answer.cancel()
    job.settle(WorkerLost("it ended"))

    assert isinstance(failed.answer.exception(), WorkerLost)
    assert job.answer.cancelled()


@pytest.mark.parametrize(("hang_s", "of_one", "of_a_batch"), [(10, 10, 2.5), (2, 2, 1), (0.5, 0.5, 0.5)])
def test_a_batch_that_stands_still_leaves_its_pictures_time(hang_s, of_one, of_a_batch):
    limits = Limits(pending=64, questions=4, pixels=10**9, hang_s=hang_s, worker_bytes=10**9)

    assert (limits.longest_s(1), limits.longest_s(2), limits.longest_s(8)) == (of_one, of_a_batch, of_a_batch)
    assert limits.complaint(1, of_one) is None
    assert limits.complaint(1, of_one + 0.1) == f"it computed one picture for longer than {of_one:g} s"
    assert limits.complaint(3, of_a_batch + 0.1) == f"it computed 3 pictures for longer than {of_a_batch:g} s"
