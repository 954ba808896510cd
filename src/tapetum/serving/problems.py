"""Errors as RFC 9457 problem details: what is wrong and what to do, never a path or a traceback.

Under /v2 they are what the Open Inference Protocol has for errors.
"""

import math
from dataclasses import dataclass
from http import HTTPStatus
from typing import NamedTuple

import structlog
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from tapetum import errors

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 1

REQUEST_ID = "X-Request-ID"
# Every answer says of itself that it is what its type says, and belongs in nobody's frame.
SAFE = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
}
Ids = dict[str, str]  # request_id, trace_id and span_id of one request

log = structlog.get_logger()


class Problem(BaseModel):
    """The body of every answer that is not a success."""

    type: str
    title: str
    status: int
    detail: str
    request_id: str
    trace_id: str
    span_id: str


class Failure(BaseModel):
    """The body of every answer under /v2 that is not a success; the ids of the request stand in the headers."""

    error: str


@dataclass(frozen=True)
class Kind:
    """What a class of errors is to HTTP; `slug` ends the type of its problem."""

    status: int
    slug: str
    title: str


class Written(NamedTuple):
    """A whole response."""

    status: int
    headers: dict[str, str]
    body: bytes

    def to_bytes(self, *, is_last: bool) -> bytes:
        """As it goes over a connection, which the last one ends."""
        head = [f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}"]
        head += [f"{name.lower()}: {value}" for name, value in self.headers.items()]
        end = ("connection: close", "", "") if is_last else ("", "")
        return "\r\n".join((*head, *end)).encode() + self.body


# An error is answered by the entry of its nearest ancestor.
_KINDS: dict[type[Exception], Kind] = {
    errors.EmptyPicture: Kind(422, "empty-picture", "The picture is empty"),
    errors.NotAPicture: Kind(415, "not-a-picture", "Not a picture"),
    errors.BrokenPicture: Kind(422, "broken-picture", "The picture is broken"),
    errors.PictureTooLarge: Kind(413, "too-many-pixels", "The picture has too many pixels"),
    errors.MalformedRequest: Kind(400, "malformed-request", "The request is malformed"),
    errors.MissingPicture: Kind(422, "missing-picture", "The request has no picture"),
    errors.BodyTooLarge: Kind(413, "body-too-large", "The request is too large"),
    errors.UnknownModel: Kind(404, "unknown-model", "There is no such model"),
    errors.UnknownAnswer: Kind(404, "unknown-answer", "There is no such answer"),
    errors.UnknownLabel: Kind(422, "unknown-label", "There is no such class"),
    errors.NoReport: Kind(404, "no-report", "There is no report"),
    errors.Unauthorised: Kind(401, "unauthorised", "A valid key is needed"),
    errors.SwitchedOff: Kind(403, "switched-off", "This is switched off"),
    errors.NotReady: Kind(503, "not-ready", "The model is not ready"),
    errors.Overloaded: Kind(503, "overloaded", "The service is full"),
    errors.ReloadUnderWay: Kind(409, "reload-under-way", "A reload is under way"),
    errors.BundleRefused: Kind(409, "bundle-refused", "The bundle is not fit to serve"),
    errors.DeadlinePassed: Kind(504, "deadline-passed", "The time is up"),
    errors.TooSoon: Kind(429, "too-soon", "Asked again too soon"),
    errors.MailError: Kind(502, "mail-not-sent", "The mail was not sent"),
    errors.WorkerLost: Kind(500, "worker-lost", "The picture was lost"),
    ClientDisconnect: Kind(499, "client-gone", "The client has gone"),  # nginx's number
}
_AGAIN = {"Retry-After": str(RETRY_AFTER_S)}
_HEADERS = {401: {"WWW-Authenticate": 'Bearer realm="tapetum"'}, 503: _AGAIN, 504: _AGAIN}
ANSWERED = Kind(200, "answered", "OK")
_OURS = Kind(500, "internal-error", "The service failed")

