"""A worker's standard error as lines of the log: what libraries complain of, and the last words of one that dies."""

import asyncio
import os
from time import monotonic
from typing import IO

import structlog

_READ_BYTES = 2000
_MOST_IN_A_SECOND = 10
_GATHER_S = 0.05
_MOST_READS = 64

log = structlog.get_logger()


class Stderr:
    """Reads the standard error of process `pid` as it comes, so that the process hardly ever waits for a reader.

    What was said in one go, or within a moment and up to 2 kB, is one line of
    the log, of which there are ten a second at most; the rest is counted. A
    hostile picture can make a decoder talk without end.
    """

    def __init__(self, stream: IO[bytes], pid: int) -> None:
        self._stream = stream
        self._pid = pid
        self._second = 0.0
        self._said = self._left_out = 0
        os.set_blocking(stream.fileno(), False)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(stream, self._gather)

    def hear(self) -> bool:
        """Log what there is to read; False where there is nothing."""
        try:
            heard = os.read(self._stream.fileno(), _READ_BYTES)
        except BlockingIOError:
            return False
        if not heard:
            self._loop.remove_reader(self._stream)
            return False
        if monotonic() >= self._second + 1:
            self._second, self._said = monotonic(), 0
        self._said += 1
        if self._said > _MOST_IN_A_SECOND:
            self._left_out += len(heard)
            return True
        text = heard.decode(errors="replace").strip()
        counted = {"left_out_bytes": self._left_out} if self._left_out else {}
        log.warning("a worker says", pid=self._pid, text=text, **counted)
        self._left_out = 0
        return True

    def _gather(self) -> None:
        # The last words of a process come line by line: read at once, they would fill the log with pieces.
        self._loop.remove_reader(self._stream)
        self._loop.call_later(_GATHER_S, self._listen)

    def _listen(self) -> None:
        if self._stream.closed:
            return
        self._loop.add_reader(self._stream, self._gather)
        for _ in range(_MOST_READS):
            if not self.hear():
                break

    def close(self) -> None:
        """Log what is left, and listen no more."""
        if self._stream.closed:
            return
        while self.hear():
            pass
        if self._left_out:
            log.warning("a worker says", pid=self._pid, text="", left_out_bytes=self._left_out)
        self._loop.remove_reader(self._stream)
        self._stream.close()
