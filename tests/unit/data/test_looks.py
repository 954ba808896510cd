"""What is said of a picture is what a person sees in it."""

import numpy as np
import pytest
from conftest import encode
from PIL import Image, ImageFilter

from tapetum.data.looks import contradicts, format_of, look


def plain(colour: str, size: tuple[int, int] = (90, 60)) -> Image.Image:
    return Image.new("RGB", size, colour)


@pytest.fixture
def scene(rng) -> Image.Image:
    """Large shapes and fine grain, 500 wide and 400 high."""
    coarse = rng.integers(0, 256, (8, 10, 3), dtype=np.uint8)
    shapes = np.asarray(Image.fromarray(coarse).resize((500, 400), Image.Resampling.NEAREST)).astype(float)
    return Image.fromarray((shapes * 0.8 + rng.normal(25, 10, shapes.shape)).clip(0, 255).astype(np.uint8))


@pytest.mark.parametrize(
    ("colour", "brightness", "saturation"),
    [("black", 0, 0), ("white", 255, 0), ("#808080", 128, 0), ("red", 76, 255), ("#ff8080", 166, 127)],
)
def test_one_colour_has_its_luma_and_saturation_and_nothing_else(colour, brightness, saturation):
    seen = look(plain(colour))

    assert (seen.brightness, seen.saturation) == (brightness, saturation)
    assert (seen.contrast, seen.sharpness) == (0, 0)


def test_numbers_are_those_of_all_pixels(scene):
    luma = np.asarray(scene.convert("L"), dtype=float)

    seen = look(scene)

    assert (seen.width, seen.height) == (500, 400)
    assert seen.brightness == pytest.approx(luma.mean())
    assert seen.contrast == pytest.approx(luma.std())


def test_sharpness_falls_with_every_step_of_blur(scene):
    sharpness = [look(scene.filter(ImageFilter.GaussianBlur(radius))).sharpness for radius in (0, 1, 2, 4, 8)]

    assert sharpness == sorted(sharpness, reverse=True)
    assert sharpness[-1] < sharpness[0] / 10


def test_sharpness_compares_between_sizes(scene):
    large = scene.resize((2000, 1600), Image.Resampling.BICUBIC)

    assert look(large).sharpness == pytest.approx(look(scene).sharpness, rel=0.2)


def test_a_thumbnail_is_the_picture_squashed():
    halves = Image.new("RGB", (300, 100), "black")
    halves.paste("white", (150, 0, 300, 100))

    thumbnail = look(halves).thumbnail

    assert (thumbnail.shape, thumbnail.dtype) == ((64, 64), np.uint8)
    assert np.array_equal(thumbnail > 127, np.tile(np.arange(64) >= 32, (64, 1)))


def test_a_picture_of_one_pixel_has_a_look():
    assert look(plain("white", (1, 1))).brightness == 255


FORMATS = {"JPEG": ".jpg", "PNG": ".png", "WebP": ".webp", "GIF": ".gif", "BMP": ".bmp", "TIFF": ".tif"}
GREY = np.full((8, 8, 3), 128, np.uint8)


@pytest.mark.parametrize("kind", FORMATS)
def test_a_format_is_known_by_its_first_bytes(kind):
    content = encode(GREY, kind)

    assert format_of(content) == kind
    assert [suffix for suffix in FORMATS.values() if not contradicts(suffix, content)] == [FORMATS[kind]]


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff", b"%PDF-1.7", b"BMW cars and others", b"RIFF\0\0\0\0WAVE", b"GIF8 is no format"],
    ids=["empty", "one byte", "PDF", "text", "sound", "nearly GIF"],
)
def test_other_bytes_have_no_format_and_contradict_nothing(content):
    """They are found as unreadable, which says more."""
    assert format_of(content) is None
    assert not contradicts(".jpg", content)


@pytest.mark.parametrize("suffix", [".JPG", ".jpeg", ".jpe", ".JFIF", "", ".dat"])
def test_a_jpeg_may_be_called_so_in_many_ways(suffix):
    assert not contradicts(suffix, encode(GREY))
