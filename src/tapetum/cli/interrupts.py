"""Ctrl-C and SIGTERM: the first unwinds the command, so that half-written files and started services are cleared."""

import os
import signal
import sys
from types import FrameType

_PATIENCE = b"tapetum: clearing up; once more ends it as it is\n"


class Interrupts:
    """Whether this process was asked to end: `code` is then the exit code that says so."""

    def __init__(self) -> None:
        self.code: int | None = None
        self._count = 0

    def watch(self) -> None:
        """From now on the first raises; the second, which would only cut off the clearing up, does not."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._count += 1
        if self._count == 1:
            self.code = 128 + number
            raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(self.code)
        if self._count > 2:
            os._exit(128 + number)
        os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, _PATIENCE)
