"""The small JSON object that some requests bring."""

from typing import Any

from fastapi import Request
from pydantic_core import from_json

from tapetum.errors import BodyTooLarge, MalformedRequest

_MOST_BYTES = 10_000


async def sent(request: Request) -> dict[str, Any]:
    """The JSON object of a request, which may be absent. Raises MalformedRequest or BodyTooLarge."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MOST_BYTES:
            raise BodyTooLarge(f"the request has more than {_MOST_BYTES} bytes: only parameters are expected")
    try:
        found = from_json(body or b"{}")
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise MalformedRequest("the request is no JSON object")
    return found
