"""What surrounds every request, as pure ASGI: ids, the record of it all, a log line, and a bound on the body."""

import os
import re
from collections.abc import Sequence
from dataclasses import replace
from time import perf_counter

import structlog
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tapetum.errors import BodyTooLarge
from tapetum.logs import context
from tapetum.serving import problems, tracing
from tapetum.serving.paths import Paths
from tapetum.serving.record import OTHER, Exchange, InFlight, Observer, Refusal, to_fields

_WELL_FORMED = re.compile(r"[A-Za-z0-9._:-]{1,128}")
# What is asked again and again: by probes, by Prometheus, and by each page at `/` that someone looks at.
_QUIET = {
    *("/health", "/ready", "/metrics", "/v2/health/live", "/v2/health/ready"),
    *("/api-stats", "/model-stats", "/system-info", "/alerts/status"),
}
_OF_IDS = {problems.REQUEST_ID.lower().encode(), tracing.TRACEPARENT.encode(), tracing.TRACESTATE.encode()}
_CLIENT_CLOSED = 499  # nginx's number for a caller who left
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH")

log = structlog.get_logger()


def identify(scope: Scope) -> tuple[problems.Ids, dict[str, str]]:
    """The ids of a request, which its state has from now on, and the headers that its answer must carry."""
    state = scope.setdefault("state", {})
    if "ids" in state:
        return state["ids"], state["carried"]
    headers = Headers(raw=[pair for pair in scope["headers"] if pair[0] in _OF_IDS])
    given = headers.get(problems.REQUEST_ID, "")
    request_id = given if _WELL_FORMED.fullmatch(given) else os.urandom(16).hex()
    trace = tracing.follow(headers)
    ids = {"request_id": request_id, "trace_id": trace.trace_id, "span_id": trace.span_id}
    carried = {problems.REQUEST_ID: request_id, **trace.headers, **problems.SAFE}
    state.update(request_id=request_id, ids=ids, carried=carried, trace=trace)
    return ids, carried


def conclude(scope: Scope, status: int, received: int, sent: int, total_s: float) -> Exchange:
    """What a request was, from its scope, which `identify` has seen, and from what was counted."""
    state = scope["state"]
    trace: tracing.Trace = state["trace"]
    problem, records = state.get("problem"), state.get("records", ())
    refusal: Refusal | None = state.get("refusal")
    if refusal is not None:  # then whatever the application found went nowhere
        status, problem, sent = refusal
        records = tuple(replace(record, outcome=problem, status=status) for record in records)
    return Exchange(
        request_id=state["request_id"],
        trace_id=trace.trace_id,
        method=scope["method"] if scope["method"] in METHODS else OTHER,
        route=_route(scope),
        status=status,
        problem=problem,
        received=received,
        sent=sent,
        total_s=total_s,
        records=records,
        span_id=trace.span_id,
        parent_id=trace.parent_id,
        is_sampled=trace.flags == "01",
    )


def _route(scope: Scope) -> str:
    """The path of the route that took the request, or would have where it was refused before."""
    if "route" in scope["state"]:
        return str(scope["state"]["route"])
    if "app" not in scope:
        return OTHER
    paths: Paths = scope["app"].state.paths
    taken: str = getattr(scope.get("route"), "path", OTHER)
    return taken if taken in paths else paths.template_of(scope["path"]) or OTHER


def tell(observers: Sequence[Observer], exchange: Exchange) -> None:
    """Give an Exchange to everyone who observes; one who fails costs neither the answer nor the others."""
    for observe in observers:
        try:
            observe(exchange)
        except Exception as error:  # the top of what observes
            log.error("a request could not be observed", exc_info=error)


class Identity:
    """Takes the caller's X-Request-ID and trace or makes them; they stand in the answer, in problems and in the log.

    What nobody foresaw ends here, as a problem of status 500. Every observer
    gets one Exchange of every request once its answer has ended.
    """

    def __init__(self, app: ASGIApp, observers: list[Observer], in_flight: InFlight) -> None:
        self.app = app
        self._observers = observers
        self._in_flight = in_flight

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start = perf_counter()
        self._in_flight.number += 1
        ids, carried = identify(scope)
        status = received = sent = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            return message

        async def send_with_id(message: Message) -> None:
            nonlocal status, sent
            if message["type"] == "http.response.start":
                status = message["status"]
                own = message.get("headers", [])
                named = {name for name, _ in own}  # an answer's own policy is stricter
                ours = [(name.lower().encode(), value.encode()) for name, value in carried.items()]
                message["headers"] = [*own, *[pair for pair in ours if pair[0] not in named]]
            sent += len(message.get("body", b""))
            await send(message)

        fields = context.FIELDS.set(ids)
        try:
            try:
                await self.app(scope, counted, send_with_id)
            except ClientDisconnect:
                status = _CLIENT_CLOSED
            except Exception as error:  # the HTTP edge: nothing may pass it as a traceback
                if status:
                    raise
                await problems.answer(Request(scope), error)(scope, counted, send_with_id)
            finally:
                self._in_flight.number -= 1
            total_s = perf_counter() - start
            exchange = conclude(scope, status, received, sent, total_s)
            tell(self._observers, exchange)
            level = "debug" if scope["path"] in _QUIET else "info"
            getattr(log, level)(
                "request",
                method=scope["method"],
                path=scope["path"],
                status=exchange.status,
                latency_ms=round(total_s * 1000, 2),
                **to_fields(exchange.records),
            )
        finally:
            context.FIELDS.reset(fields)


class BodyLimit:
    """Refuses a body of more than `max_bytes`: by its declared length at once, else when the limit is passed."""

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self.app = app
        self.max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if declared.isdigit() and int(declared) > self.max_bytes:
            refusal = problems.answer(Request(scope), self._error(f"{int(declared) / 1e6:,.1f} MB"))
            await refusal(scope, receive, send)
            return
        received = 0

        async def receive_within() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self.max_bytes:
                raise self._error(f"over {self.max_bytes / 1e6:,.1f} MB")
            return message

        await self.app(scope, receive_within, send)

    def _error(self, found: str) -> BodyTooLarge:
        return BodyTooLarge(
            f"the request body has {found}: the limit is {self.max_bytes / 1e6:,.1f} MB; send a smaller picture"
        )
