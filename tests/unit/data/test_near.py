"""Near duplicates are found whatever was done to them, and nothing else is."""

import numpy as np
import pytest
from PIL import Image, ImageOps

from tapetum.data.near import SIDE, groups, hashes, pairs, search


def scene(seed: int) -> Image.Image:
    """A picture with structure of all sizes, unlike any of another seed."""
    rng = np.random.default_rng(seed)
    layers = [
        np.asarray(
            Image.fromarray(rng.integers(0, 256, (n, n), dtype=np.uint8)).resize((180, 150), Image.Resampling.BICUBIC)
        )
        for n in (4, 8, 16, 32)
    ]
    mixed = np.average(np.stack(layers), axis=0, weights=(8, 4, 2, 1))
    return Image.fromarray(mixed.astype(np.uint8))


def thumbnail(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture.convert("L").resize((SIDE, SIDE), Image.Resampling.BILINEAR))


SCENES = [scene(seed) for seed in range(60)]
THUMBNAILS = np.stack([thumbnail(picture) for picture in SCENES])

CHANGES = {
    "the same": lambda picture: picture,
    "smaller": lambda picture: picture.resize((70, 60), Image.Resampling.LANCZOS),
    "larger": lambda picture: picture.resize((400, 333), Image.Resampling.BICUBIC),
    "mirrored": ImageOps.mirror,
    "brighter": lambda picture: picture.point(lambda level: level * 0.7 + 60),
    "cropped at the top left": lambda picture: picture.crop((0, 0, 171, 142)),
    "cropped at the bottom right": lambda picture: picture.crop((9, 8, 180, 150)),
    "cropped off any grid": lambda picture: picture.crop((3, 6, 174, 148)),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_picture_is_paired_with_its_original(change):
    changed = np.stack([thumbnail(CHANGES[change](picture)) for picture in SCENES[:20]])

    found = {(pair.first, pair.second) for pair in pairs(np.concatenate([THUMBNAILS, changed]))}

    assert found == {(number, 60 + number) for number in range(20)}


def test_different_pictures_are_not_paired():
    assert pairs(THUMBNAILS) == []


def test_pictures_of_one_colour_are_like_nothing():
    blank = np.stack([np.full((SIDE, SIDE), level, np.uint8) for level in (0, 128, 128, 255)])

    assert pairs(blank) == []


def test_a_picture_upside_down_is_another():
    """Turned pictures are what a camera roll holds upright already; a six is not a nine."""
    assert pairs(np.stack([THUMBNAILS[0], THUMBNAILS[0][::-1]])) == []


def test_of_many_copies_each_is_paired_once():
    many = np.repeat(THUMBNAILS[:1], 500, axis=0)

    found = pairs(many)

    assert len(found) == 499
    assert groups(500, found) == [list(range(500))]


def test_no_pictures_have_no_pairs():
    assert pairs(np.empty((0, SIDE, SIDE), np.uint8)) == []


def test_groups_join_what_is_linked_through_others():
    linked = pairs(np.concatenate([THUMBNAILS[:3], THUMBNAILS[:2], THUMBNAILS[:1]]))

    assert groups(6, linked) == [[0, 3, 5], [1, 4]]


@pytest.mark.parametrize("radius", [0, 3, 6, 7])
def test_the_search_finds_what_comparing_all_finds(radius):
    rng = np.random.default_rng(radius)
    known = rng.integers(0, 2**63, 3000, dtype=np.uint64)
    flips = np.array(
        [sum(1 << int(bit) for bit in rng.choice(64, rng.integers(0, 9), replace=False)) for _ in known], np.uint64
    )
    wanted = known ^ flips

    found = {pair for rows in search(known, wanted, radius) for pair in zip(*map(np.ndarray.tolist, rows), strict=True)}

    distances = np.bitwise_count(wanted[:, None] ^ known[None, :])
    assert found == set(zip(*(rows.tolist() for rows in np.nonzero(distances <= radius)), strict=True))


def test_a_hash_depends_on_structure_and_not_on_brightness():
    darker = (THUMBNAILS * 0.5 + 20).astype(np.uint8)

    changed_bits = np.bitwise_count(hashes(THUMBNAILS) ^ hashes(darker))

    assert changed_bits.max() <= 4
