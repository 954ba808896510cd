"""An epoch holds every picture once with its own label, changed as the recipe says and no further."""

import numpy as np
import pytest

from tapetum.data.loader import augmented, in_order, shuffled
from tapetum.recipe import Augment

NEUTRAL = Augment()
STRONG = Augment(flip=True, rotation_deg=20, min_scale=0.6, shift=0.1, brightness=0.3, contrast=0.3)
DRAWS = ("flip", "angle", "scale", "right", "down", "brightness", "contrast")


def flat(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Pictures of one colour each, which is also their label."""
    labels = np.arange(count)
    return np.broadcast_to(labels.astype(np.uint8)[:, None, None, None], (count, 5, 4, 3)), labels


def drawn(**changes: float) -> np.ndarray:
    """The draw in the middle of all, but for `changes`."""
    return np.array([changes.get(name, 0.5) for name in DRAWS])


@pytest.fixture
def noise(rng) -> np.ndarray:
    return rng.integers(0, 256, (12, 10, 3), dtype=np.uint8)


def test_every_picture_comes_once_with_its_own_label(rng):
    batches = list(shuffled(*flat(11), 4, NEUTRAL, rng))

    assert sorted(np.concatenate([labels for _, labels in batches])) == list(range(11))
    for images, labels in batches:
        assert (images == labels[:, None, None, None]).all()


def test_batches_are_uint8_pictures_and_int64_labels(rng):
    batches = list(shuffled(*flat(11), 4, STRONG, rng))

    assert [images.shape for images, _ in batches] == [(4, 5, 4, 3), (4, 5, 4, 3), (3, 5, 4, 3)]
    assert {(images.dtype, labels.dtype) for images, labels in batches} == {(np.dtype("uint8"), np.dtype("int64"))}


def test_the_order_is_shuffled(rng):
    labels = np.concatenate([labels for _, labels in shuffled(*flat(50), 10, NEUTRAL, rng)])

    assert list(labels) != sorted(labels)


def test_the_same_rng_gives_the_same_epoch(rng):
    pixels, labels = rng.integers(0, 256, (20, 8, 8, 3), dtype=np.uint8), np.arange(20)
    one, two = (list(shuffled(pixels, labels, 6, STRONG, np.random.default_rng(7))) for _ in range(2))

    for (images, truth), (again, truth_again) in zip(one, two, strict=True):
        np.testing.assert_array_equal(images, again)
        np.testing.assert_array_equal(truth, truth_again)


def test_another_rng_gives_another_epoch():
    one, two = (next(shuffled(*flat(50), 50, NEUTRAL, np.random.default_rng(seed)))[1] for seed in (7, 8))

    assert list(one) != list(two)


@pytest.mark.parametrize(("count", "sizes"), [(9, [4, 4]), (1, [1]), (2, [2]), (4, [4]), (6, [4, 2])])
def test_a_last_batch_of_one_is_left_out_unless_it_is_all(count, sizes, rng):
    assert [len(labels) for _, labels in shuffled(*flat(count), 4, NEUTRAL, rng)] == sizes


def test_in_order_keeps_order_pixels_and_a_last_batch_of_one(rng):
    pixels = rng.integers(0, 256, (9, 5, 4, 3), dtype=np.uint8)
    batches = list(in_order(pixels, np.arange(9), 4))

    assert [list(labels) for _, labels in batches] == [[0, 1, 2, 3], [4, 5, 6, 7], [8]]
    np.testing.assert_array_equal(np.concatenate([images for images, _ in batches]), pixels)


@pytest.mark.parametrize("draw", [np.zeros(7), np.full(7, 0.3), np.ones(7)])
def test_neutral_values_change_nothing(noise, draw):
    np.testing.assert_array_equal(augmented(noise, NEUTRAL, draw), noise)


@pytest.mark.parametrize("name", ["flip", "rotation_deg", "min_scale", "shift", "brightness", "contrast"])
def test_each_choice_changes_a_picture_alone(noise, name):
    alone = Augment(**{name: getattr(STRONG, name)})

    changed = augmented(noise, alone, np.full(7, 0.1))

    assert (changed != noise).any()
    assert (changed.shape, changed.dtype) == (noise.shape, noise.dtype)


@pytest.mark.parametrize(("draw", "step"), [(0.49, -1), (0.51, 1)])
def test_half_of_the_draws_mirror_left_and_right(noise, draw, step):
    np.testing.assert_array_equal(augmented(noise, Augment(flip=True), drawn(flip=draw)), noise[:, ::step])


def test_a_recipe_without_flip_mirrors_nothing(noise):
    np.testing.assert_array_equal(augmented(noise, Augment(shift=0.2), drawn(flip=0.0)), noise)


@pytest.mark.parametrize(("draw", "value"), [(0.0, 68), (0.5, 100), (1.0, 132)])
def test_brightness_adds_up_to_its_share_of_half_the_range(draw, value):
    picture = np.full((4, 4, 3), 100, np.uint8)

    assert (augmented(picture, Augment(brightness=0.25), drawn(brightness=draw)) == value).all()


@pytest.mark.parametrize(("draw", "values"), [(0.0, [98, 158]), (0.5, [68, 188]), (1.0, [38, 218])])
def test_contrast_spreads_values_around_the_middle(draw, values):
    picture = np.array([[[68] * 3, [188] * 3]], np.uint8)

    assert augmented(picture, Augment(contrast=0.5), drawn(contrast=draw))[0, :, 0].tolist() == values


@pytest.mark.parametrize(("value", "draw"), [(250, 1.0), (5, 0.0)])
def test_brightness_stops_at_black_and_white(value, draw):
    picture = np.full((4, 4, 3), value, np.uint8)

    assert (augmented(picture, Augment(brightness=0.9), drawn(brightness=draw)) == round(draw) * 255).all()


@pytest.mark.parametrize(("right", "down", "colour"), [(0, 0, 10), (1, 0, 60), (0, 1, 110), (1, 1, 160)])
def test_a_scaled_part_moves_within_the_picture(right, down, colour):
    """Half of a picture of four quarters, moved as far as it goes, is one of them."""
    quarters = np.kron([[10, 60], [110, 160]], np.ones((8, 8))).astype(np.uint8)
    picture = np.repeat(quarters[:, :, None], 3, axis=2)

    changed = augmented(picture, Augment(min_scale=0.5), drawn(scale=1, right=right, down=down))

    assert (changed[1:-1, 1:-1] == colour).all()


def test_the_source_is_left_as_it_was(noise):
    kept = noise.copy()
    augmented(noise, STRONG, np.full(7, 0.1))

    np.testing.assert_array_equal(noise, kept)
