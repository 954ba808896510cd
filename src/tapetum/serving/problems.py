"""Errors as RFC 9457 problem details: what is wrong and what to do, never a path or a traceback."""

from dataclasses import dataclass

import structlog
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

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
class _Kind:
    status: int
    slug: str
    title: str


# An error is answered by the entry of its nearest ancestor.
_KINDS: dict[type[Exception], _Kind] = {
    errors.EmptyPicture: _Kind(422, "empty-picture", "The picture is empty"),
    errors.NotAPicture: _Kind(415, "not-a-picture", "Not a picture"),
    errors.BrokenPicture: _Kind(422, "broken-picture", "The picture is broken"),
    errors.PictureTooLarge: _Kind(413, "too-many-pixels", "The picture has too many pixels"),
    errors.MalformedRequest: _Kind(400, "malformed-request", "The request is malformed"),
    errors.MissingPicture: _Kind(422, "missing-picture", "The request has no picture"),
    errors.BodyTooLarge: _Kind(413, "body-too-large", "The request is too large"),
    errors.NotReady: _Kind(503, "not-ready", "The model is not ready"),
    errors.Overloaded: _Kind(503, "overloaded", "The service is full"),
}
_OURS = _Kind(500, "internal-error", "The service failed")


def answer(request: Request, error: Exception) -> JSONResponse:
    """The response to an error of our tree, or to one that nobody foresaw."""
    kind = next((_KINDS[ancestor] for ancestor in type(error).__mro__ if ancestor in _KINDS), _OURS)
    if kind is _OURS:
        log.error("request failed", exc_info=error)
        return _response(request, kind, "the service failed to answer; its log has the reason under the request id")
    headers = {"Retry-After": str(RETRY_AFTER_S)} if isinstance(error, errors.Unavailable) else None
    return _response(request, kind, str(error), headers)


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
        title = str(error.detail)
        kind = _Kind(error.status_code, title.lower().replace(" ", "-"), title)
        return _response(request, kind, detail, dict(error.headers or {}))

    app.add_exception_handler(errors.TapetumError, by_tree)
    app.add_exception_handler(HTTPException, by_status)


def _response(request: Request, kind: _Kind, detail: str, headers: dict[str, str] | None = None) -> JSONResponse:
    problem = Problem(
        type=f"urn:problem-type:tapetum:{kind.slug}",
        title=kind.title,
        status=kind.status,
        detail=detail,
        request_id=request.state.request_id,
    )
    return JSONResponse(problem.model_dump(), kind.status, headers, media_type=MEDIA_TYPE)
