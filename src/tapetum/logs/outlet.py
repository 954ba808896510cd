"""The queue and the thread of one destination: whatever befalls it, neither callers nor other destinations wait."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Event, Thread

import structlog

from tapetum.logs.destinations import Destination
from tapetum.logs.lines import Line

LIMIT = 10_000
PAUSE_S = 1.0
STUCK_S = 5.0
GATHER_S = 0.1
_BATCH = 200
_SEVERE = {"warning", "error", "critical"}

log = structlog.get_logger()


@dataclass(frozen=True)
class Health:
    """How a destination does; `last_error_s` is in Unix time."""

    is_up: bool
    errors: int
    last_error: str | None
    last_error_s: float | None
    queued: int
    dropped: int


class Outlet:
    """Writes lines to a destination from a thread of its own.

    Lines are gathered for `gather_s`, warnings and what is worse are written at
    once. At most `limit` lines wait, and the last tenth of that is kept for
    such; what is too many is dropped and counted. After an error the same lines
    are tried again every `pause_s`.
    """

    def __init__(
        self,
        destination: Destination,
        limit: int = LIMIT,
        pause_s: float = PAUSE_S,
        clock: Callable[[], float] = time.time,
        gather_s: float = GATHER_S,
    ) -> None:
        self.destination = destination
        self.limit = limit
        self._pause_s = pause_s
        self._clock = clock
        self._gather_s = gather_s
        self._queue: SimpleQueue[Line | None] = SimpleQueue()
        self._batch: list[bytes] = []
        self._errors = self._dropped = self._told = 0
        self._is_failing = False
        self._last_error: tuple[str, float] | None = None
        self._writing_since: float | None = None
        self._is_ending, self._is_urgent = Event(), Event()
        self._has_ended = self._is_given_up = False
        self._thread = Thread(target=self._run, name=f"log to {destination.kind}", daemon=True)
        self._thread.start()

    @property
    def health(self) -> Health:
        """How it does at this moment."""
        since = self._writing_since
        stuck_s = self._clock() - since if since is not None else 0.0
        error, when = self._last_error or (None, None)
        if stuck_s > STUCK_S:
            error, when = f"it has not taken a line for {stuck_s:.0f} s", since
        is_up = not self._is_failing and stuck_s <= STUCK_S
        return Health(is_up, self._errors, error, when, self._queue.qsize() + len(self._batch), self._dropped)

    def put(self, line: Line) -> None:
        """Queue a line; once the thread has ended, write it."""
        if self._has_ended:
            self._put_directly(line)
        elif self._queue.qsize() < (self.limit if line.level in _SEVERE else self.limit * 9 // 10):
            self._queue.put(line)
            if line.level in _SEVERE:
                self._is_urgent.set()
        else:
            self._dropped += 1

    def end(self) -> None:
        """Ask the thread to write what is queued, and then to end."""
        if not self._is_ending.is_set():
            self._is_ending.set()
            self._queue.put(None)
            self._is_urgent.set()

    def settle(self, within_s: float) -> None:
        """Wait for that, but no longer than `within_s`."""
        self._thread.join(within_s)

    def close(self) -> None:
        """From now on a line is written by whoever puts it, until that fails once: the end must not wait.

        The caller sees to it that nobody puts one meanwhile.
        """
        if self._has_ended:
            return
        self._has_ended = True
        late = []
        # Without waiting: a thread that hung may be back, and take some of them.
        with suppress(Empty):
            while True:
                if (line := self._queue.get_nowait()) is not None:
                    late.append(line)
        if self._thread.is_alive() or self._batch:
            self._is_given_up = True
            self._dropped += len(late) + len(self._batch)
            self._batch = []
            self._tell_losses()
            return
        for line in late:
            self._put_directly(line)

    def _put_directly(self, line: Line) -> None:
        if not self._is_given_up:
            self._batch = [self.destination.render(line)]
            if self._attempt() and not self._batch:
                return
            self._is_given_up = True
        self._dropped += 1

    def _run(self) -> None:
        while self._fill():
            if not self._attempt() and self._is_ending.wait(self._pause_s) and not self._attempt():
                return

    def _fill(self) -> bool:
        """Take lines from the queue, waiting for the first; False once there will be none."""
        while len(self._batch) < _BATCH:
            if self._queue.empty() and (self._batch or self._is_ending.is_set()):
                break
            line = self._queue.get()
            if line is None:
                continue
            if not self._batch and line.level not in _SEVERE:
                # A thread that wakes for each line takes the interpreter's lock and the processor's caches from
                # those who log: a third of what the front spent on a request.
                self._is_urgent.wait(self._gather_s)
            self._is_urgent.clear()
            self._batch.append(self.destination.render(line))
        return bool(self._batch)

    def _attempt(self) -> bool:
        """Write what is at hand, or a part of it; False where nothing could be written."""
        self._writing_since = self._clock()
        try:
            through = self.destination.write(self._batch)
        except Exception as error:  # the top of a supervised thread: it goes on, and tells
            self._fail((isinstance(error, OSError) and error.strerror) or str(error) or repr(error))
            return False
        finally:
            self._writing_since = None
        del self._batch[:through]
        if self._is_failing:
            self._is_failing = False
            log.info("lines reach their destination again", handler=self.destination.kind)
        if self._queue.empty():
            self._tell_losses()
        return True

    def _tell_losses(self) -> None:
        lost, self._told = self._dropped - self._told, self._dropped
        if lost:
            log.warning("lines were lost", handler=self.destination.kind, lines=lost)

    def _fail(self, reason: str) -> None:
        self._errors += 1
        self._last_error = (reason, self._clock())
        if not self._is_failing:
            self._is_failing = True
            log.warning("lines do not reach their destination", handler=self.destination.kind, reason=reason)
