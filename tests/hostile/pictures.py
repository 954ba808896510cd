"""Hostile picture files, made here: a function for each family, each giving names and bytes.

`corpus` is all of them. None needs more than a second to make.
"""

import io
import struct
import zlib
from collections.abc import Callable, Iterator
from functools import cache

import numpy as np
from PIL import Image

Files = Iterator[tuple[str, bytes]]
KINDS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
SIGNATURE = b"\x89PNG\r\n\x1a\n"


@cache
def noise(kind: str, mode: str = "RGB", size: tuple[int, int] = (32, 24), **options: object) -> bytes:
    """A file of noise, which no format can shrink to a few bytes."""
    rng = np.random.default_rng(0)
    picture = Image.fromarray(rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)).convert(mode)
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def header(width: int, height: int, depth: int = 8, colour: int = 2, interlace: int = 0) -> bytes:
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace))


ROWS = zlib.compress(b"".join(b"\0" + bytes(range(200, 230)) for _ in range(10)))


def png(*extra: bytes, head: bytes = header(10, 10), packed: bytes = ROWS, after: bytes = b"") -> bytes:
    """A PNG of 10 × 10 pixels with chunks before and after its pixels."""
    return SIGNATURE + head + b"".join(extra) + chunk(b"IDAT", packed) + after + chunk(b"IEND", b"")


def tiff(tags: dict[int, tuple[int, int, int]], content: bytes = b"", order: str = "<", following: int = 0) -> bytes:
    """A TIFF of one directory of tag -> (type, count, value), then `content`, whose place is `place_after(tags)`."""
    entries = b"".join(struct.pack(order + "HHII", tag, *entry) for tag, entry in sorted(tags.items()))
    start = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8)
    return start + struct.pack(order + "H", len(tags)) + entries + struct.pack(order + "I", following) + content


def place_after(tags: int) -> int:
    return 8 + 2 + 12 * tags + 4


def grey_tiff(width: int, height: int, strips: bytes, **changed: tuple[int, int, int]) -> bytes:
    """A grey TIFF of one strip; `changed` replaces tags, as t273=(type, count, value)."""
    tags = {256: (4, 1, width), 257: (4, 1, height), 258: (3, 1, 8), 259: (3, 1, 1), 262: (3, 1, 1), 277: (3, 1, 1)}
    tags |= {273: (4, 1, 0), 278: (4, 1, height), 279: (4, 1, len(strips))}
    tags |= {int(name[1:]): entry for name, entry in changed.items()}
    if tags[273] == (4, 1, 0):
        tags[273] = (4, 1, place_after(len(tags)))
    return tiff(tags, strips)


