"""Connections that cost a bounded amount: in number, in the size of a head, and in the time that a client may take.

uvicorn limits the pause between two requests only; a head or a body that
trickles in byte by byte, or an answer that nobody reads, would hold on for ever.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

from starlette.types import Message, Scope
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from tapetum.serving import problems
from tapetum.serving.classifying import GONE
from tapetum.serving.lane import Lane
from tapetum.serving.middleware import conclude, identify, tell
from tapetum.serving.problems import Kind, Written
from tapetum.serving.record import OTHER, Observer, Refusal

MOST_HEAD_BYTES = 32_768


@dataclass(frozen=True)
class Limits:
    """What a client may take; `is_draining` asks clients to leave after the answer.

    `refusal` gives the answer to a request that is not let in, else None; `lane` takes predictions past the
    application's layers.
    """

    connections: int
    head_s: float
    body_s: float
    is_draining: Callable[[], bool]
    refusal: Callable[[Scope], Written | None]
    lane: Lane


class Connection(HttpToolsProtocol):
    """One connection of uvicorn's, with limits; `observers` get an Exchange of what no application was asked."""

    def __init__(self, limits: Limits, observers: Sequence[Observer], **given: Any) -> None:
        super().__init__(**given)
        self._limits = limits
        self._observers = observers
        self._begun_at = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None
        self._end_timer: asyncio.TimerHandle | None = None
        self._gone: asyncio.Future[None] | None = None
        self._in_head = False
        self._head_bytes = 0
        self._unparsed_bytes = 0
        self._is_head_too_large = False

    @property
    def is_idle(self) -> bool:
        """Whether it has answered what it was asked and waits for more; not one that makes room already."""
        is_done = self._timer is None and self.cycle is not None and self.cycle.response_complete
        return is_done and not self.transport.is_closing()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn
        """Refuse a connection too many, unless an idle one can make room."""
        super().connection_made(transport)
        self._allow(self._limits.head_s, "head")
        if len(self.connections) > self._limits.connections:
            idle = next((other for other in self.connections if isinstance(other, Connection) and other.is_idle), None)
            if idle is not None:
                idle._part()
            else:
                self._refuse(problems.TOO_MANY_CONNECTIONS, "every connection is taken: try again in a moment")

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the timers, and tell who computes for this client."""
        self._stop()
        if self._end_timer is not None:
            self._end_timer.cancel()
        if self._gone is not None and not self._gone.done():
            self._gone.set_result(None)
        self.resume_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Begin the time of a head with its first byte, and bound a head that does not end."""
        if self.is_idle:
            self._allow(self._limits.head_s, "head")
        super().data_received(data)
        if self._in_head:
            self._unparsed_bytes += len(data)
            if self._unparsed_bytes > MOST_HEAD_BYTES:
                self._is_head_too_large = True
                self.send_400_response("")

    def on_message_begin(self) -> None:
        """A head begins."""
        super().on_message_begin()
        self._in_head, self._head_bytes, self._unparsed_bytes = True, 0, 0
        if self._timer is None:
            self._allow(self._limits.head_s, "head")

    def on_url(self, url: bytes) -> None:
        """Part of the address."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        self._count(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head has ended, so the time of the body begins."""
        self._in_head = False
        self._allow(self._limits.body_s, "body")
        super().on_headers_complete()
        if self._limits.is_draining():
            self.cycle.keep_alive = False

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        # A task and the layers of the application would cost a refusal several times what it is worth. A web
        # page's request needs them: without the headers of CORS it could not read that it was refused. And each
        # answer begins the next in the pipeline, from within.
        scope: Any = cycle.scope
        needs_layers = self.pipeline or b"origin" in dict(scope["headers"])
        if not needs_layers and (written := self._limits.refusal(scope)) is not None:
            self._say(cycle, written.to_bytes(is_last=self._leaves(cycle)))
        elif needs_layers or not self._limits.lane.takes(scope):
            super()._start_asgi_task(cycle, app)
        else:
            self._gone = scope[GONE] = self.loop.create_future()
            cycle.send = partial(self._gather, cycle, [])  # type: ignore[method-assign]  # which is how it is told
            super()._start_asgi_task(cycle, self._limits.lane)  # type: ignore[arg-type]  # as ASGI is written here

    async def _gather(self, cycle: RequestResponseCycle, heads: list[Message], message: Message) -> None:
        """Give head and body of an answer in one piece: of two, each would wake the client."""
        if cycle.flow.write_paused:
            await cycle.flow.drain()
        if cycle.disconnected:
            return
        if message["type"] == "http.response.start":
            heads.append(message)
            return
        assert not message.get("more_body"), "what goes by the lane is answered whole"
        fields = [*cycle.default_headers, *heads[0]["headers"]]
        if self._leaves(cycle):
            fields.append((b"connection", b"close"))
        lines = [b"%b: %b\r\n" % field for field in fields]
        self._say(cycle, b"".join([STATUS_LINE[heads[0]["status"]], *lines, b"\r\n", message["body"]]))

    def _leaves(self, cycle: RequestResponseCycle) -> bool:
        return not cycle.keep_alive or self._limits.is_draining()

    def _say(self, cycle: RequestResponseCycle, answer: bytes) -> None:
        """Give a whole answer; what is still to come of the request's body is ignored."""
        self.transport.write(answer)
        cycle.response_started = cycle.response_complete = True
        cycle.message_event.set()
        if self._leaves(cycle):
            self.transport.close()
        cycle.on_response()

    def on_message_complete(self) -> None:
        """The request is whole: the rest of its time is ours."""
        self._stop()
        super().on_message_complete()

    def shutdown(self) -> None:
        """The door was closed: whoever is idle goes, and a request whose head has begun is still taken."""
        if not self._in_head:
            super().shutdown()

    def on_response_complete(self) -> None:
        """An answer has ended, perhaps the last one."""
        super().on_response_complete()
        if self.transport.is_closing():
            self._part()

    def pause_writing(self) -> None:
        """The client does not read: cut it off unless it goes on soon."""
        super().pause_writing()
        self._write_timer = self.loop.call_later(self._limits.body_s, self.transport.abort)

    def resume_writing(self) -> None:
        """The client reads again."""
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None
        super().resume_writing()

    def timeout_keep_alive_handler(self) -> None:
        """End an idle connection, even where its last answer was not read."""
        self.transport.abort()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP, or has too large a head."""
        if self._is_head_too_large:
            detail = f"the head of the request has more than {MOST_HEAD_BYTES} bytes"
            self._refuse(problems.HEAD_TOO_LARGE, detail)
        else:
            self._refuse(problems.NO_HTTP, "this is not an HTTP request")

    def _count(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > MOST_HEAD_BYTES:
            self._is_head_too_large = True
            raise ValueError("the head is too large")  # which the parser hands to send_400_response

    def _allow(self, seconds: float, part: str) -> None:
        self._stop()
        if part == "head":
            self._begun_at = self.loop.time()
        self._timer = self.loop.call_later(seconds, self._time_is_up, seconds, part)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _time_is_up(self, seconds: float, part: str) -> None:
        self._refuse(problems.TOO_SLOW, f"the {part} of the request was not here after {seconds:g} s: send it faster")

    def _refuse(self, kind: Kind, detail: str) -> None:
        """Answer without the application, and hang up; the record of the request is whose it was until then."""
        if self.transport.is_closing():
            return
        if self._in_head or self.cycle is None:
            scope: Scope = {"type": "http", "method": OTHER, "headers": []}
            sent = self._answer(scope, kind, detail)
            scope["state"]["problem"] = kind.slug
            tell(self._observers, conclude(scope, kind.status, 0, sent, self.loop.time() - self._begun_at))
        elif not self.cycle.response_started:
            scope = cast(Scope, self.cycle.scope)
            sent = self._answer(scope, kind, detail)
            scope["state"]["refusal"] = Refusal(kind.status, kind.slug, sent)
        self._part()

    def _part(self) -> None:
        """Hang up; who does not read what is left is cut off, however little that is."""
        self._stop()
        self.transport.close()
        self._end_timer = self._end_timer or self.loop.call_later(self._limits.body_s, self.transport.abort)

    def _answer(self, scope: Scope, kind: Kind, detail: str) -> int:
        """Write a problem; the bytes of its body."""
        written = problems.write(kind, detail, scope.get("path", ""), *identify(scope))
        self.transport.write(written.to_bytes(is_last=True))
        return len(written.body)
