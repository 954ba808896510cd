"""What picture files say of themselves, read before a decoder obeys it.

Formats let a small file order much work, which no limit on bytes or pixels
bounds: a JPEG may be drawn over and over by thousands of scans, a TIFF may list
millions of tiles. And a PNG may break over metadata that no pixel needs.
"""

import re
import struct
import zlib
from collections.abc import Iterator
from itertools import islice

# A scan of 49 megapixels takes 0.03 s whatever is in it; encoders write about ten.
DEFAULT_MAX_PIXELS = 50_000_000
MOST_SCANS = 100
# Four planes of 65,535 rows each. Pillow takes 6 µs and 320 bytes for each.
MOST_TILES = 262_140

_PNG = b"\x89PNG\r\n\x1a\n"
_PIXEL_CHUNKS = {b"IHDR", b"PLTE", b"tRNS", b"IDAT"}
_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
# Left, top, step across and step down of Adam7's passes, and of a picture in one.
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
_WHOLE = ((0, 0, 1, 1),)
_INFLATED_AT_ONCE = 1 << 20

_MARKER = re.compile(rb"\xff[\x02-\xcf\xd8-\xfe]")
_START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9

# Segments or fields before the size is given up: an ICC profile may have 255 segments of its own.
_MOST_LOOKED_AT = 1000
_FRAMES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_WIDTH, _HEIGHT = 256, 257
_TILE_OFFSETS = (273, 324)
_TIFF_SIZES = {1: 1, 3: 2}  # bytes of a value by its type, where they are fewer than the field's
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def tame(content: bytes) -> bytes:
    """The same picture without what could cost more than its pixels. Raises ValueError for what only a bomb does."""
    if content.startswith(_PNG):
        return _PNG + b"".join(_needed(content))
    if content.startswith(b"\xff\xd8"):
        _require_few_scans(content)
    elif content[:4] in _TIFF:
        _require_few_tiles(content)
    return content


def pixels(content: bytes) -> int:
    """Width times height as the file claims; 0 where it says nothing that can be read. Takes microseconds."""
    try:
        width, height = _size(content)
    except (struct.error, IndexError, KeyError, OverflowError):
        return 0
    return abs(width * height)


def suffix(content: bytes) -> str:
    """What the name of such a file ends with; WebP is what none of the others is."""
    kinds = {b"\xff\xd8": ".jpg", _PNG: ".png", b"GIF8": ".gif", b"BM": ".bmp", **dict.fromkeys(_TIFF, ".tif")}
    return next((ending for start, ending in kinds.items() if content.startswith(start)), ".webp")


def _size(content: bytes) -> tuple[int, int]:
    if content.startswith(b"\xff\xd8"):
        return _jpeg_size(content)
    if content.startswith(_PNG):
        return struct.unpack_from(">II", content, 16)
    if content.startswith(b"GIF8"):
        return struct.unpack_from("<HH", content, 6)
    if content.startswith(b"BM"):
        return struct.unpack_from("<HH" if content[14] == 12 else "<ii", content, 18)
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return _webp_size(content)
    if content[:4] in _TIFF:
        claims = {tag: value for tag, _, value in islice(_tiff_fields(content), _MOST_LOOKED_AT)}
        return claims[_WIDTH], claims[_HEIGHT]
    return 0, 0


def _jpeg_size(content: bytes) -> tuple[int, int]:
    place = 2
    for _ in range(_MOST_LOOKED_AT):
        marker, length = content[place + 1], int.from_bytes(content[place + 2 : place + 4], "big")
        if marker in _FRAMES:
            height, width = struct.unpack_from(">HH", content, place + 5)
            return width, height
        # Fill bytes stand before a marker.
        place += 1 if marker == 0xFF else 2 + max(2, length)
    return 0, 0


def _webp_size(content: bytes) -> tuple[int, int]:
    kind = content[12:16]
    if kind == b"VP8X":
        return 1 + int.from_bytes(content[24:27], "little"), 1 + int.from_bytes(content[27:30], "little")
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", content, 21)
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    width, height = struct.unpack_from("<HH", content, 26)
    return width & 0x3FFF, height & 0x3FFF


def has_all_rows(content: bytes) -> bool:
    """Whether a PNG's data unfold to all of its rows; Pillow fills up with zeros where they end early."""
    chunks = list(_chunks(content))
    width, height, depth, colour, _, _, is_interlaced = struct.unpack(">IIBBBBB", chunks[0][1][8:21])
    missing = 0
    for left, top, across, down in _PASSES if is_interlaced else _WHOLE:
        columns, rows = -(-(width - left) // across), -(-(height - top) // down)
        if columns > 0 and rows > 0:
            missing += rows * (1 + (columns * depth * _SAMPLES[colour] + 7) // 8)
    inflater = zlib.decompressobj()
    packed = b"".join(chunk[8:-4] for name, chunk in chunks if name == b"IDAT")
    while missing > 0 and not inflater.eof:
        unfolded = inflater.decompress(packed, _INFLATED_AT_ONCE)
        packed = inflater.unconsumed_tail
        missing -= len(unfolded)
        if not unfolded and not packed:
            break
    return missing <= 0


def _chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Name and whole bytes of each chunk of a PNG; the last may be cut off."""
    place = len(_PNG)
    while place < len(content):
        end = place + 12 + int.from_bytes(content[place : place + 4], "big")
        yield content[place + 4 : place + 8], content[place:end]
        place = end


def _needed(content: bytes) -> Iterator[bytes]:
    """The chunks that pixels need, and the orientation where it is whole."""
    for name, chunk in _chunks(content):
        if name in _PIXEL_CHUNKS or (name == b"eXIf" and zlib.crc32(chunk[4:-4]) == int.from_bytes(chunk[-4:], "big")):
            yield chunk
        elif name == b"IEND":
            yield chunk
            return


def _require_few_scans(content: bytes) -> None:
    place = scans = 0
    while (marker := _MARKER.search(content, place + 2)) is not None:
        place, kind = marker.end(), content[marker.end() - 1]
        if kind == _END_OF_IMAGE:
            return
        scans += kind == _START_OF_SCAN
        if scans > MOST_SCANS:
            raise ValueError(f"more than {MOST_SCANS} scans")
        place += max(0, int.from_bytes(content[place : place + 2], "big") - 2)


def _require_few_tiles(content: bytes) -> None:
    for tag, values, _ in _tiff_fields(content):
        if tag in _TILE_OFFSETS and values > MOST_TILES:
            raise ValueError(f"{values:,} strips or tiles")


def _tiff_fields(content: bytes) -> Iterator[tuple[int, int, int]]:
    """Tag, number of values, and the first value or its place, of each field of the first picture."""
    order = "<" if content[:1] == b"I" else ">"
    is_big = 43 in content[2:4]
    start, count, entry, most = ("8xQ", "Q", "HHQ", 8) if is_big else ("4xI", "H", "HHI", 4)
    fields = struct.Struct(order + entry)
    (first,) = struct.unpack_from(order + start, content)
    (entries,) = struct.unpack_from(order + count, content, first)
    first += struct.calcsize(order + count)
    step = fields.size + most
    for number in range(min(entries, (len(content) - first) // step)):
        place = first + number * step
        tag, kind, values = fields.unpack_from(content, place)
        width = min(most, _TIFF_SIZES.get(kind, most))
        value = content[place + fields.size : place + fields.size + width]
        yield tag, values, int.from_bytes(value, "little" if order == "<" else "big")
