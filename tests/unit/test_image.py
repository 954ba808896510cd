import io
import struct
import zlib
from contextlib import suppress

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from tapetum.errors import BrokenPicture, EmptyPicture, NotAPicture, PictureError, PictureTooLarge
from tapetum.image import Preprocess, decode, decoder_version, kept, read, to_array

TOLERANCE = 6  # grey levels that a lossy format may move the middle of a flat tile

UPLOADS = [
    pytest.param("JPEG", "RGB", {}, id="baseline JPEG"),
    pytest.param("JPEG", "RGB", {"progressive": True}, id="progressive JPEG"),
    pytest.param("JPEG", "CMYK", {}, id="CMYK JPEG"),
    pytest.param("JPEG", "L", {}, id="grey JPEG"),
    pytest.param("MPO", "RGB", {"save_all": True, "append_images": [Image.new("RGB", (48, 32))]}, id="MPO"),
    pytest.param("PNG", "RGB", {}, id="PNG"),
    pytest.param("PNG", "P", {}, id="palette PNG"),
    pytest.param("PNG", "L", {}, id="grey PNG"),
    pytest.param("PNG", "1", {}, id="1-bit PNG"),
    pytest.param("PNG", "LA", {}, id="PNG of grey and alpha"),
    pytest.param("PNG", "RGBA", {}, id="PNG with alpha"),
    pytest.param("WEBP", "RGB", {}, id="WebP"),
    pytest.param("WEBP", "RGBA", {"lossless": True}, id="lossless WebP with alpha"),
    pytest.param("GIF", "P", {}, id="GIF"),
    pytest.param("BMP", "RGB", {}, id="BMP"),
    pytest.param("BMP", "P", {}, id="palette BMP"),
    pytest.param("TIFF", "RGB", {}, id="TIFF"),
    pytest.param("TIFF", "RGB", {"compression": "tiff_lzw"}, id="LZW TIFF"),
    pytest.param("TIFF", "CMYK", {}, id="CMYK TIFF"),
    pytest.param("TIFF", "1", {"compression": "group4"}, id="fax TIFF"),
]
WHOLE_FILES = ("JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP")


def tiles() -> Image.Image:
    """48 wide, 32 high: six flat tiles of 16 pixels, each of another colour."""
    colours = [[(200, 30, 30), (30, 200, 30), (30, 30, 200)], [(10, 10, 10), (120, 120, 120), (230, 230, 30)]]
    return Image.fromarray(np.kron(np.array(colours, np.uint8), np.ones((16, 16, 1), np.uint8)))


