"""Pictures out of request bodies, in memory: the root file system of a container may be read-only."""

from typing import Self

from starlette.requests import ClientDisconnect, Request

from tapetum.errors import MalformedRequest, MissingPicture, Overloaded
from tapetum.serving import forms

ONE = "file"
MANY = "files"


class Store:
    """How many bytes all requests hold: arriving, waiting and computed."""

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self.held = 0

    def hold(self) -> "Hold":
        """For a block in which a request takes some."""
        return Hold(self)


class Hold:
    """The bytes that one request holds, out of what all may hold together; its block gives them back at the end."""

    def __init__(self, store: Store) -> None:
        self.held = 0
        self._store = store

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._store.held -= self.held

    def take(self, size: int) -> None:
        """Hold more. Raises Overloaded where that is more than there is."""
        if self._store.held + size > self._store.most_bytes:
            raise Overloaded(
                f"the service holds {self._store.held / 1e6:,.1f} MB of pictures, "
                f"and {self._store.most_bytes / 1e6:,.1f} MB are allowed: try again in a moment"
            )
        self._store.held += size
        self.held += size


async def whole(request: Request, hold: Hold) -> bytes:
    """The body of a request. Raises Overloaded, or ClientDisconnect."""
    chunks: list[bytes] = []
    has_more = True
    while has_more:  # not by Request.stream: the event loop keeps account of every such generator
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk = message.get("body", b"")
        hold.take(len(chunk))
        chunks.append(chunk)
        has_more = message.get("more_body", False)
    return b"".join(chunks)


async def picture(request: Request, hold: Hold) -> bytes:
    """The picture of a request: the field `file` of a form, or the whole body. Raises a RequestError or Overloaded."""
    if _is_form(request):
        pictures = await _files(request, hold, ONE, most=1)
        return pictures[0]
    content = await whole(request, hold)
    if not content:
        raise MissingPicture(
            f"the request has no body: send a picture as the multipart field {ONE!r}, or as the body itself"
        )
    return content


async def pictures(request: Request, hold: Hold, most: int) -> list[bytes]:
    """The pictures of a form's field `files`, in order. Raises a RequestError or Overloaded."""
    if not _is_form(request):
        raise MalformedRequest(f"a batch is a form with a field {MANY!r} for each picture: -F {MANY}=@photo.jpg")
    return await _files(request, hold, MANY, most)


def _is_form(request: Request) -> bool:
    return request.headers.get("content-type", "").lower().startswith("multipart/form-data")


async def _files(request: Request, hold: Hold, field: str, most: int) -> list[bytes]:
    boundary = forms.boundary_of(request.headers["content-type"].encode("latin-1"))
    return forms.files(await whole(request, hold), boundary, field, most)