def truncations() -> Files:
    for kind in KINDS:
        content = noise(kind)
        for end in sorted(
            {1, 2, 3, 4, 8, 12, 16, 24, 30, 33, 54, len(content) // 4, len(content) // 2, len(content) - 1}
        ):
            yield f"{kind} cut at {end}", content[:end]


def damage() -> Files:
    rng = np.random.default_rng(1)
    for kind in KINDS:
        content = noise(kind)
        for number in range(8):
            mutated = bytearray(content)
            for place in rng.integers(0, 64 if number % 2 else len(content), 4):
                mutated[place] ^= 1 << int(rng.integers(8))
            yield f"{kind} with bits flipped, {number}", bytes(mutated)
        yield f"{kind} of ones after its header", content[:24] + b"\xff" * 400
        yield f"{kind} of zeros after its header", content[:24] + bytes(400)


def wrong_lengths() -> Files:
    for length in (0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF):
        field = struct.pack(">I", length)
        yield f"PNG header of {length} bytes", SIGNATURE + field + header(10, 10)[4:] + chunk(b"IDAT", ROWS)
        yield f"PNG pixels of {length} bytes", SIGNATURE + header(10, 10) + field + b"IDAT" + ROWS
        yield f"PNG text of {length} bytes", SIGNATURE + header(10, 10) + field + b"tEXt" + b"k\0v"
        small = struct.pack("<I", length)
        yield f"WebP of {length} bytes", b"RIFF" + small + noise("WEBP")[8:]
        yield f"BMP pixels at {length}", noise("BMP")[:10] + small + noise("BMP")[14:]
        yield f"BMP header of {length} bytes", noise("BMP")[:14] + small + noise("BMP")[18:]
        yield f"TIFF directory at {length}", b"II*\0" + small + noise("TIFF")[8:]
    for length in (0, 1, 2, 0xFFFF):
        yield f"JPEG segment of {length} bytes", b"\xff\xd8\xff\xe0" + struct.pack(">H", length) + noise("JPEG")[6:]


def bombs_in_chunks() -> Files:
    zeros = zlib.compress(bytes(30_000_000), 9)
    for name, start in ((b"zTXt", b"k\0\0"), (b"iTXt", b"k\0\1\0\0\0"), (b"iCCP", b"p\0\0")):
        yield f"{name.decode()} of 30 MB before the pixels", png(chunk(name, start + zeros))
        yield f"{name.decode()} of 30 MB after the pixels", png(after=chunk(name, start + zeros))
    megabyte = zlib.compress(bytes(1_000_000), 9)
    yield "90 texts of 1 MB", png(*(chunk(b"zTXt", b"k%d\0\0" % n + megabyte) for n in range(90)))
    yield "a text of 5 MB", png(chunk(b"tEXt", b"k\0" + bytes(5_000_000)))
    yield "200,000 chunks", png(chunk(b"prVt", b"") * 200_000)
    yield "200,000 empty pieces of pixels", SIGNATURE + header(10, 10) + chunk(b"IDAT", b"") * 200_000
    yield "pixels that unfold to 30 MB more", png(packed=zlib.compress(bytes(30_000_000), 9))
    jpeg = noise("JPEG")
    segment = b"\xff\xe2" + struct.pack(">H", 65_535) + b"ICC_PROFILE\0" + bytes(65_521)
    yield "JPEG with 100 profiles", jpeg[:2] + segment * 100 + jpeg[2:]
    yield "JPEG with 100 comments", jpeg[:2] + (b"\xff\xfe\xff\xff" + bytes(65_533)) * 100 + jpeg[2:]


def huge_sizes() -> Files:
    for width, height in ((30_000, 30_000), (65_536, 1), (1, 65_536), (0x7FFFFFFF, 0x7FFFFFFF), (0, 10), (10, 0)):
        size = f"{width}×{height}"
        yield f"PNG of {size}", png(head=header(width, height))
        yield f"grey PNG of {size} and no data", png(head=header(width, height, 1, 0), packed=b"")
        little = struct.pack("<HH", width & 0xFFFF, height & 0xFFFF)
        yield f"GIF of {size}", b"GIF89a" + little + noise("GIF")[10:]
        yield (
            f"BMP of {size}",
            noise("BMP")[:18] + struct.pack("<ii", min(width, 2**31 - 1), -height) + noise("BMP")[26:],
        )
        yield f"TIFF of {size}", grey_tiff(width, height, bytes(100))
        yield f"WebP canvas of {size}", animated_webp(max(1, width) % 2**24, max(1, height) % 2**24)
    jpeg = noise("JPEG")
    frame = jpeg.index(b"\xff\xc0")
    for side in (0, 7000, 65_535):
        yield f"JPEG of {side}×{side}", jpeg[: frame + 5] + struct.pack(">HH", side, side) + jpeg[frame + 9 :]


def animated_webp(width: int, height: int, frames: int = 1) -> bytes:
    """A canvas of any size with small frames."""
    frame = struct.pack("<I", 0)[:3] * 2 + struct.pack("<I", 31)[:3] + struct.pack("<I", 23)[:3] + b"\1\0\0\0"
    frame += noise("WEBP")[12:]
    canvas = b"\x02\0\0\0" + struct.pack("<I", (width - 1) % 2**24)[:3] + struct.pack("<I", (height - 1) % 2**24)[:3]
    chunks = [(b"VP8X", canvas), (b"ANIM", bytes(6)), *[(b"ANMF", frame)] * frames]
    body = b"WEBP" + b"".join(name + struct.pack("<I", len(content)) + content for name, content in chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def too_much_work() -> Files:
    """Small files that order hours of work, or gigabytes."""
    progressive = noise("JPEG", "L", (64, 64), progressive=True)
    last, end = progressive.rindex(b"\xff\xda"), progressive.rindex(b"\xff\xd9")
    yield "JPEG of 1,000 scans", progressive[:end] + progressive[last:end] * 1_000 + progressive[end:]
    hidden = b"\xff\xfe\0\x04\xff\xd9"  # a comment that looks like the end
    yield "JPEG of hidden scans", progressive[:end] + (hidden + progressive[last:end]) * 1_000 + progressive[end:]
    offsets = 1_000_000
    yield "TIFF of 1,000,000 strips", grey_tiff(1000, 1000, bytes(4 * offsets), t273=(4, offsets, place_after(9)))
    over = 50_000
    yield (
        "TIFF of 50,000 strips over each other",
        grey_tiff(1000, 1000, bytes(1_000_000), t273=(4, over, place_after(9)), t278=(4, 1, 999)),
    )
    side = 20_000
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(bytes(side)) for _ in range(side)) + packer.flush()
    tile = {322: (4, 1, side), 323: (4, 1, side), 325: (4, 1, len(packed))}
    tags = {256: (4, 1, 100), 257: (4, 1, 100), 258: (3, 1, 8), 259: (3, 1, 8), 262: (3, 1, 1), 277: (3, 1, 1)}
    yield "TIFF of one huge tile", tiff(tags | tile | {324: (4, 1, place_after(10))}, packed)
    yield "TIFF strip that unfolds to more", grey_tiff(100, 100, packed, t259=(3, 1, 8))
    many = {tag: (7, 1_000_000, place_after(2000)) for tag in range(1000, 3000)}
    yield "TIFF of 2,000 tags on the same megabyte", tiff(many, bytes(1_000_000))
    lzw = b",\0\0\0\0\xff\x1b\xff\x1b\0\x02" + (b"\xff" + b"\x55" * 255) * 40 + b"\0;"
    yield "GIF of 51 megapixels", b"GIF89a\xff\x1b\xff\x1b\x80\0\0" + bytes(6) + lzw
    yield "GIF of 10,000 comments", noise("GIF")[:-1] + b"".join([b"!\xfe\xff" + b"a" * 255 + b"\0"] * 10_000) + b";"


def short_pixels() -> Files:
    """Data that end early though nothing is cut off."""
    row = b"\0" + b"\xff" * 30
    for rows in (0, 1, 9):
        yield f"PNG of {rows} rows of 10", png(packed=zlib.compress(row * rows))
    yield "PNG of half a row too few", png(packed=zlib.compress((row * 10)[:-15]))
    yield "interlaced PNG of one pass", png(head=header(10, 10, interlace=1), packed=zlib.compress(b"\0" + bytes(6)))
    yield "PNG without its checksum", png(packed=ROWS[:-4])
    yield "PNG with a wrong checksum", png(packed=ROWS[:-4] + b"\0\0\0\0")
    yield "PNG of unknown filters", png(packed=zlib.compress((b"\x09" + b"\xff" * 30) * 10))
    yield (
        "GIF whose pixels end at once",
        b"GIF89a\x0a\0\x0a\0\x80\0\0" + bytes(6) + b",\0\0\0\0\x0a\0\x0a\0\0\x02\x02\x4c\x01\0;",
    )
    yield "JPEG that ends after its first scan bytes", noise("JPEG")[:-300] + b"\xff\xd9"


def polyglots() -> Files:
    others = {
        "ZIP": b"PK\x03\x04\x14\0\0\0\0\0" + bytes(16) + b"PK\x05\x06" + bytes(18),
        "PDF": b"%PDF-1.7\n1 0 obj<</JS(app.alert(1))>>endobj\n%%EOF",
        "HTML": b"<script>alert(document.domain)</script>",
        "PHP": b"<?php system($_GET['c']); ?>",
        "ELF": b"\x7fELF\x02\x01\x01" + bytes(60),
    }
    for name, other in others.items():
        for kind in KINDS:
            yield f"{kind} with {name} behind it", noise(kind) + other
        yield f"{name} with JPEG behind it", other + noise("JPEG")
        yield (
            f"JPEG with {name} in a comment",
            (b"\xff\xd8\xff\xfe" + struct.pack(">H", len(other) + 2) + other + noise("JPEG")[2:]),
        )
    yield "GIF and JPEG", noise("GIF") + noise("JPEG")
    yield "GIF that is JavaScript", b"GIF89a/*" + noise("GIF")[8:] + b"*/=1;alert(1)"


def metadata() -> Files:
    jpeg = noise("JPEG")

    def with_exif(exif: bytes) -> bytes:
        return b"\xff\xd8\xff\xe1" + struct.pack(">H", len(exif) + 8) + b"Exif\0\0" + exif + jpeg[2:]

    cases = {
        "nothing": b"",
        "half a header": b"II*",
        "a directory that is not there": b"II*\0\xff\xff\0\0",
        "an orientation of 9": tiff({274: (3, 1, 9)}),
        "an orientation of 65535": tiff({274: (3, 1, 65_535)}),
        "an orientation of text": tiff({274: (2, 4, 0x41414141)}),
        "an orientation of 4,000 values": tiff({274: (3, 4_000, 26)}, bytes(8_000)),
        "a directory that follows itself": tiff({274: (3, 1, 1)}, following=8),
        "sub-directories in a circle": tiff({34665: (4, 1, 8), 34853: (4, 1, 8), 40965: (4, 1, 8)}),
        "fractions of nothing": tiff({282: (5, 1, 38), 283: (5, 1, 38)}, bytes(8)),
        "many tags": tiff(dict.fromkeys(range(1000, 5000), (7, 60000, 8)), bytes(10_000)),
        "types that are none": tiff({tag: (tag % 65_536, 2**32 - 1, 8) for tag in range(250, 300)}),
    }
    for name, exif in cases.items():
        yield f"JPEG with EXIF of {name}", with_exif(exif[:65_000])
        yield f"PNG with EXIF of {name}", png(chunk(b"eXIf", exif))
    yield "PNG with damaged EXIF", png(chunk(b"eXIf", tiff({274: (3, 1, 6)}))[:-1] + b"\0")
    yield "PNG with EXIF in text", png(chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(b"\nexif\n 4\nzz")))
    yield (
        "JPEG with XMP",
        jpeg[:2] + b"\xff\xe1\0\x40http://ns.adobe.com/xap/1.0/\0" + b"<!ENTITY a 'b'>" * 2 + jpeg[2:],
    )
    yield (
        "JPEG with Photoshop blocks",
        jpeg[:2] + b"\xff\xed\0\x20Photoshop 3.0\08BIM\x03\xed\xff" + bytes(9) + jpeg[2:],
    )


