"""What files order is bounded before a decoder obeys, and costs no picture that is whole."""

import io
import struct
import warnings
import zlib

import numpy as np
import pytest
from hostile import pictures
from hostile.pictures import ROWS, chunk, grey_tiff, header, noise, place_after, png, tiff
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from tapetum.containers import MOST_SCANS, MOST_TILES, pixels, suffix, tame
from tapetum.data.sample import SUFFIXES
from tapetum.errors import BrokenPicture, PictureError
from tapetum.image import decode

FEW_PIXELS = 4_000_000
PLAIN = np.asarray(decode(png()))


def is_plain(content: bytes) -> bool:
    return np.array_equal(np.asarray(decode(content)), PLAIN)


@pytest.mark.parametrize(
    "content",
    [
        png(chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(2_000_000)))),
        png(chunk(b"iTXt", b"k\0\1\0\0\0" + zlib.compress(bytes(2_000_000)))),
        png(chunk(b"iCCP", b"p\0\0" + zlib.compress(bytes(2_000_000)))),
        png(chunk(b"eXIf", tiff({274: (3, 1, 6)}))[:-1] + b"\0"),
        png(chunk(b"gAMA", b"")),
        png(after=chunk(b"tEXt", b"k\0" + bytes(2_000_000))),
        png() + b"PK\x03\x04",
    ],
    ids=["zTXt", "iTXt", "iCCP", "eXIf", "gAMA", "after the pixels", "after the end"],
)
def test_what_no_pixel_needs_costs_no_picture(content):
    assert is_plain(content)


