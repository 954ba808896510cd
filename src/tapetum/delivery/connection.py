"""A kept connection that asks for one thing at a time: bare HTTP, so that asking costs the machine little."""

import asyncio
from dataclasses import dataclass
from ssl import SSLContext
from time import perf_counter
from typing import NamedTuple, cast

from httptools import HttpParserError, HttpResponseParser

NO_ANSWER = 0
_CONNECT_S = 10.0
_FINAL = 200  # what is less only announces an answer


class Answer(NamedTuple):
    """The status of an answer, NO_ANSWER where none came, and when it was whole by `perf_counter`.

    `says_when` is whether it has Retry-After.
    """

    status: int
    at: float
    body: bytes = b""
    says_when: bool = False


@dataclass(frozen=True)
class Target:
    """Where to ask, and the whole requests that are sent there in turn."""

    host: str
    port: int
    tls: SSLContext | None
    requests: tuple[bytes, ...]


class Connection:
    """Opens a line when it is first asked, and another where the service has closed that."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._loop = asyncio.get_running_loop()
        self._line: _Line | None = None
        self._opening: asyncio.Task[None] | None = None

    async def open(self) -> "_Line":
        """Connect. Raises OSError, of which TimeoutError is one."""
        target = self._target
        async with asyncio.timeout(_CONNECT_S):
            _, self._line = await self._loop.create_connection(_Line, target.host, target.port, ssl=target.tls)
        return self._line

    def close(self) -> None:
        """Hang up."""
        if self._opening is not None:
            self._opening.cancel()
        if self._line is not None:
            self._line.hang_up()

    def ask(self, request: bytes) -> "asyncio.Future[Answer]":
        """Send a whole request, one at a time; the future always gets an answer, never an error."""
        answer: asyncio.Future[Answer] = self._loop.create_future()
        if self._line is not None and self._line.is_open:
            self._line.send(request, answer)
        else:
            self._opening = self._loop.create_task(self._open_and_send(request, answer))
        return answer

    async def _open_and_send(self, request: bytes, answer: "asyncio.Future[Answer]") -> None:
        try:
            line = await self.open()
        except OSError:
            if not answer.done():
                answer.set_result(Answer(NO_ANSWER, perf_counter()))
        else:
            line.send(request, answer)


class _Line(asyncio.Protocol):
    """One TCP connection, and the answer that it waits for."""

    def __init__(self) -> None:
        self.is_open = False
        self._parser = HttpResponseParser(self)
        self._answer: asyncio.Future[Answer] | None = None
        self._body = b""
        self._says_when = False

    def send(self, request: bytes, answer: "asyncio.Future[Answer]") -> None:
        self._answer = answer
        self._transport.write(request)
        if self._transport.is_closing():
            self._settle(NO_ANSWER)

    def hang_up(self) -> None:
        self.is_open = False
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.is_open = True

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except HttpParserError:
            self.hang_up()

    def on_message_begin(self) -> None:
        """An answer begins."""
        self._body, self._says_when = b"", False

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header of it."""
        if name.lower() == b"retry-after":
            self._says_when = True

    def on_body(self, part: bytes) -> None:
        """Part of its body."""
        self._body += part

    def on_message_complete(self) -> None:
        """The parser has seen the end of an answer."""
        status = self._parser.get_status_code()
        if status < _FINAL:
            return
        if not self._parser.should_keep_alive():
            self.hang_up()
        self._settle(status, self._body, self._says_when)

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_open = False
        self._settle(NO_ANSWER)

    def _settle(self, status: int, body: bytes = b"", says_when: bool = False) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(Answer(status, perf_counter(), body, says_when))