def animations() -> Files:
    frames = [Image.new("P", (8, 8), number % 200) for number in range(300)]
    for kind in ("GIF", "WEBP", "TIFF", "PNG"):
        stream = io.BytesIO()
        frames[0].convert("RGB").save(stream, kind, save_all=True, append_images=[f.convert("RGB") for f in frames[1:]])
        yield f"{kind} of 300 frames", stream.getvalue()
    yield "WebP of 2,000 frames", animated_webp(32, 24, 2_000)
    control = chunk(b"acTL", struct.pack(">II", 0xFFFFFFFF, 0))
    yield "APNG of 4,294,967,295 frames", png(control)
    frame = struct.pack(">IIIIIHHBB", 0, 60_000, 60_000, 5, 5, 1, 1, 0, 0)
    yield "APNG of a frame outside", png(chunk(b"acTL", struct.pack(">II", 1, 0)), chunk(b"fcTL", frame))
    yield "GIF frame outside its screen", noise("GIF").replace(b",\0\0\0\0", b",\xff\xff\xff\xff", 1)
    yield "GIF frame of 65535×65535", b"GIF89a\x0a\0\x0a\0\x80\0\0" + bytes(6) + b",\0\0\0\0\xff\xff\xff\xff\0\x02\0;"
    stream = io.BytesIO()
    Image.new("RGB", (8, 8)).save(stream, "MPO", save_all=True, append_images=[Image.new("RGB", (8, 8))] * 3)
    yield "MPO", stream.getvalue()
    yield "MPO cut in its index", stream.getvalue()[: stream.getvalue().index(b"MPF\0") + 20]
    yield "MPO with an index of nonsense", stream.getvalue().replace(b"MPF\0", b"MPF\0\xff\xff\xff\xff", 1)


