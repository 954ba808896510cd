"""The front's end of the line to a worker: a socket on the event loop, which nothing waits for."""

import asyncio
import socket
from collections.abc import Callable

_READ_BYTES = 262_144


class Line:
    """Calls `on_readable` when there is something to receive; sends at once what it takes, and the rest later."""

    def __init__(self, ours: socket.socket, on_readable: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._unsent = memoryview(b"")
        self._ours = ours
        self._ours.setblocking(False)
        self._loop.add_reader(self._ours, on_readable)

    def receive(self) -> bytes | None:
        """What has come: nothing for None, and no more will for an empty one."""
        try:
            return self._ours.recv(_READ_BYTES)
        except BlockingIOError:
            return None
        except OSError:
            return b""

    def send(self, head: bytes, body: memoryview) -> None:
        """Send both in order; of a line that is down, whoever receives will learn."""
        if self._unsent:
            self._unsent = memoryview(b"".join([self._unsent, head, body]))
            return
        try:
            sent = self._ours.sendmsg([head, body])
        except BlockingIOError:  # a large picture fills the line
            sent = 0
        except OSError:
            return
        self._unsent = body[sent - len(head) :] if sent >= len(head) else memoryview(b"".join([head, body]))[sent:]
        if self._unsent:
            self._loop.add_writer(self._ours, self._send_rest)

    def close(self) -> None:
        """Hang up."""
        self._loop.remove_reader(self._ours)
        self._loop.remove_writer(self._ours)
        self._ours.close()

    def _send_rest(self) -> None:
        try:
            self._unsent = self._unsent[self._ours.send(self._unsent) :]
        except BlockingIOError:
            return
        except OSError:
            self._unsent = memoryview(b"")
        if not self._unsent:
            self._loop.remove_writer(self._ours)
