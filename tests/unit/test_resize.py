"""Arrays are resized to Pillow's pixels, but for rounding."""

import numpy as np
import pytest
from PIL import Image

from tapetum.resize import is_vectorised, resize

MEAN_GREY_LEVELS, MOST_GREY_LEVELS = 0.1, 2  # what golden pictures may differ by

KERNELS = ("box", "bilinear", "hamming", "bicubic", "lanczos")
SHAPES = [
    pytest.param((426, 374), (224, 224), id="a photograph"),
    pytest.param((374, 426), (224, 224), id="a photograph upright"),
    pytest.param((300, 600), (224, 224), id="rows first"),
    pytest.param((1100, 800), (224, 224), id="in strips"),
    pytest.param((700, 1300), (224, 224), id="in strips, rows first"),
    pytest.param((500, 375), (256, 192), id="the shape kept"),
    pytest.param((1200, 900), (160, 160), id="shrunk far"),
    pytest.param((100, 75), (224, 224), id="enlarged"),
    pytest.param((400, 100), (224, 224), id="enlarged and shrunk"),
    pytest.param((1000, 12), (160, 160), id="a ribbon"),
    pytest.param((12, 1000), (160, 160), id="a thread"),
    pytest.param((3000, 1), (224, 224), id="one row"),
    pytest.param((224, 224), (224, 224), id="unchanged"),
    pytest.param((224, 300), (224, 224), id="one pass"),
]


def scene(size: tuple[int, int]) -> np.ndarray:
    """Shapes with edges, shades between them and fine grain, black and white included, as uint8 (H, W, 3)."""
    rng = np.random.default_rng(size[0])
    coarse = Image.fromarray(rng.integers(-60, 316, (9, 12, 3)).clip(0, 255).astype(np.uint8))
    shapes = np.asarray(coarse.resize(size, Image.Resampling.NEAREST), np.int16)
    shades = np.asarray(coarse.resize(size, Image.Resampling.BICUBIC), np.int16)
    grain = rng.integers(-12, 13, shapes.shape)
    return np.asarray(((shapes + shades) // 2 + grain).clip(0, 255), np.uint8)


def is_rows_first(size: tuple[int, int], wanted: tuple[int, int]) -> bool:
    return size[1] - wanted[1] > max(0, 2 * (size[0] - wanted[0]))


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize(("size", "wanted"), SHAPES)
def test_pixels_are_pillows_but_for_rounding(size, wanted, kernel):
    pixels = scene(size)
    theirs = Image.fromarray(pixels).resize(wanted, Image.Resampling[kernel.upper()])

    ours = resize(pixels, wanted, (0, 0, *wanted), kernel, is_rows_first(size, wanted))

    gap = np.abs(ours.astype(int) - np.asarray(theirs))
    assert (ours.shape, ours.dtype) == ((wanted[1], wanted[0], 3), np.uint8)
    assert gap.mean() <= MEAN_GREY_LEVELS
    assert gap.max() <= MOST_GREY_LEVELS


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize(("size", "wanted"), SHAPES)
def test_a_window_shows_what_the_whole_shows_there(size, wanted, kernel):
    pixels, first = scene(size), is_rows_first(size, wanted)
    window = (wanted[0] // 8, wanted[1] // 5, wanted[0] - wanted[0] // 3, wanted[1] - 1)

    whole = resize(pixels, wanted, (0, 0, *wanted), kernel, first)
    part = resize(pixels, wanted, window, kernel, first)

    shown = whole[window[1] : window[3], window[0] : window[2]]
    gap = np.abs(part.astype(int) - shown)
    assert gap.mean() <= MEAN_GREY_LEVELS
    assert gap.max() <= MOST_GREY_LEVELS


@pytest.mark.parametrize("kernel", KERNELS)
def test_grey_is_resized_as_colour_is(kernel):
    pixels = scene((300, 200))

    colour = resize(pixels, (90, 80), (0, 0, 90, 80), kernel, rows_first=False)
    grey = resize(np.ascontiguousarray(pixels[..., 1]), (90, 80), (0, 0, 90, 80), kernel, rows_first=False)

    assert np.array_equal(grey, colour[..., 1])


@pytest.mark.parametrize("rows_first", [False, True])
def test_no_length_of_a_side_falls_over_the_edge(rows_first):
    """Shares of a side are floats, whose errors could add up to a window that is a hair too large."""
    for side in range(1, 1500, 3):
        tall = np.full((side, 2, 3), side % 256, np.uint8)
        wide = np.full((2, side, 3), side % 256, np.uint8)
        assert np.all(resize(tall, (2, 224), (0, 5, 2, 224), "bilinear", rows_first) == side % 256)
        assert np.all(resize(wide, (224, 2), (5, 0, 224, 2), "bilinear", rows_first) == side % 256)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("rows_first", [False, True])
def test_a_thread_is_not_unfolded_for_a_window_of_it(kernel, rows_first):
    """Whole, it would be 2,200 by 2,200,000,000 pixels."""
    thread = np.full((1_000_000, 1, 3), 200, np.uint8)

    part = resize(thread, (2200, 2_200_000_000), (0, 1_099_998_900, 2200, 1_100_001_100), kernel, rows_first)

    assert part.shape == (2200, 2200, 3)
    assert np.array_equal(np.unique(part), [200])


def test_the_usual_kernels_are_fast_where_the_resizer_is_installed():
    pytest.importorskip("cykooz_resizer", reason="it has no wheel for this platform")

    assert [kernel for kernel in KERNELS if is_vectorised(kernel)] == ["bilinear", "bicubic", "lanczos"]