def tiff_structures() -> Files:
    yield "TIFF directories in a circle", tiff({256: (3, 1, 8), 257: (3, 1, 8)}, following=8)
    yield "TIFF without tags", tiff({})
    yield "TIFF of 65,535 claimed tags", b"II*\0\x08\0\0\0\xff\xff" + bytes(100)
    yield "TIFF of strips beyond its end", grey_tiff(10, 10, b"", t273=(4, 1, 0xFFFFFFF0))
    yield "TIFF of strips of 4 GB", grey_tiff(10, 10, bytes(100), t279=(4, 1, 0xFFFFFFFF))
    yield "TIFF of strips without rows", grey_tiff(10, 10, bytes(100), t278=(4, 1, 0))
    yield "TIFF of 60,000 samples", grey_tiff(10, 10, bytes(100), t277=(3, 1, 60_000))
    yield "TIFF of 64 bits", grey_tiff(10, 10, bytes(800), t258=(3, 1, 64))
    yield "TIFF of floats", grey_tiff(10, 10, bytes(400), t258=(3, 1, 32), t339=(3, 1, 3))
    yield "TIFF of a size of text", grey_tiff(10, 10, bytes(100), t256=(2, 4, 0x41414141))
    yield "TIFF of an orientation of 70", grey_tiff(10, 10, bytes(100), t274=(3, 1, 70))
    for compression in (2, 3, 4, 5, 6, 7, 8, 32773, 34925, 50000, 50001, 65535):
        yield (
            f"TIFF of nonsense in compression {compression}",
            grey_tiff(100, 100, b"\x5a" * 400, t259=(3, 1, compression)),
        )
    yield "BigTIFF of nothing", b"II+\0\x08\0\0\0" + struct.pack("<Q", 2**63) + bytes(20)
    yield "TIFF of 5,000,000 tiles in 16 bits", grey_tiff(1000, 1000, b"", t324=(3, 5_000_000, 8))


