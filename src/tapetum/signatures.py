"""What bytes that are no readable picture look like, to say so."""

import codecs

from tapetum.errors import BrokenPicture, NotAPicture

SUPPORTED = "JPEG, PNG, WebP, GIF, BMP or TIFF"
_PICTURE_SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_OTHER_SIGNATURES = {
    b"%pdf": "a PDF document",
    b"pk\x03\x04": "a ZIP archive",
    b"\x1f\x8b": "gzip data",
    b"<svg": "an SVG drawing",
    b"<!doctype": "an HTML page",
    b"<html": "an HTML page",
    b"<?xml": "an XML document",
}


def unreadable(content: bytes) -> NotAPicture | BrokenPicture:
    """The error of bytes that no reader opens."""
    is_webp = content[:4] == b"RIFF" and content[8:12] == b"WEBP"
    is_bmp = content[:2] == b"BM" and content[6:10] == bytes(4)
    if is_webp or is_bmp or content.startswith(_PICTURE_SIGNATURES):
        return BrokenPicture(
            f"the picture of {len(content)} bytes is truncated or damaged in its header: send it again, or save it anew"
        )
    if content[4:8] == b"ftyp":
        found = "a HEIC, AVIF or video file"
    else:
        start = content[:256].lstrip().lower()
        kinds = (kind for signature, kind in _OTHER_SIGNATURES.items() if start.startswith(signature))
        found = next(kinds, "text" if _is_text(start) else "data of an unknown kind")
    return NotAPicture(f"the {len(content)} bytes are not a picture but look like {found}: send a {SUPPORTED} file")


def _is_text(content: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(content)  # which forgives a character cut off at the end
    except UnicodeDecodeError:
        return False
    return 0 not in content
