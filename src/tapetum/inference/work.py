"""What a pool is given, and what can be seen of it."""

import asyncio
from collections import deque
from dataclasses import dataclass
from time import perf_counter

from tapetum import containers
from tapetum.errors import Overloaded
from tapetum.inference.predictor import Picture, bytes_of
from tapetum.inference.showing import Answer, Question


@dataclass(frozen=True)
class Limits:
    """Pictures waiting or computed, and apart from them those for heat maps; pixels waiting; memory of one hand.

    `hang_s` is for one picture.
    """

    pending: int
    questions: int
    pixels: int
    hang_s: float
    hand_bytes: int


@dataclass(frozen=True)
class Status:
    """How a pool stands: of `limit` pictures `pending` wait or are computed, the first in the queue for `oldest_s`.

    `hands` are those that take pictures, of `wanted`; `replaced` counts those that had to be. `memory_bytes` is that
    of all processes, also of those that start or end.
    """

    pending: int
    limit: int
    oldest_s: float
    hands: int
    wanted: int
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

    @property
    def age_s(self) -> float:
        """How long ago it joined the queue."""
        return perf_counter() - self.arrived

    @property
    def queue_s(self) -> float:
        """How long it waited for a hand, or has waited."""
        return (perf_counter() if self.begun is None else self.begun) - self.arrived


class Questions:
    """Pictures for heat maps: they take the hands that predictions leave over, and at most `at_once` of them.

    `limit` is of those that wait or are at a hand.
    """

    def __init__(self, limit: int, at_once: int) -> None:
        self.waiting: deque[Job] = deque()
        self.hands: set[object] = set()  # that answer one now
        self._limit = limit
        self._at_once = at_once

    @property
    def pending(self) -> int:
        """How many wait or are at a hand."""
        return len(self.waiting) + len(self.hands)

    @property
    def are_due(self) -> bool:
        """Whether one waits that a hand may be given."""
        return bool(self.waiting) and len(self.hands) < self._at_once

    def begin(self, job: Job, hand: object) -> None:
        """Note that a hand has a job, where that is a question."""
        if job.question is not None:
            self.hands.add(hand)

    def take(self, job: Job) -> Job:
        """Have a job wait. Raises Overloaded."""
        self.require_room()
        self.waiting.append(job)
        return job

    def require_room(self) -> None:
        """Raise Overloaded where no more can wait."""
        if self.pending >= self._limit:
            raise Overloaded(f"{self._limit} heat maps wait or are made, and no more may: try again in a moment")