def other_formats() -> Files:
    """What Pillow knows, or hands to other programs, and the service must not open."""
    for kind, mode in (
        ("ICNS", "RGBA"),
        ("ICO", "RGBA"),
        ("PCX", "RGB"),
        ("PPM", "RGB"),
        ("TGA", "RGB"),
        ("JPEG2000", "RGB"),
    ):
        yield kind, noise(kind, mode, (32, 32))
    yield "EPS that runs a command", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(%pipe%id) (r) file\nshowpage\n"
    yield "PSD", b"8BPS\0\1" + bytes(6) + b"\0\3\0\0\0\x08\0\0\0\x08\0\x08\0\3" + bytes(30)
    yield "PDF", b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog >>\nendobj\n%%EOF\n"
    yield (
        "SVG that reads a file",
        b'<svg xmlns:x="http://www.w3.org/1999/xlink"><image x:href="file:///etc/passwd"/></svg>',
    )
    yield (
        "XML of a billion laughs",
        b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><l>&b;</l>',
    )
    yield "MVG", b"push graphic-context\nviewbox 0 0 9 9\nfill 'url(https://127.0.0.1/x.jpg\"|id\")'\n"
    yield "WMF", b"\xd7\xcd\xc6\x9a\0\0" + bytes(40)
    yield "HDF5", b"\x89HDF\r\n\x1a\n" + bytes(40)
    yield "GRIB", b"GRIB\0\0\0\2" + bytes(40)
    yield "FITS", b"SIMPLE  =                    T" + b" " * 2850
    yield "XPM", b'/* XPM */\nstatic char * x[] = {"1 1 1 1", "a c red", "a"};'
    yield "HEIC", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"
    yield "AVIF", b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf"
    yield "MP4", b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41"
    yield "ZIP", b"PK\x03\x04" + bytes(60)
    yield "gzip", b"\x1f\x8b\x08\0" + bytes(60)
    yield "text", b"dear diary, today a cat"
    yield "HTML", b"<!doctype html><title>413</title>"
    yield "JSON", b'{"file": "cat"}'
    yield "one zero", b"\0"
    yield "a million zeros", bytes(1_000_000)
    yield "a million ones", b"\xff" * 1_000_000
    yield "noise", np.random.default_rng(2).bytes(100_000)