def saved(picture: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


def photograph(size: tuple[int, int]) -> Image.Image:
    """Shades and fine grain, as a camera sees them."""
    rng = np.random.default_rng(size[0])
    coarse = Image.fromarray(rng.integers(0, 256, (30, 40, 3), dtype=np.uint8))
    shades = np.asarray(coarse.resize(size, Image.Resampling.BICUBIC), np.int16)
    return Image.fromarray((shades + rng.integers(-9, 10, shades.shape, dtype=np.int16)).clip(0, 255).astype(np.uint8))


def detailed(kind: str) -> bytes:
    """A file of noise, which no format can shrink to a few bytes."""
    noise = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    return saved(Image.fromarray(noise), kind)


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def raw_png(width: int, height: int, depth: int, colour: int, packed: bytes, *extra: bytes) -> bytes:
    """A PNG of rows already filtered and compressed; colour 0 is grey, 2 is RGB."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(extra) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def row_png(values: list[int], depth: int, colour: int, transparent: list[int] | None = None) -> bytes:
    """A PNG of one row; `transparent` is the sample, or the three, that its tRNS chunk names."""
    packed = bytes(values) if depth == 8 else struct.pack(f">{len(values)}H", *values)
    extra = [] if transparent is None else [chunk(b"tRNS", struct.pack(f">{len(transparent)}H", *transparent))]
    width = len(values) // (3 if colour == 2 else 1)
    return raw_png(width, 1, depth, colour, zlib.compress(b"\0" + packed), *extra)


def rgb16_tiff(values: list[int]) -> bytes:
    """A TIFF of one row of 16-bit RGB, which Pillow reads but cannot write."""
    strip = struct.pack(f"<{len(values)}H", *values)
    shape = [(256, 1, len(values) // 3), (257, 1, 1), (258, 3, 8), (259, 1, 1), (262, 1, 2)]
    layout = [(273, 1, 14), (277, 1, 3), (278, 1, 1), (279, 1, len(strip))]
    entries = b"".join(struct.pack("<HHII", tag, 3, count, value) for tag, count, value in shape + layout)
    start = struct.pack("<2sHI3H", b"II", 42, 14 + len(strip), 16, 16, 16)
    return start + strip + struct.pack("<H", len(shape + layout)) + entries + bytes(4)


def middles(picture: Image.Image) -> np.ndarray:
    """int (2, 3, 3): the colour in the middle of each tile, where lossy formats are true."""
    return np.asarray(picture).astype(int)[8::16, 8::16]


def row(content: bytes) -> list[tuple[int, ...]]:
    """The colours along the upper edge of a decoded picture."""
    return [tuple(colour) for colour in np.asarray(decode(content))[0].tolist()]


def is_refused(content: bytes) -> bool:
    try:
        decode(content, max_pixels=100_000)
    except PictureError:
        return True
    return False


@pytest.mark.parametrize(("kind", "mode", "options"), UPLOADS)
def test_every_kind_of_file_becomes_rgb_of_its_own_colours(kind, mode, options):
    stored = tiles().convert(mode)

    picture = decode(saved(stored, kind, **options))

    assert (picture.mode, picture.size) == ("RGB", (48, 32))
    assert np.abs(middles(picture) - middles(stored.convert("RGB"))).max() <= TOLERANCE


@pytest.mark.parametrize("kind", ["GIF", "PNG", "TIFF", "WEBP", "MPO"])
def test_the_first_frame_is_the_picture(kind):
    content = saved(tiles(), kind, save_all=True, append_images=[Image.new("RGB", (48, 32))])

    assert np.abs(middles(decode(content)) - middles(tiles())).max() <= TOLERANCE


@pytest.mark.parametrize("kind", ["JPEG", "TIFF", "PNG", "WEBP"])
@pytest.mark.parametrize(
    ("orientation", "to_stored"),
    [
        (1, lambda upright: upright),
        (2, lambda upright: upright[:, ::-1]),
        (3, lambda upright: upright[::-1, ::-1]),
        (4, lambda upright: upright[::-1]),
        (5, lambda upright: upright.transpose(1, 0, 2)),
        (6, lambda upright: np.rot90(upright)),
        (7, lambda upright: upright[::-1, ::-1].transpose(1, 0, 2)),
        (8, lambda upright: np.rot90(upright, -1)),
    ],
    ids=range(1, 9),
)
def test_a_picture_is_turned_upright(kind, orientation, to_stored):
    upright = np.asarray(tiles())
    exif = Image.Exif()
    exif[0x0112] = orientation

    picture = decode(saved(Image.fromarray(np.ascontiguousarray(to_stored(upright))), kind, exif=exif))

    assert picture.size == (48, 32)
    assert np.abs(middles(picture) - middles(tiles())).max() <= TOLERANCE


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")  # Pillow's own complaint
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("exif", [b"neither order", b"II*\0\xff\xff\xff\x7f", b"MM\0*\0\0\0\x08\xff\xff"])
def test_damaged_exif_costs_no_picture(kind, exif):
    assert decode(saved(tiles(), kind, exif=b"Exif\0\0" + exif)).size == (48, 32)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(row_png([0, 300, 32768, 65535], 16, 0), [0, 1, 128, 255], id="PNG"),
        pytest.param(saved(Image.fromarray(np.array([[0, 300, 65535]], np.uint16)), "TIFF"), [0, 1, 255], id="TIFF"),
    ],
)
def test_16_bit_grey_keeps_its_range(content, expected):
    """Clipping, which is what a plain conversion does, would turn 300 into white."""
    assert row(content) == [(level, level, level) for level in expected]


@pytest.mark.parametrize("encode_row", [lambda values: row_png(values, 16, 2), rgb16_tiff], ids=["PNG", "TIFF"])
def test_16_bit_rgb_keeps_its_high_bits(encode_row):
    assert row(encode_row([65535, 32768, 0, 0, 300, 65535])) == [(255, 128, 0), (0, 1, 255)]


@pytest.mark.parametrize(("kind", "mode"), [("PNG", "RGBA"), ("PNG", "LA"), ("WEBP", "RGBA"), ("TIFF", "RGBA")])
def test_transparency_shows_white(kind, mode):
    picture = Image.new("RGBA", (2, 1), (0, 0, 0, 0))
    picture.putpixel((0, 0), (90, 90, 90, 255))

    assert row(saved(picture.convert(mode), kind, lossless=True)) == [(90, 90, 90), (255, 255, 255)]


def test_half_transparency_is_half_white():
    assert row(saved(Image.new("RGBA", (1, 1), (255, 0, 0, 128)), "PNG")) == [(255, 127, 127)]


@pytest.mark.parametrize(("kind", "transparency"), [("PNG", 1), ("PNG", b"\xff\0"), ("GIF", 1)])
def test_a_transparent_palette_entry_shows_white(kind, transparency):
    picture = Image.fromarray(np.array([[0, 1]], np.uint8), "P")
    picture.putpalette([200, 0, 0, 0, 0, 200])

    assert row(saved(picture, kind, transparency=transparency)) == [(200, 0, 0), (255, 255, 255)]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(row_png([7, 90], 8, 0, [7]), [(255, 255, 255), (90, 90, 90)], id="grey"),
        pytest.param(row_png([7, 8, 9, 1, 2, 3], 8, 2, [7, 8, 9]), [(255, 255, 255), (1, 2, 3)], id="RGB"),
        pytest.param(row_png([1799, 0], 16, 0, [1799]), [(255, 255, 255), (0, 0, 0)], id="16-bit grey"),
        pytest.param(row_png([32768] * 3 + [0] * 3, 16, 2, [32768] * 3), [(255, 255, 255), (0, 0, 0)], id="16-bit RGB"),
    ],
)
def test_the_transparent_colour_of_a_png_shows_white(content, expected):
    assert row(content) == expected


def test_no_bytes_are_an_empty_picture():
    with pytest.raises(EmptyPicture, match="0 bytes: send a JPEG"):
        decode(b"")


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"hello, world", "text"),
        (b"%PDF-1.7\n", "a PDF document"),
        (b"\n<!DOCTYPE html><p>", "an HTML page"),
        (b"<html></html>", "an HTML page"),
        (b'<svg xmlns="">', "an SVG drawing"),
        (b"<?xml version='1.0'?>", "an XML document"),
        (b"PK\x03\x04\x14\0", "a ZIP archive"),
        (b"\x1f\x8b\x08\0", "gzip data"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "a HEIC, AVIF or video file"),
        (b"P5 1 1 255\n\xff", "an unknown kind"),  # PGM, which Pillow would read
    ],
)
def test_bytes_of_another_kind_are_named(content, found):
    with pytest.raises(NotAPicture, match=f"the {len(content)} bytes are not a picture.* {found}: send a JPEG"):
        decode(content)


@pytest.mark.parametrize("kind", WHOLE_FILES)
@pytest.mark.parametrize("share", [0.02, 0.1, 0.25, 0.5, 0.75, 0.9])
def test_a_truncated_file_is_a_broken_picture(kind, share):
    content = detailed(kind)

    with pytest.raises(BrokenPicture, match="truncated or damaged"):
        decode(content[: int(share * len(content))])


@pytest.mark.parametrize("kind", WHOLE_FILES)
@pytest.mark.parametrize("missing_bytes", [1, 2, 5, 15, 40])
def test_a_file_without_its_end_is_broken_or_whole(kind, missing_bytes):
    content = detailed(kind)

    with suppress(BrokenPicture):
        assert np.array_equal(decode(content[:-missing_bytes]), decode(content))


@pytest.mark.filterwarnings("ignore")  # Pillow's own complaints, which must not decide the outcome
@pytest.mark.parametrize("kind", WHOLE_FILES)
def test_random_damage_raises_nothing_but_picture_errors(kind):
    rng, content = np.random.default_rng(0), detailed(kind)
    refused = 0
    for number in range(50):
        mutated = np.frombuffer(content, np.uint8).copy()
        reach = 64 if number % 2 else len(content)  # headers are where readers go astray
        mutated[rng.integers(0, reach, 5)] = rng.integers(0, 256, 5)
        refused += is_refused(mutated.tobytes())

    assert refused > 0


def test_a_bomb_is_refused_by_its_size():
    """110 kB that would unfold to 900 megapixels."""
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(bytes(1000 * 3751)) for _ in range(30)) + packer.flush()
    content = raw_png(30_000, 30_000, 1, 0, packed)

    assert len(content) < 120_000
    with pytest.raises(PictureTooLarge, match=r"30000×30000.*the limit is 50"):
        decode(content)


def test_the_size_is_checked_before_any_pixel_is_decoded():
    """There is not one pixel to decode here, and yet the complaint is about the size."""
    with pytest.raises(PictureTooLarge):
        decode(raw_png(30_000, 30_000, 8, 2, b""))


def test_the_limit_itself_is_allowed(jpeg):
    assert decode(jpeg, max_pixels=60 * 40).size == (60, 40)


def test_one_pixel_beyond_the_limit_is_not(jpeg):
    with pytest.raises(PictureTooLarge, match="60×40"):
        decode(jpeg, max_pixels=60 * 40 - 1)


def test_a_small_limit_is_not_said_to_be_zero(jpeg):
    with pytest.raises(PictureTooLarge) as caught:
        decode(jpeg, max_pixels=1000)

    assert "limit is 0;" not in str(caught.value)


@pytest.mark.parametrize("fit", ["squash", "crop"])
@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (7, 500), (33, 32), (640, 480)])
def test_every_shape_becomes_the_inputs_shape(fit, size):
    array = to_array(Image.new("RGB", size), Preprocess(height=24, width=40, fit=fit, crop_share=0.875))

    assert (array.shape, array.dtype) == ((24, 40, 3), np.uint8)


@pytest.mark.parametrize(
    ("size", "fit", "share", "expected"),
    [
        ((300, 100), "squash", 0.5, (0, 0, 1, 1)),
        ((300, 100), "crop", 1.0, (1 / 3, 0, 2 / 3, 1)),
        ((100, 200), "crop", 0.5, (0.25, 0.375, 0.75, 0.625)),
    ],
)
def test_what_is_kept_of_a_picture_can_be_told(size, fit, share, expected):
    spec = Preprocess(height=64, width=64, fit=fit, crop_share=share)

    assert kept(size, spec) == pytest.approx(expected, abs=0.01)


def test_a_thread_of_a_picture_is_cropped_without_being_unfolded():
    """Resized whole, 1×1,000,000 pixels would become 2200×2,200,000,000."""
    spec = Preprocess(height=2200, width=2200, fit="crop")

    assert to_array(Image.new("RGB", (1, 1_000_000)), spec).shape == (2200, 2200, 3)


@pytest.mark.parametrize(("fit", "left"), [("squash", (200, 30, 30)), ("crop", (30, 200, 30))])
def test_squash_keeps_the_sides_and_crop_drops_them(fit, left):
    thirds = tiles().crop((0, 0, 48, 16))

    array = to_array(thirds, Preprocess(height=16, width=16, fit=fit, kernel="box"))

    assert tuple(array[8, 0]) == left


@pytest.mark.parametrize("size", [(60, 40), (41, 97), (300, 200), (224, 225), (17, 400)])
@pytest.mark.parametrize(("side", "share"), [(32, 1.0), (32, 0.875), (33, 0.95), (224, 0.875)])
@pytest.mark.parametrize("kernel", ["bilinear", "bicubic"])
def test_crop_is_torchvisions_but_for_rounding(size, side, share, kernel):
    from torchvision import transforms

    noise = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    mode = transforms.InterpolationMode(kernel)
    theirs = transforms.Compose(
        [transforms.Resize(int(side / share), mode, antialias=True), transforms.CenterCrop(side)]
    )
    spec = Preprocess(height=side, width=side, fit="crop", crop_share=share, kernel=kernel)

    picture = Image.fromarray(noise)

    gap = np.abs(to_array(picture, spec).astype(int) - np.asarray(theirs(picture)))
    assert gap.mean() <= 0.1
    assert gap.max() <= 2


@pytest.mark.parametrize("kernel", ["box", "bilinear", "hamming", "bicubic", "lanczos"])
@pytest.mark.parametrize("fit", ["squash", "crop"])
def test_every_kernel_averages_over_what_it_shrinks(kernel, fit):
    """A chequerboard of single pixels turns grey; picking pixels would leave black and white."""
    board = Image.fromarray((np.indices((64, 64)).sum(axis=0) % 2 * 255).astype(np.uint8)).convert("RGB")

    array = to_array(board, Preprocess(height=8, width=8, kernel=kernel, fit=fit))

    assert np.abs(array[2:-2, 2:-2].astype(int) - 127).max() <= 3


@pytest.mark.parametrize("fit", ["squash", "crop"])
@pytest.mark.parametrize(("kind", "mode", "options"), UPLOADS)
def test_what_is_read_is_what_is_decoded(kind, mode, options, fit):
    """JPEGs are read by another decoder than Pillow's, to the same pixels."""
    content = saved(tiles().convert(mode), kind, **options)
    spec = Preprocess(height=20, width=24, fit=fit)

    array, size, _ = read(content, spec)

    assert size == (48, 32)
    assert np.array_equal(array, to_array(decode(content), spec))


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
@pytest.mark.parametrize("size", [(426, 374), (375, 501)], ids=["even", "odd"])
def test_a_jpeg_is_read_to_pillows_pixels_of_it(size, subsampling):
    content = saved(photograph(size), "JPEG", subsampling=subsampling)
    spec = Preprocess(height=size[1], width=size[0])

    assert np.array_equal(read(content, spec)[0], np.asarray(Image.open(io.BytesIO(content))))


@pytest.mark.parametrize("fit", ["squash", "crop"])
@pytest.mark.parametrize("kernel", ["box", "bilinear", "bicubic"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_turned_once_it_is_small_is_one_turned_before(orientation, kernel, fit):
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = saved(photograph((331, 250)), "JPEG", exif=exif)
    spec = Preprocess(height=96, width=80, fit=fit, crop_share=0.9, kernel=kernel)

    array, size, _ = read(content, spec)

    upright = decode(content)
    gap = np.abs(array.astype(int) - to_array(upright, spec))
    assert size == upright.size
    assert gap.mean() <= 0.01
    assert gap.max() <= 2


@pytest.fixture(scope="module")
def large() -> tuple[bytes, Image.Image]:
    """A JPEG of 12 megapixels, and what is decoded of it."""
    content = saved(photograph((4000, 3000)), "JPEG", quality=90)
    return content, decode(content)


@pytest.mark.parametrize("fit", ["squash", "crop"])
@pytest.mark.parametrize("kernel", ["bilinear", "bicubic"])
@pytest.mark.parametrize("side", [96, 224])
def test_a_large_jpeg_read_at_a_fraction_differs_little(large, side, kernel, fit):
    content, whole = large
    spec = Preprocess(height=side, width=side, kernel=kernel, fit=fit)

    array, size, _ = read(content, spec)

    gap = np.abs(array.astype(int) - to_array(whole, spec))
    assert size == (4000, 3000)
    assert 0 < gap.mean() <= 0.15
    assert gap.max() <= 2


def test_a_jpeg_that_pillow_forgives_is_read():
    """Bytes between two segments, which cameras and editors leave; the other decoder refuses them."""
    content = saved(photograph((96, 64)), "JPEG")
    scan = content.index(b"\xff\xda")
    odd = content[:scan] + b"\0\0" + content[scan:]
    spec = Preprocess(height=32, width=48)

    assert np.array_equal(read(odd, spec)[0], read(content, spec)[0])


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("side", [32, 300])
def test_a_truncated_jpeg_is_not_read(side, share):
    """Neither whole nor at a fraction of its size."""
    content = saved(photograph((2000, 1500)), "JPEG")

    with pytest.raises(BrokenPicture, match="truncated or damaged"):
        read(content[: int(share * len(content))], Preprocess(height=side, width=side))


@pytest.mark.filterwarnings("ignore")  # Pillow's own complaints, which must not decide the outcome
def test_a_damaged_jpeg_is_read_or_broken():
    rng, content, spec = np.random.default_rng(0), detailed("JPEG"), Preprocess(height=16, width=16)
    refused = 0
    for number in range(100):
        mutated = np.frombuffer(content, np.uint8).copy()
        mutated[rng.integers(0, 64 if number % 2 else len(content), 5)] = rng.integers(0, 256, 5)
        try:
            read(mutated.tobytes(), spec, max_pixels=100_000)
        except PictureError:
            refused += 1

    assert 0 < refused < 100


@pytest.mark.parametrize(
    "wrong",
    [
        {"hieght": 32},
        {"height": 0},
        {"width": 4097},
        {"height": 8.5},
        {"fit": "stretch"},
        {"crop_share": 0},
        {"crop_share": 1.5},
        {"kernel": "nearest"},
        {"mean": (0.5, 0.5)},
        {"std": (0.5, 0.0, 0.5)},
    ],
    ids=str,
)
def test_preprocess_refuses(wrong):
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        Preprocess(**({"height": 32, "width": 32} | wrong))


def test_the_decoder_names_each_of_its_libraries():
    names = ("pil ", "jpg ", "zlib ", "webp ", "libtiff ", "simplejpeg ", "resizer ")

    assert all(name in decoder_version() for name in names)
