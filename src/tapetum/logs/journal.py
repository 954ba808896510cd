"""The log of one process: every line counted, and handed to each destination."""

from collections.abc import Sequence
from threading import RLock
from time import monotonic

from tapetum.logs.destinations import Destination
from tapetum.logs.lines import LEVELS, Line
from tapetum.logs.outlet import LIMIT, PAUSE_S, Outlet

CLOSE_S = 5.0


class Journal:
    """Takes lines from any thread, and never makes it wait for a destination. Without destinations it only counts.

    After `close` it writes each line at once, since nobody knows whether
    there will be another moment.
    """

    def __init__(self, destinations: Sequence[Destination] = (), limit: int = LIMIT, pause_s: float = PAUSE_S) -> None:
        self.limit = limit
        self.lines = dict.fromkeys(LEVELS, 0)
        # A signal's handler may log while its thread is in here.
        self._lock = RLock()
        self.outlets = tuple(Outlet(destination, limit, pause_s) for destination in destinations)

    @property
    def dropped(self) -> int:
        """Lines that did not reach a destination and never will, over all destinations."""
        return sum(outlet.health.dropped for outlet in self.outlets)

    def take(self, /, **event: object) -> None:
        """Log an event that `lines.finish` has made safe."""
        line = Line(event)
        with self._lock:
            self.lines[line.level] += 1
            for outlet in self.outlets:
                outlet.put(line)

    def close(self, within_s: float = CLOSE_S) -> None:
        """Write what is queued, as far as the destinations take it in time, and count the rest as dropped."""
        last = monotonic() + within_s
        for outlet in self.outlets:
            outlet.end()
        for outlet in self.outlets:
            outlet.settle(max(0.0, last - monotonic()))
        with self._lock:
            for outlet in self.outlets:
                outlet.close()
