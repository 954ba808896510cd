"""Errors as RFC 9457 problem details: what is wrong and what to do, never a path or a traceback."""

import uuid
from dataclasses import dataclass
from http import HTTPStatus

import structlog
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from tapetum import errors

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 1

log = structlog.get_logger()


class Problem(BaseModel):
    """The body of every answer that is not a success."""

    type: str
    title: str
    status: int
    detail: str
    request_id: str


@dataclass(frozen=True)
class Kind:
    """What a class of errors is to HTTP; `slug` ends the type of its problem."""

    status: int
    slug: str
    title: str


# An error is answered by the entry of its nearest ancestor.
_KINDS: dict[type[Exception], Kind] = {
    errors.EmptyPicture: Kind(422, "empty-picture", "The picture is empty"),
    errors.NotAPicture: Kind(415, "not-a-picture", "Not a picture"),
    errors.BrokenPicture: Kind(422, "broken-picture", "The picture is broken"),
    errors.PictureTooLarge: Kind(413, "too-many-pixels", "The picture has too many pixels"),
    errors.MalformedRequest: Kind(400, "malformed-request", "The request is malformed"),
    errors.MissingPicture: Kind(422, "missing-picture", "The request has no picture"),
    errors.BodyTooLarge: Kind(413, "body-too-large", "The request is too large"),
    errors.NotReady: Kind(503, "not-ready", "The model is not ready"),
    errors.Overloaded: Kind(503, "overloaded", "The service is full"),
    errors.DeadlinePassed: Kind(504, "deadline-passed", "The time is up"),
    errors.WorkerLost: Kind(500, "worker-lost", "The picture was lost"),
    ClientDisconnect: Kind(499, "client-gone", "The client has gone"),  # nginx's number
}
ANSWERED = Kind(200, "answered", "OK")
_OURS = Kind(500, "internal-error", "The service failed")


def kind_of(error: Exception) -> Kind:
    """What an error is: of our tree, of Starlette, or one that nobody foresaw."""
    if isinstance(error, HTTPException):
        title = str(error.detail)
        return Kind(error.status_code, title.lower().replace(" ", "-"), title)
    return next((_KINDS[ancestor] for ancestor in type(error).__mro__ if ancestor in _KINDS), _OURS)


def describe(error: Exception, request_id: str) -> Problem:
    """An error as a problem; one that nobody foresaw is logged, and says no more than that."""
    kind = kind_of(error)
    if kind is not _OURS:
        return _problem(kind, str(error), request_id)
    log.error("request failed", exc_info=error)
    return _problem(kind, "the service failed to answer; its log has the reason under the request id", request_id)


def answer(request: Request, error: Exception) -> JSONResponse:
    """The response to an error of our tree, or to one that nobody foresaw."""
    headers = {"Retry-After": str(RETRY_AFTER_S)} if isinstance(error, errors.Unavailable) else None
    return _response(describe(error, request.state.request_id), headers)


def raw_answer(status: int, slug: str, detail: str) -> bytes:
    """A whole HTTP response that ends the connection, for where no application has been asked yet."""
    phrase = HTTPStatus(status).phrase
    problem = _problem(Kind(status, slug, phrase), detail, uuid.uuid4().hex)
    body = problem.model_dump_json().encode()
    head = [f"HTTP/1.1 {status} {phrase}", f"content-type: {MEDIA_TYPE}", f"content-length: {len(body)}"]
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        head.append(f"retry-after: {RETRY_AFTER_S}")
    return "\r\n".join([*head, "connection: close", "", ""]).encode() + body


def install(app: FastAPI) -> None:
    """Answer errors of our tree, and unknown paths and methods, with a problem."""

    async def by_tree(request: Request, error: Exception) -> JSONResponse:
        return answer(request, error)

    async def by_status(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        if error.status_code == 400:
            return answer(request, errors.MalformedRequest(f"the body cannot be read: {error.detail}"))
        detail = {
            404: f"there is nothing at {request.url.path}: /docs lists what there is",
            405: f"{request.url.path} does not take {request.method}: /docs lists what it takes",
        }.get(error.status_code, str(error.detail))
        return _response(_problem(kind_of(error), detail, request.state.request_id), dict(error.headers or {}))

    app.add_exception_handler(errors.TapetumError, by_tree)
    app.add_exception_handler(HTTPException, by_status)


def _problem(kind: Kind, detail: str, request_id: str) -> Problem:
    return Problem(
        type=f"urn:problem-type:tapetum:{kind.slug}",
        title=kind.title,
        status=kind.status,
        detail=detail,
        request_id=request_id,
    )


def _response(problem: Problem, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse(problem.model_dump(), problem.status, headers, media_type=MEDIA_TYPE)
