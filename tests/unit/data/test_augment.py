"""A picture is changed as its draw says, and no further."""

import numpy as np
import pytest
from PIL import Image

from tapetum.data.augment import DRAWS, augmented, mixed
from tapetum.image import Preprocess, to_array
from tapetum.recipe import Augment

NEUTRAL = Augment()
STRONG = Augment(
    flip=True, rotation_deg=20, min_scale=0.6, stretch=0.3, shift=0.1, brightness=0.3, contrast=0.3, saturation=0.5
)
CHOICES = ("flip", "rotation_deg", "min_scale", "stretch", "shift", "brightness", "contrast", "saturation")
NAMES = ("flip", "angle", "scale", "stretch", "right", "down", "brightness", "contrast", "saturation")


def drawn(**changes: float) -> np.ndarray:
    """The draw in the middle of all, but for `changes`."""
    return np.array([changes.get(name, 0.5) for name in NAMES])


def change(picture: np.ndarray, augment: Augment, draw: np.ndarray) -> np.ndarray:
    """Changed, in its own size."""
    return augmented(picture, augment, draw, picture.shape[:2])


@pytest.fixture
def noise(rng) -> np.ndarray:
    return rng.integers(0, 256, (12, 10, 3), dtype=np.uint8)


@pytest.mark.parametrize("draw", [np.zeros(DRAWS), np.full(DRAWS, 0.3), np.ones(DRAWS)])
def test_neutral_values_change_nothing(noise, draw):
    np.testing.assert_array_equal(change(noise, NEUTRAL, draw), noise)


@pytest.mark.parametrize("name", CHOICES)
def test_each_choice_changes_a_picture_alone(noise, name):
    alone = Augment(**{name: getattr(STRONG, name)})

    changed = change(noise, alone, np.full(DRAWS, 0.1))

    assert (changed != noise).any()
    assert (changed.shape, changed.dtype) == (noise.shape, noise.dtype)


@pytest.mark.parametrize(("draw", "step"), [(0.49, -1), (0.51, 1)])
def test_half_of_the_draws_mirror_left_and_right(noise, draw, step):
    np.testing.assert_array_equal(change(noise, Augment(flip=True), drawn(flip=draw)), noise[:, ::step])


def test_a_recipe_without_flip_mirrors_nothing(noise):
    np.testing.assert_array_equal(change(noise, Augment(shift=0.2), drawn(flip=0.0)), noise)


@pytest.mark.parametrize(("draw", "value"), [(0.0, 68), (0.5, 100), (1.0, 132)])
def test_brightness_adds_up_to_its_share_of_half_the_range(draw, value):
    picture = np.full((4, 4, 3), 100, np.uint8)

    assert (change(picture, Augment(brightness=0.25), drawn(brightness=draw)) == value).all()


@pytest.mark.parametrize(("draw", "values"), [(0.0, [98, 158]), (0.5, [68, 188]), (1.0, [38, 218])])
def test_contrast_spreads_values_around_the_middle(draw, values):
    picture = np.array([[[68] * 3, [188] * 3]], np.uint8)

    assert change(picture, Augment(contrast=0.5), drawn(contrast=draw))[0, :, 0].tolist() == values


@pytest.mark.parametrize(("value", "draw"), [(250, 1.0), (5, 0.0)])
def test_brightness_stops_at_black_and_white(value, draw):
    picture = np.full((4, 4, 3), value, np.uint8)

    assert (change(picture, Augment(brightness=0.9), drawn(brightness=draw)) == round(draw) * 255).all()


@pytest.mark.parametrize(("right", "down", "colour"), [(0, 0, 10), (1, 0, 60), (0, 1, 110), (1, 1, 160)])
def test_a_scaled_part_moves_within_the_picture(right, down, colour):
    """Half of a picture of four quarters, moved as far as it goes, is one of them."""
    quarters = np.kron([[10, 60], [110, 160]], np.ones((8, 8))).astype(np.uint8)
    picture = np.repeat(quarters[:, :, None], 3, axis=2)

    changed = change(picture, Augment(min_scale=0.5), drawn(scale=1, right=right, down=down))

    assert (changed[1:-1, 1:-1] == colour).all()


def test_the_source_is_left_as_it_was(noise):
    kept = noise.copy()
    change(noise, STRONG, np.full(DRAWS, 0.1))

    np.testing.assert_array_equal(noise, kept)


def test_a_picture_comes_out_in_the_size_asked_for_averaged_as_before_inference(noise):
    spec = Preprocess(height=5, width=4)

    smaller = augmented(noise, Augment(min_scale=0.9), drawn(scale=0), (5, 4))

    # But for rounding: each has a resizer of its own.
    np.testing.assert_allclose(smaller.astype(int), to_array(noise, spec), atol=1)


def test_a_cut_is_what_the_same_map_with_interpolation_gives(rng):
    coarse = rng.integers(0, 256, (4, 5, 3), dtype=np.uint8)
    smooth = np.asarray(Image.fromarray(coarse).resize((100, 80), Image.Resampling.BICUBIC))
    draw = rng.random(DRAWS)

    cut = change(smooth, Augment(flip=True, min_scale=0.6, stretch=0.3), draw)
    mapped = change(smooth, Augment(flip=True, min_scale=0.6, stretch=0.3, shift=1e-9), draw)

    assert np.abs(cut.astype(int) - mapped).max() <= 3


@pytest.mark.parametrize(("draw", "gain"), [(0.0, 0.25), (0.5, 1), (1.0, 1.75)])
def test_saturation_moves_colours_from_and_to_their_grey(draw, gain):
    picture = np.full((2, 2, 3), (60, 100, 150), np.uint8)
    grey = 94

    changed = change(picture, Augment(saturation=0.75), drawn(saturation=draw))[0, 0]

    expected = [round(grey + gain * (value - grey)) for value in (60, 100, 150)]
    assert np.abs(changed.astype(int) - expected).max() <= 1


def test_stretching_keeps_within_the_picture(noise):
    wide, tall = (change(noise, Augment(stretch=0.9), drawn(stretch=draw)) for draw in (0, 1))

    assert not np.array_equal(wide, tall)
    assert {tuple(pixel) for pixel in wide[:, 0]} != {tuple(noise[0, 0])}


def test_cutmix_pastes_a_rectangle_and_says_how_much_stayed():
    ones, twos = (np.full((3, 20, 30, 3), value, np.uint8) for value in (1, 2))
    for seed in range(20):
        pasted, share = mixed(ones, twos, Augment(cutmix=1), np.random.default_rng(seed))
        is_first = pasted[0, :, :, 0] == 1
        rows, columns = np.nonzero(~is_first)
        assert share == pytest.approx(is_first.mean())
        if len(rows):
            assert not is_first[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1].any()


def test_both_mixtures_take_turns():
    black, white = np.zeros((1, 9, 9, 3), np.uint8), np.full((1, 9, 9, 3), 255, np.uint8)
    seen = set()
    for seed in range(30):
        pixels, share = mixed(black, white, Augment(mixup=5, cutmix=1), np.random.default_rng(seed))
        seen.add("cutmix" if set(np.unique(pixels)) <= {0, 255} and 0 < share < 1 else "mixup")

    assert seen == {"mixup", "cutmix"}
