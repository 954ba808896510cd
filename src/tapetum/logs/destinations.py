"""Where lines go: what an outlet asks of a destination, standard error, and a file that rotates."""

import os
import select
from bisect import bisect_right
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Literal, Protocol

import structlog

from tapetum.logs.lines import Line

STDERR = 2
_READ_MS = 1000

Kind = Literal["console", "file", "syslog"]


class Destination(Protocol):
    """Takes lines, from one thread."""

    kind: Kind
    name: str

    def render(self, line: Line) -> bytes:
        """A line as it is sent."""

    def write(self, lines: Sequence[bytes]) -> int:
        """Send lines, at least one, and return how many are through; the rest is offered again.

        Raises OSError where none could be sent.
        """


class Tear:
    """Keeps lines whole over what may take a part of them: the rest of a torn line goes first the next time."""

    def __init__(self) -> None:
        self._torn: bytes | None = None
        self._begun = 0

    @property
    def is_open(self) -> bool:
        return self._torn is not None

    def forget(self) -> None:
        """What was begun is out of reach: begin the line anew."""
        self._torn = None

    def put(self, lines: Sequence[bytes], send: Callable[[bytes], int]) -> int:
        """Send the lines, and return how many are through. `send` returns how many bytes it took."""
        begun = self._begun if lines[0] is self._torn else 0
        taken = begun + send(b"".join(lines)[begun:])
        ends = [0, *accumulate(map(len, lines))]
        whole = bisect_right(ends, taken) - 1
        self._torn = lines[whole] if taken > ends[whole] else None
        self._begun = taken - ends[whole]
        return whole


def _write(number: int, content: bytes) -> int:
    """As `os.write`, but a pipe that is full and does not block gets a second to be read."""
    try:
        return os.write(number, content)
    except BlockingIOError:
        watch = select.poll()
        watch.register(number, select.POLLOUT)
        watch.poll(_READ_MS)
        return os.write(number, content)


def _open(path: Path) -> int:
    # Without O_NONBLOCK a pipe that nobody reads would hold the process up before it has begun.
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC, 0o640)


class Console:
    """Standard error, as JSON or as text for people; it waits for whoever reads it."""

    kind: Kind = "console"
    name = "standard error"

    def __init__(self, renderer: structlog.dev.ConsoleRenderer | None) -> None:
        self._renderer = renderer
        self._tear = Tear()

    def render(self, line: Line) -> bytes:
        """JSON without a renderer."""
        return line.to_json() if self._renderer is None else line.to_text(self._renderer)

    def write(self, lines: Sequence[bytes]) -> int:
        """Past Python's own buffer, which a crash would take along."""
        return self._tear.put(lines, lambda content: _write(STDERR, content))


class File:
    """JSON lines in a file of at most `max_bytes`; full, it becomes PATH.1, and PATH.`keep` is the oldest that stays.

    A file that somebody else moved away or deleted is made anew. `size_bytes`
    is that of the file now; who asks for it does not wait for the disk.
    """

    kind: Kind = "file"

    def __init__(self, path: Path, max_bytes: int, keep: int) -> None:
        self.name = str(path)
        self.max_bytes = max_bytes
        self.keep = keep
        self.size_bytes = 0
        self._path = path
        self._number: int | None = None
        self._tear = Tear()

    def render(self, line: Line) -> bytes:
        """Always JSON: what reads files is a program."""
        return line.to_json()

    def write(self, lines: Sequence[bytes]) -> int:
        """As many lines as the file has room for, or one."""
        number = self.open()
        room = self.max_bytes - os.fstat(number).st_size
        if room < min(len(lines[0]), self.max_bytes) and not self._tear.is_open:
            self._rotate()
            number, room = self.open(), self.max_bytes
        fitting = max(1, bisect_right(list(accumulate(map(len, lines))), room))
        try:
            return self._tear.put(lines[:fitting], lambda content: _write(number, content))
        finally:
            self.size_bytes = os.fstat(number).st_size

    def open(self) -> int:
        """The descriptor of the file that is at the path now. Raises OSError."""
        if self._number is not None:
            with suppress(FileNotFoundError):
                if os.path.samestat(os.stat(self._path), os.fstat(self._number)):
                    return self._number
        try:
            fresh = _open(self._path)
        except FileNotFoundError:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            fresh = _open(self._path)
        if self._number is not None:
            os.close(self._number)
        self._number = fresh
        self._tear.forget()
        return fresh

    def _rotate(self) -> None:
        names = [self._path, *(Path(f"{self._path}.{number}") for number in range(1, self.keep + 1))]
        if self.keep == 0:
            self._path.unlink()
        for newer, older in reversed(list(pairwise(names))):
            with suppress(FileNotFoundError):
                newer.replace(older)
