"""Looks that are taken now and then for all readers, so that these neither wait for them nor disturb each other."""

from collections.abc import Callable
from threading import Event, Thread
from typing import Generic, TypeVar

import structlog

EVERY_S = 5.0
FIRST_S = 0.25

Sight = TypeVar("Sight")

log = structlog.get_logger()


class Sampler(Generic[Sight]):
    """Looks every `every_s` on a thread of its own, the first time after `first_s`.

    A disk or a driver that hangs holds up that thread only, and not the end of
    the process: `latest` stays what it was, at first `initial`.
    """

    def __init__(
        self, look: Callable[[], Sight], initial: Sight, every_s: float = EVERY_S, first_s: float = FIRST_S
    ) -> None:
        self.latest = initial
        self._look = look
        self._every_s = every_s
        self._first_s = first_s
        self._done = Event()

    def start(self) -> None:
        """Begin to look."""
        Thread(target=self._run, name="sampler", daemon=True).start()

    def stop(self) -> None:
        """Look no more once the look that may be going on has ended."""
        self._done.set()

    def _run(self) -> None:
        pause_s = self._first_s
        while not self._done.wait(pause_s):
            try:
                self.latest = self._look()
            except Exception as error:  # the top of a supervised loop: whatever a system lacks, the service goes on
                log.error("a look at the machine failed", exc_info=error)
            pause_s = self._every_s
