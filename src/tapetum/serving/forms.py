"""Files out of a form (multipart/form-data, RFC 7578) that is here as a whole.

Its boundaries are searched for, which costs a picture's bytes next to nothing;
parsers that take a form in pieces spend as long on one as all else does on its request.
"""

import re
from collections.abc import Iterator

from tapetum.errors import BodyTooLarge, MalformedRequest, MissingPicture

MOST_OTHER_PARTS = 16
_MOST_HEAD_BYTES = 4_096
_OPTION = re.compile(rb';\s*([\w*-]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^;"]*)')
_DISPOSITION = re.compile(rb"^content-disposition:([^\r\n]*)$", re.IGNORECASE | re.MULTILINE)
_LONGEST_BOUNDARY = 70


def boundary_of(content_type: bytes) -> bytes:
    """What stands between the parts. Raises MalformedRequest where a Content-Type does not say it."""
    boundary = _options(content_type).get(b"boundary", b"")
    if not 0 < len(boundary) <= _LONGEST_BOUNDARY:
        raise MalformedRequest("the body cannot be read: its Content-Type names no boundary between the parts")
    return boundary


def files(body: bytes, boundary: bytes, field: str, most: int) -> list[bytes]:
    """The contents of a field's files, in order. Raises MalformedRequest, BodyTooLarge or MissingPicture."""
    found: list[bytes] = []
    names: list[str] = []
    for head, start, end in _parts(body, boundary):
        disposition = _DISPOSITION.search(head.replace(b"\r\n", b"\n"))
        options = _options(disposition[1]) if disposition else {}
        names.append(options.get(b"name", b"").decode("utf-8", "replace"))
        if names[-1] == field and b"filename" in options:
            found.append(body[start:end])
        if len(found) > most:
            raise BodyTooLarge(f"the form has more than {most} files in the field {field!r}: send fewer")
        if len(names) > most + MOST_OTHER_PARTS:
            raise BodyTooLarge(f"the form has more than {most + MOST_OTHER_PARTS} parts: send fewer")
    if not found:
        listed = ", ".join(names) or "none"
        raise MissingPicture(f"the form has no file in the field {field!r} (fields: {listed}): -F {field}=@photo.jpg")
    return found


def _parts(body: bytes, boundary: bytes) -> Iterator[tuple[bytes, int, int]]:
    """The head of each part, and where its content starts and ends. Raises MalformedRequest."""
    mark = b"--" + boundary
    if not body.startswith(mark):
        raise MalformedRequest("the form cannot be read: it does not begin with the boundary that its head names")
    at, mark_between = len(mark), b"\r\n" + mark
    while not body.startswith(b"--", at):
        if not body.startswith(b"\r\n", at):
            raise MalformedRequest("the form cannot be read: a boundary is not followed by a line's end")
        # From the line's end on, so that a part without headers, which has no second one, is found to be one.
        start = body.find(b"\r\n\r\n", at, at + _MOST_HEAD_BYTES)
        end = body.find(mark_between, at + 2)
        if end < 0:
            raise MalformedRequest("the form breaks off before its last boundary")
        if not 0 <= start <= end:
            raise MalformedRequest("the form cannot be read: the head of a part does not end")
        yield body[at + 2 : start], start + 4, end
        at = end + len(mark_between)


def _options(value: bytes) -> dict[bytes, bytes]:
    """What follows the first word of a header, such as name="file"."""
    return {name.lower(): given.removeprefix(b'"').removesuffix(b'"') for name, given in _OPTION.findall(value)}
