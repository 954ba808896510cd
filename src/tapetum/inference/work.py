"""What a pool is given, in which order a worker gets it, and what can be seen of it."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from time import perf_counter

from tapetum import containers
from tapetum.errors import Overloaded, PictureError
from tapetum.inference import batching
from tapetum.inference.predictor import Picture, bytes_of
from tapetum.inference.showing import Answer, Question

_pixels = attrgetter("pixels")

# To decode such a picture takes a worker some 2 ms, about as long as a call of the engine. Larger ones would keep
# the others of their batch waiting for what a batch does not shorten.
_SMALL_PIXELS = 250_000
_SMALL_BYTES = 1_000_000
# Of what one picture may take: who else is in a batch that stands still has time left to be computed alone. Batches
# take some hundredths of a second; a machine that is busy must not end those that get on.
_SHARE_OF_A_BATCH = 0.25
_LEAST_OF_A_BATCH_S = 1.0


@dataclass(frozen=True)
class Limits:
    """Pictures waiting or computed, and apart from them those for heat maps; pixels waiting; memory of one worker.

    `hang_s` is for one picture.
    """

    pending: int
    questions: int
    pixels: int
    hang_s: float
    worker_bytes: int

    def longest_s(self, pictures: int) -> float:
        """For how long a worker may compute what it has."""
        if pictures <= 1:
            return self.hang_s
        return min(self.hang_s, max(_LEAST_OF_A_BATCH_S, self.hang_s * _SHARE_OF_A_BATCH))

    def complaint(self, pictures: int, busy_s: float) -> str | None:
        """Why a worker is to end that has computed so many for so long; None where it may go on."""
        if busy_s <= self.longest_s(pictures):
            return None
        what = "one picture" if pictures == 1 else f"{pictures} pictures"
        return f"it computed {what} for longer than {self.longest_s(pictures):g} s"


@dataclass(frozen=True)
class Status:
    """How a pool stands: of `limit` pictures `pending` wait or are computed, the first in the queue for `oldest_s`.

    `workers` are those that take pictures, of `wanted`, up to `batch` at a time; `replaced` counts those of before.
    `memory_bytes` is that of all processes, also of those that start or end.
    """

    pending: int
    limit: int
    oldest_s: float
    workers: int
    wanted: int
    batch: int
    replaced: int
    memory_bytes: int


class Job:
    """One picture of `size` bytes on its way, with a question or to be predicted; `answer` gets that, or its error.

    One that claims more than `max_pixels` is no work: it will be refused by its head.
    """

    def __init__(self, content: Picture, max_pixels: int, question: Question | None = None) -> None:
        self.content = content
        self.question = question
        self.size = len(bytes_of(content))
        claimed = containers.pixels(content) if isinstance(content, bytes) else content.shape[0] * content.shape[1]
        self.pixels = claimed if claimed <= max_pixels else 0
        self.answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self.arrived = perf_counter()
        self.begun: float | None = None
        self.was_lost = False  # with a batch, by the death of a worker, or behind what a worker stands still on

    def settle(self, result: Answer | Exception) -> None:
        """Give the answer, unless nobody waits for it any more; the error of a picture is one."""
        if self.answer.done():
            return
        if isinstance(result, Exception) and not isinstance(result, PictureError):
            self.answer.set_exception(result)
        else:
            self.answer.set_result(result)

    @property
    def may_share(self) -> bool:
        """Whether it may be computed in a batch."""
        return self.pixels <= _SMALL_PIXELS and self.size <= _SMALL_BYTES and not self.was_lost

    @property
    def age_s(self) -> float:
        """How long ago it joined the queue."""
        return perf_counter() - self.arrived

    @property
    def queue_s(self) -> float:
        """How long it waited for a worker, or has waited."""
        return (perf_counter() if self.begun is None else self.begun) - self.arrived


class Predictions:
    """Pictures to predict, of `most_pixels` in all; a worker is given up to `batch` at a time."""

    def __init__(self, most_pixels: int) -> None:
        self.waiting: deque[Job] = deque()
        self.batch = 1
        self._most_pixels = most_pixels

    @property
    def oldest_s(self) -> float:
        """How long the first has waited; 0 where none waits. Other threads may ask, hence the copy."""
        first = next(iter(self.waiting.copy()), None)
        return 0.0 if first is None else first.queue_s

    def may_line_up(self, workers: int) -> bool:
        """Whether the next is small, and so many wait that each of so many workers could be given a whole batch."""
        return len(self.waiting) >= workers * self.batch and self.waiting[0].may_share

    async def find_batch(self, time: Callable[[int], Awaitable[float]]) -> None:
        """From now on give as many at a time as pays by what `time` measures."""
        self.batch = await batching.find(time)

    def take(self, jobs: Sequence[Job]) -> None:
        """Have all wait, or none. Raises Overloaded."""
        waiting, coming = sum(map(_pixels, self.waiting)), sum(map(_pixels, jobs))
        # Who waits alone keeps nobody waiting, however large.
        if waiting and waiting + coming > self._most_pixels:
            raise Overloaded(
                f"pictures of {waiting:,} pixels are waiting, and with these {coming:,} it would be more than "
                f"{self._most_pixels:,}: try again in a moment"
            )
        self.waiting.extend(jobs)

    def give(self, workers: int) -> list[Job]:
        """The next for one of so many free workers: one, unless more wait than there are such workers."""
        share = min(self.batch, -(-len(self.waiting) // workers))
        size = max(size for size in batching.SIZES if size <= share)
        jobs = [_next(self.waiting)]
        while len(jobs) < size and jobs[0].may_share and self.waiting[0].may_share:
            jobs.append(_next(self.waiting))
        return jobs

    def take_back(self, jobs: Sequence[Job]) -> None:
        """Have pictures wait again, before all others and each to be computed alone, which shows whose fault it was.

        Those that do so already are left out: a worker that stands still may go on, and the first answer counts.
        """
        for job in reversed(jobs):
            if not (job.answer.done() or job.was_lost):
                job.was_lost, job.begun = True, None
                self.waiting.appendleft(job)


class Questions:
    """Pictures for heat maps: they take the workers that predictions leave over, and at most `at_once` of them.

    `limit` is of those that wait or are at a worker.
    """

    def __init__(self, limit: int, at_once: int) -> None:
        self.waiting: deque[Job] = deque()
        self.workers: set[object] = set()  # that answer one now
        self._limit = limit
        self._at_once = at_once

    @property
    def pending(self) -> int:
        """How many wait or are at a worker."""
        return len(self.waiting) + len(self.workers)

    @property
    def are_due(self) -> bool:
        """Whether one waits that a worker may be given."""
        return bool(self.waiting) and len(self.workers) < self._at_once

    def give(self, worker: object) -> list[Job]:
        """The next, for this worker."""
        self.workers.add(worker)
        return [_next(self.waiting)]

    def take(self, job: Job) -> Job:
        """Have a job wait. Raises Overloaded."""
        self.require_room()
        self.waiting.append(job)
        return job

    def require_room(self) -> None:
        """Raise Overloaded where no more can wait."""
        if self.pending >= self._limit:
            raise Overloaded(f"{self._limit} heat maps wait or are made, and no more may: try again in a moment")


def _next(waiting: deque[Job]) -> Job:
    job = waiting.popleft()
    job.begun = perf_counter()
    return job
