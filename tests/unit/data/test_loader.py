"""An epoch holds every picture once with its own label, changed as the recipe says and no further."""

import numpy as np
import pytest

from tapetum.data.loader import Batch, Pictures, Shuffle, in_order, shuffled, steps_of
from tapetum.recipe import Augment

NEUTRAL = Augment()
STRONG = Augment(flip=True, rotation_deg=20, min_scale=0.6, shift=0.1, brightness=0.3, contrast=0.3)
MIXED = Augment(flip=True, mixup=0.4, cutmix=1)
SIZE = (5, 4)


def flat(count: int) -> Pictures:
    """Pictures of one colour each, which is also their label."""
    labels = np.arange(count)
    pixels = np.broadcast_to(labels.astype(np.uint8)[:, None, None, None], (count, *SIZE, 3))
    return Pictures(pixels, labels, [f"{label}.png" for label in labels])


def noisy(count: int) -> Pictures:
    pixels = np.random.default_rng(3).integers(0, 256, (count, 8, 8, 3), dtype=np.uint8)
    return Pictures(pixels, np.arange(count) % 3, [str(row) for row in range(count)])


def epoch(pictures: Pictures, size: int, augment: Augment = NEUTRAL, **place: int) -> list[Batch]:
    shuffle = Shuffle(size, **{"seed": 0, "epoch": 1} | place)
    return list(shuffled(pictures, shuffle, augment, pictures.pixels.shape[1:3]))


def same(one: Batch, two: Batch) -> bool:
    return all(np.array_equal(left, right) for left, right in zip(one, two, strict=True))


def test_every_picture_comes_once_with_its_own_label():
    batches = epoch(flat(11), 4)

    assert sorted(np.concatenate([batch.labels for batch in batches])) == list(range(11))
    for batch in batches:
        assert (batch.images == batch.labels[:, None, None, None]).all()
        assert batch.share == 1
        assert batch.counted == len(batch.rows) == len(batch.images)


def test_batches_are_uint8_pictures_of_the_size_asked_for_and_int64_labels():
    shuffle = Shuffle(4, seed=0, epoch=1)
    batches = list(shuffled(flat(11), shuffle, STRONG, (10, 12)))

    assert [batch.images.shape for batch in batches] == [(4, 10, 12, 3), (4, 10, 12, 3), (3, 10, 12, 3)]
    assert {(batch.images.dtype, batch.labels.dtype) for batch in batches} == {(np.dtype("uint8"), np.dtype("int64"))}


def test_the_order_is_shuffled():
    labels = np.concatenate([batch.labels for batch in epoch(flat(50), 10)])

    assert list(labels) != sorted(labels)


@pytest.mark.parametrize("augment", [STRONG, MIXED])
def test_the_same_seed_and_epoch_give_the_same_batches(augment):
    one, two = (epoch(noisy(20), 6, augment) for _ in range(2))

    assert all(map(same, one, two))


@pytest.mark.parametrize("place", [{"seed": 1}, {"epoch": 2}])
def test_another_seed_or_epoch_gives_another_order(place):
    one, two = epoch(flat(50), 50)[0].labels, epoch(flat(50), 50, **place)[0].labels

    assert list(one) != list(two)


@pytest.mark.parametrize("augment", [STRONG, MIXED])
def test_an_epoch_taken_up_in_its_middle_goes_on_with_the_same_batches(augment):
    whole, rest = epoch(noisy(20), 6, augment), epoch(noisy(20), 6, augment, first=2)

    assert len(rest) == len(whole) - 2 > 0
    assert all(map(same, whole[2:], rest))


@pytest.mark.parametrize("augment", [STRONG, MIXED])
@pytest.mark.parametrize("count", [22, 23])
def test_processes_share_each_batch_and_change_it_as_one_would(augment, count):
    whole = epoch(noisy(count), 6, augment, of=1)
    parts = [epoch(noisy(count), 6, augment, rank=rank, of=2) for rank in range(2)]

    for number, batch in enumerate(whole):
        for rank in range(2):
            mine = parts[rank][number]
            assert (mine.counted, mine.share) == (len(batch.rows), batch.share)
            np.testing.assert_array_equal(mine.rows, batch.rows[rank::2])
            np.testing.assert_array_equal(mine.others, batch.others[rank::2])
            np.testing.assert_array_equal(mine.images, batch.images[rank::2])


def test_a_mixed_batch_says_whose_pictures_are_in_it():
    """Of flat pictures mixup makes flat ones between the two."""
    for batch in epoch(flat(40), 10, Augment(mixup=1)):
        expected = batch.share * batch.labels + (1 - batch.share) * batch.others
        assert np.abs(batch.images - expected[:, None, None, None]).max() <= 0.51
        assert 0 < batch.share < 1


@pytest.mark.parametrize(("count", "sizes"), [(9, [4, 4]), (1, [1]), (2, [2]), (4, [4]), (6, [4, 2])])
def test_a_last_batch_of_one_is_left_out_unless_it_is_all(count, sizes):
    assert [len(batch.labels) for batch in epoch(flat(count), 4)] == sizes
    assert steps_of(count, 4) == len(sizes)


@pytest.mark.parametrize(("count", "steps"), [(8, 1), (9, 1), (11, 1), (12, 2), (3, 1)])
def test_a_rest_of_less_than_two_a_process_is_left_out(count, steps):
    assert steps_of(count, 8, processes=2) == steps


def test_in_order_keeps_order_pixels_and_a_last_batch_of_one():
    pictures = noisy(9)
    batches = list(in_order(pictures, 4))

    assert [len(images) for images in batches] == [4, 4, 1]
    np.testing.assert_array_equal(np.concatenate(batches), pictures.pixels)
