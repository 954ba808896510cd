"""Pictures out of request bodies, in memory: the root file system of a container may be read-only."""

from collections.abc import Iterator
from contextlib import contextmanager

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header
from starlette.requests import Request

from tapetum.errors import BodyTooLarge, MalformedRequest, MissingPicture, Overloaded

ONE = "file"
MANY = "files"
_MOST_OTHER_PARTS = 16


class Hold:
    """The bytes that one request holds, out of what all may hold together."""

    def __init__(self, store: "Store") -> None:
        self.held = 0
        self._store = store

    def take(self, size: int) -> None:
        """Hold more. Raises Overloaded where that is more than there is."""
        if self._store.held + size > self._store.most_bytes:
            raise Overloaded(
                f"the service holds {self._store.held / 1e6:,.1f} MB of pictures, "
                f"and {self._store.most_bytes / 1e6:,.1f} MB are allowed: try again in a moment"
            )
        self._store.held += size
        self.held += size


class Store:
    """How many bytes all requests hold: arriving, waiting and computed."""

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self.held = 0

    @contextmanager
    def hold(self) -> Iterator[Hold]:
        """What a request takes is given back when the block ends."""
        hold = Hold(self)
        try:
            yield hold
        finally:
            self.held -= hold.held


async def whole(request: Request, hold: Hold) -> bytes:
    """The body of a request. Raises Overloaded."""
    chunks = []
    async for chunk in request.stream():
        hold.take(len(chunk))
        chunks.append(chunk)
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
    _, options = parse_options_header(request.headers["content-type"])
    boundary = options.get(b"boundary")
    if not boundary:
        raise MalformedRequest("the body cannot be read: its Content-Type names no boundary between the parts")
    form = _Form(field, most)
    try:
        parser = MultipartParser(boundary, form.callbacks())  # type: ignore[arg-type]
        async for chunk in request.stream():
            hold.take(len(chunk))
            parser.write(chunk)
        parser.finalize()
    except FormParserError as error:
        raise MalformedRequest(f"the form cannot be read: {error}") from None
    if not form.is_whole:
        raise MalformedRequest("the form breaks off before its last boundary")
    if not form.files:
        found = ", ".join(form.names) or "none"
        raise MissingPicture(f"the form has no file in the field {field!r} (fields: {found}): -F {field}=@photo.jpg")
    return form.files


class _Form:
    """Collects the files of one field; what else the form brings is read past, and bounded in number."""

    def __init__(self, field: str, most: int) -> None:
        self.files: list[bytes] = []
        self.names: list[str] = []
        self.is_whole = False
        self._field = field
        self._most = most
        self._header: list[bytes] = []
        self._value: list[bytes] = []
        self._disposition = b""
        self._pieces: list[bytes] | None = None

    def callbacks(self) -> dict[str, object]:
        """What the parser calls."""
        return {
            "on_header_field": lambda data, start, end: self._header.append(data[start:end]),
            "on_header_value": lambda data, start, end: self._value.append(data[start:end]),
            "on_header_end": self._on_header_end,
            "on_headers_finished": self._on_headers_finished,
            "on_part_data": self._on_part_data,
            "on_part_end": self._on_part_end,
            "on_end": self._on_end,
        }

    def _on_header_end(self) -> None:
        if b"".join(self._header).lower() == b"content-disposition":
            self._disposition = b"".join(self._value)
        self._header, self._value = [], []

    def _on_headers_finished(self) -> None:
        _, options = parse_options_header(self._disposition)
        name = options.get(b"name", b"").decode("utf-8", "replace")
        self._disposition = b""
        self.names.append(name)
        is_ours = name == self._field and b"filename" in options
        self._pieces = [] if is_ours else None
        if is_ours and len(self.files) == self._most:
            raise BodyTooLarge(f"the form has more than {self._most} files in the field {self._field!r}: send fewer")
        if len(self.names) > self._most + _MOST_OTHER_PARTS:
            raise BodyTooLarge(f"the form has more than {self._most + _MOST_OTHER_PARTS} parts: send fewer")

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._pieces is not None:
            self._pieces.append(data[start:end])

    def _on_part_end(self) -> None:
        if self._pieces is not None:
            self.files.append(b"".join(self._pieces))

    def _on_end(self) -> None:
        self.is_whole = True