# What a connection answers by itself.
NO_HTTP = _KINDS[errors.MalformedRequest]
TOO_SLOW = Kind(408, "request-too-slow", "The request came too slowly")
HEAD_TOO_LARGE = Kind(431, "head-too-large", "The head of the request is too large")
TOO_MANY_CONNECTIONS = Kind(503, "too-many-connections", "Every connection is taken")
OF_CONNECTIONS = (NO_HTTP, TOO_SLOW, HEAD_TOO_LARGE, TOO_MANY_CONNECTIONS)
OF_REQUESTS = (*_KINDS.values(), _OURS, TOO_SLOW)


def kind_of(error: Exception) -> Kind:
    """What an error is: of our tree, of Starlette, or one that nobody foresaw."""
    if isinstance(error, HTTPException):
        title = HTTPStatus(error.status_code).phrase  # and not its detail, which may have words of the caller's
        return Kind(error.status_code, title.lower().replace(" ", "-"), title)
    return next((_KINDS[ancestor] for ancestor in type(error).__mro__ if ancestor in _KINDS), _OURS)


def describe(error: Exception, ids: Ids) -> Problem:
    """An error as a problem; one that nobody foresaw is logged, and says no more than that."""
    kind = kind_of(error)
    if kind is not _OURS:
        return _problem(kind, str(error), ids)
    log.error("request failed", exc_info=error)
    return _problem(kind, "the service failed to answer; its log has the reason under the request id", ids)


def answer(request: Request, error: Exception) -> JSONResponse:
    """The response to an error of our tree, or to one that nobody foresaw."""
    problem = describe(error, request.state.ids)
    request.state.problem = kind_of(error).slug
    if isinstance(error, errors.TooSoon):
        return _response(request, problem, {"Retry-After": str(math.ceil(error.retry_after_s))})
    return _response(request, problem, _HEADERS.get(problem.status))


def write(kind: Kind, detail: str, path: str, ids: Ids, carried: dict[str, str]) -> Written:
    """The response of a problem that is given without the application."""
    content, media_type = _formed(_problem(kind, detail, ids), path)
    body = content.model_dump_json().encode()
    own = {"Content-Type": media_type, "Content-Length": str(len(body))}
    return Written(kind.status, own | carried | _HEADERS.get(kind.status, {}), body)


def install(app: FastAPI) -> None:
    """Answer errors of our tree, and unknown paths and methods, with a problem."""

    async def by_tree(request: Request, error: Exception) -> JSONResponse:
        return answer(request, error)

    async def by_status(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        if error.status_code == 400:
            return answer(request, errors.MalformedRequest(f"the body cannot be read: {error.detail}"))
        request.state.problem = kind_of(error).slug
        detail = {
            404: f"there is nothing at {request.url.path}: /docs lists what there is",
            405: f"{request.url.path} does not take {request.method}: /docs lists what it takes",
        }.get(error.status_code, str(error.detail))
        return _response(request, _problem(kind_of(error), detail, request.state.ids), dict(error.headers or {}))

    app.add_exception_handler(errors.TapetumError, by_tree)
    app.add_exception_handler(HTTPException, by_status)


def _problem(kind: Kind, detail: str, ids: Ids) -> Problem:
    return Problem(
        type=f"urn:problem-type:tapetum:{kind.slug}",
        title=kind.title,
        status=kind.status,
        detail=detail,
        **ids,
    )


def _formed(problem: Problem, path: str) -> tuple[BaseModel, str]:
    """What a route of this path answers a problem with, and the type of that."""
    if path == "/v2" or path.startswith("/v2/"):
        return Failure(error=problem.detail), "application/json"
    return problem, MEDIA_TYPE


def _response(request: Request, problem: Problem, headers: dict[str, str] | None) -> JSONResponse:
    content, media_type = _formed(problem, request.scope["path"])
    return JSONResponse(content.model_dump(), problem.status, headers, media_type=media_type)