def odd_but_whole() -> Files:
    """Strange pictures that a decoder may well take."""
    modes = {
        "JPEG": ("CMYK", "L"),
        "TIFF": ("CMYK", "LAB", "F", "I;16"),
        "PNG": ("I;16", "1", "P", "LA", "RGBA"),
        "WEBP": ("RGBA",),
        "GIF": ("P",),
        "BMP": ("1", "P"),
    }
    for kind, mode in [(kind, mode) for kind, several in modes.items() for mode in several]:
        if mode == "I;16":
            levels = np.random.default_rng(3).integers(0, 65_536, (24, 32), dtype=np.uint16)
            stream = io.BytesIO()
            Image.fromarray(levels).save(stream, kind)
            yield f"{kind} of 16 bits", stream.getvalue()
        elif mode == "LAB":
            stream = io.BytesIO()
            Image.new("LAB", (8, 8)).save(stream, kind)
            yield "TIFF of LAB", stream.getvalue()
        else:
            yield f"{kind} of {mode}", noise(kind, mode)
    palette = chunk(b"PLTE", bytes(3))
    yield (
        "PNG of colours beyond its palette",
        png(palette, head=header(10, 10, 8, 3), packed=zlib.compress(b"\0" + b"\xff" * 10)),
    )
    yield "PNG palette of 5 bytes", png(chunk(b"PLTE", bytes(5)), head=header(10, 10, 8, 3))
    yield "PNG palette missing", png(head=header(10, 10, 8, 3))
    yield "PNG transparency of one byte", png(chunk(b"tRNS", b"\1"))
    yield "PNG of colour kind 5", png(head=header(10, 10, 8, 5))
    yield "PNG of 3 bits", png(head=header(10, 10, 3, 0))
    yield "PNG with two headers", png(header(5000, 5000))
    yield "PNG whose second header is huge", png(header(60_000, 60_000))
    yield "PNG without pixels", SIGNATURE + header(10, 10) + chunk(b"IEND", b"")
    yield "JPEG of 12 bits", noise("JPEG").replace(b"\xff\xc0\0\x11\x08", b"\xff\xc0\0\x11\x0c", 1)
    yield "JPEG of lossless coding", noise("JPEG").replace(b"\xff\xc0", b"\xff\xc3", 1)
    yield "JPEG of arithmetic coding", noise("JPEG").replace(b"\xff\xc0", b"\xff\xc9", 1)
    yield (
        "BMP of run lengths that overrun",
        noise("BMP")[:28] + b"\x08\0\1\0\0\0" + noise("BMP")[34:54] + b"\xff\xff" * 40,
    )
    yield "thread of a picture", noise("PNG", "L", (60_000, 1))


FAMILIES: tuple[Callable[[], Files], ...] = (
    truncations,
    damage,
    wrong_lengths,
    bombs_in_chunks,
    huge_sizes,
    too_much_work,
    short_pixels,
    polyglots,
    metadata,
    animations,
    tiff_structures,
    other_formats,
    odd_but_whole,
)


def corpus() -> Files:
    """Every hostile picture, named by its family."""
    for family in FAMILIES:
        for name, content in family():
            yield f"{family.__name__}: {name}", content