def test_a_whole_orientation_is_kept():
    assert np.array_equal(np.asarray(decode(png(chunk(b"eXIf", tiff({274: (3, 1, 3)}))))), PLAIN[::-1, ::-1])


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("depth", [1, 8, 16])
def test_a_png_of_black_rows_is_whole_and_one_row_fewer_is_not(interlaced, depth):
    """Pillow shows missing rows as black."""
    row = 1 + (9 * depth + 7) // 8
    packed = bytes(row * 9)
    if interlaced:
        passes = ((2, 2), (1, 2), (3, 1), (2, 3), (5, 2), (4, 5), (9, 4))
        packed = b"".join(bytes(1 + (columns * depth + 7) // 8) * rows for columns, rows in passes)
    head = header(9, 9, depth, 0, int(interlaced))

    assert decode(png(head=head, packed=zlib.compress(packed))).size == (9, 9)
    with pytest.raises(BrokenPicture, match="truncated or damaged"):
        decode(png(head=head, packed=zlib.compress(packed[:-row])))


def test_white_is_zero_in_16_bits_too():
    """Of 8 bits Pillow knows it."""
    levels = struct.pack("<4H", 0, 257, 65_278, 65_535)

    picture = decode(grey_tiff(4, 1, levels, t258=(3, 1, 16), t262=(3, 1, 0)))

    assert np.asarray(picture)[0, :, 0].tolist() == [255, 254, 1, 0]


def jpeg_of_scans(more: int, before_each: bytes = b"") -> bytes:
    """A progressive JPEG whose last scan is drawn `more` times again."""
    content = noise("JPEG", "L", (64, 64), progressive=True)
    last, end = content.rindex(b"\xff\xda"), content.rindex(b"\xff\xd9")
    return content[:end] + (before_each + content[last:end]) * more + content[end:]


def test_a_jpeg_of_as_many_scans_as_encoders_write_is_taken():
    assert decode(jpeg_of_scans(40)).size == (64, 64)


@pytest.mark.parametrize(
    "before_each", [b"", b"\xff\xfe\0\4\xff\xd9", b"\xff\xff\xff"], ids=["bare", "hidden", "filled"]
)
def test_a_jpeg_of_more_is_refused_before_it_is_drawn(before_each):
    with pytest.raises(ValueError, match=f"more than {MOST_SCANS} scans"):
        tame(jpeg_of_scans(MOST_SCANS, before_each))


def test_what_lies_behind_a_jpeg_is_no_scan_of_it():
    """Phones put a film there."""
    assert decode(noise("JPEG") + b"\xff\xda\0\2" * 1_000).size == (32, 24)


def test_markers_in_metadata_are_no_scans():
    segment = b"\xff\xe1\x20\x02" + b"\xff\xda" * 0x1000
    content = noise("JPEG")

    assert decode(content[:2] + segment + content[2:]).size == (32, 24)


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_tiff_of_too_many_tiles_is_refused_before_they_are_read(order):
    tags = {256: (4, 1, 9), 257: (4, 1, 9), 273: (4, MOST_TILES + 1, 8)}

    with pytest.raises(ValueError, match="262,141 strips or tiles"):
        tame(tiff(tags, order=order))


def test_a_tiff_of_tiles_over_each_other_is_refused():
    content = grey_tiff(100, 100, bytes(40_000), t273=(4, 1_000, place_after(9)), t278=(4, 1, 99))

    with pytest.raises(BrokenPicture, match="tiles do not fit"):
        decode(content)


def test_a_tiff_of_one_tile_beyond_the_limit_is_refused():
    named = dict(pictures.too_much_work())

    with pytest.raises(BrokenPicture, match="tiles do not fit"):
        decode(named["TIFF of one huge tile"])


def is_bounded(content: bytes) -> bool:
    """Whether a file is decoded within its limits or refused; anything else raises."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's own complaints, which must not decide the outcome
            picture = decode(content, FEW_PIXELS)
    except PictureError as error:
        return "Traceback" not in str(error) and len(str(error)) < 1_000
    return picture.mode == "RGB" and 0 < picture.width * picture.height <= FEW_PIXELS


mutated = settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
START = {kind: noise(kind) for kind in pictures.KINDS}


@mutated
@given(
    kind=st.sampled_from(pictures.KINDS),
    places=st.lists(st.integers(0, 2_000), max_size=6),
    values=st.binary(min_size=6, max_size=6),
    cut=st.integers(0, 4_000),
    tail=st.binary(max_size=40),
)
def test_no_damage_to_a_file_leads_the_decoder_astray(kind, places, values, cut, tail):
    content = bytearray(START[kind])
    for place, value in zip(places, values, strict=False):
        content[place % len(content)] = value

    assert is_bounded(bytes(content[: max(cut, 40)]) + tail)


NAMES = [b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"acTL", b"fcTL", b"fdAT", b"eXIf", b"zTXt", b"iCCP", b"sRGB"]
PIECES = st.tuples(
    st.sampled_from(NAMES), st.one_of(st.binary(max_size=60), st.just(ROWS), st.just(tiff({274: (3, 1, 6)})))
)


@mutated
@given(st.lists(PIECES, max_size=8), st.binary(max_size=20))
def test_no_order_of_chunks_leads_the_decoder_astray(pieces, tail):
    assert is_bounded(png(*(chunk(name, content) for name, content in pieces)) + tail)


TAGS = [254, 256, 257, 258, 259, 262, 266, 273, 274, 277, 278, 279, 284, 317, 320, 322, 323, 324, 325, 338, 339, 530]
ANY = st.integers(0, 2**32 - 1)
ENTRIES = st.dictionaries(
    st.one_of(st.sampled_from(TAGS), st.integers(0, 65_535)),
    st.tuples(st.integers(0, 18), st.one_of(st.integers(0, 5), ANY), st.one_of(st.integers(0, 300), ANY)),
    max_size=12,
)


@mutated
@given(ENTRIES, st.binary(max_size=100), st.sampled_from("<>"), st.booleans())
def test_no_directory_of_a_tiff_leads_the_decoder_astray(entries, content, order, is_sound):
    sound = {256: (4, 1, 10), 257: (4, 1, 10), 258: (3, 1, 8 if order == "<" else 8 << 16), 273: (4, 1, 8)}

    assert is_bounded(tiff((sound if is_sound else {}) | entries, content, order))


@pytest.mark.parametrize("kind", pictures.KINDS)
@pytest.mark.parametrize("options", [{}, {"progressive": True, "lossless": True}], ids=["plain", "otherwise"])
def test_the_size_that_a_file_claims_is_known_without_a_decoder(kind, options):
    whole = noise(kind, size=(37, 21), **options)

    assert pixels(whole) == 37 * 21
    assert pixels(b"\xff\xd8\xff" + whole[2:] if kind == "JPEG" else whole) == 37 * 21
    for length in range(100):
        assert pixels(whole[:length]) in (0, 37 * 21)


def test_a_hostile_file_claims_a_size_or_none_without_an_error():
    for name, content in pictures.corpus():
        assert pixels(content) >= 0, name
    assert pixels(b"\xff\xd8" + b"\xff" * 1_000_000) == 0


@pytest.mark.parametrize(
    ("kind", "ending"),
    [("JPEG", ".jpg"), ("PNG", ".png"), ("GIF", ".gif"), ("BMP", ".bmp"), ("TIFF", ".tif"), ("WEBP", ".webp")],
)
def test_a_file_is_named_for_what_it_is(kind, ending):
    stream = io.BytesIO()
    Image.new("RGB", (8, 8)).save(stream, kind)

    assert suffix(stream.getvalue()) == ending
    assert ending in SUFFIXES
