"""What a pool is given, and what can be seen of it."""

import asyncio
from dataclasses import dataclass
from time import perf_counter

from tapetum import containers
from tapetum.inference.predictor import Picture, Result, bytes_of


@dataclass(frozen=True)
class Limits:
    """Pictures waiting or computed, pixels waiting, seconds for one picture, and memory of one hand."""

    pending: int
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
    """One picture of `size` bytes on its way; `answer` gets its result or its error.

    One that claims more than `max_pixels` is no work: it will be refused by its head.
    """

    def __init__(self, content: Picture, max_pixels: int) -> None:
        self.content = content
        self.size = len(bytes_of(content))
        claimed = containers.pixels(content) if isinstance(content, bytes) else content.shape[0] * content.shape[1]
        self.pixels = claimed if claimed <= max_pixels else 0
        self.answer: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
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
