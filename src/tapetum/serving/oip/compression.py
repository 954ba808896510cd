"""Bodies in gzip and deflate, as clients of the protocol may send and ask for them."""

import re
import zlib

from tapetum.errors import BodyTooLarge, MalformedRequest

# Windows of zlib; HTTP's deflate is the zlib format.
_WINDOWS = {"gzip": 31, "deflate": 15}
_FAST = 1
_NEVER = re.compile(r"0(\.0*)?")


def inflate(content: bytes, encoding: str, most_bytes: int) -> bytes:
    """What was compressed. Raises MalformedRequest, or BodyTooLarge as soon as it is more than `most_bytes`."""
    if encoding not in _WINDOWS:
        raise MalformedRequest(f"the body's Content-Encoding is none that is known: expected {' or '.join(_WINDOWS)}")
    inflater = zlib.decompressobj(_WINDOWS[encoding])
    try:
        unfolded = inflater.decompress(content, most_bytes + 1)
    except zlib.error:
        raise MalformedRequest(f"the body is no {encoding}: its Content-Encoding says so") from None
    if len(unfolded) > most_bytes:
        raise BodyTooLarge(f"the request body unfolds to over {most_bytes / 1e6:,.1f} MB: send fewer pictures")
    if not inflater.eof or inflater.unused_data:
        raise MalformedRequest(f"the {encoding} of the body breaks off, or goes on after its end")
    return unfolded


def deflate(content: bytes, encoding: str) -> bytes:
    """The same compressed, fast rather than small."""
    compressor = zlib.compressobj(_FAST, wbits=_WINDOWS[encoding])
    return compressor.compress(content) + compressor.flush()


def accepted(header: str) -> str | None:
    """The first encoding of an Accept-Encoding that is known here and not refused by `q=0`."""
    for entry in header.lower().split(","):
        name, _, quality = entry.replace(" ", "").partition(";q=")
        if name in _WINDOWS and not _NEVER.fullmatch(quality):
            return name
    return None
