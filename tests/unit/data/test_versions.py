"""Versions of one picture: found when a folder is checked, kept together when it is divided."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from tapetum.data.checks import check
from tapetum.data.manifest import build, moved
from tapetum.data.scan import scan
from tapetum.recipe import Parts


def scene(seed: int) -> Image.Image:
    """A picture with structure of all sizes, unlike any of another seed."""
    rng = np.random.default_rng(seed)
    coarse, fine = (rng.integers(0, 256, (n, n, 3), dtype=np.uint8) for n in (5, 14))
    large = (np.asarray(Image.fromarray(part).resize((120, 90), Image.Resampling.BICUBIC)) for part in (coarse, fine))
    return Image.fromarray(np.average(list(large), axis=0, weights=(2, 1)).astype(np.uint8))


def put(path: Path, picture: Image.Image, quality: int = 90) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=quality)
    path.write_bytes(stream.getvalue())


@pytest.fixture
def flat(tmp_path: Path) -> Path:
    """Two classes of 25 pictures each, CLASS/picture."""
    for number in range(50):
        put(tmp_path / "photos" / ("cat", "dog")[number % 2] / f"{number:02}.jpg", scene(number))
    return tmp_path / "photos"


@pytest.fixture
def divided(tmp_path: Path) -> Path:
    """The same in parts, PART/CLASS/picture."""
    for number in range(50):
        part = ("train", "train", "train", "val", "test")[number // 2 % 5]
        put(tmp_path / "photos" / part / ("cat", "dog")[number % 2] / f"{number:02}.jpg", scene(number))
    return tmp_path / "photos"


def near(root: Path) -> list[tuple[str, list[str]]]:
    return [(finding.kind, finding.paths) for finding in check(scan(root)) if finding.kind.startswith("near")]


def test_a_clean_folder_has_no_versions(flat):
    assert near(flat) == []


def test_a_version_in_the_same_class_is_a_near_duplicate(flat):
    put(flat / "cat" / "again.jpg", scene(0), quality=30)

    assert near(flat) == [("near_duplicate", ["cat/00.jpg", "cat/again.jpg"])]


def test_a_version_under_another_label_is_a_near_conflict(flat):
    put(flat / "dog" / "again.jpg", ImageOps.mirror(scene(0)))

    assert near(flat) == [("near_conflict", ["cat/00.jpg", "dog/again.jpg"])]


def test_a_version_in_another_part_is_a_near_leak(divided):
    put(divided / "test" / "cat" / "again.jpg", scene(0).crop((3, 2, 117, 88)))

    assert near(divided) == [("near_leak", ["test/cat/again.jpg", "train/cat/00.jpg"])]


def test_a_training_picture_that_is_also_tested_is_left_out(divided):
    put(divided / "test" / "cat" / "again.jpg", scene(0).crop((3, 2, 117, 88)))

    manifest = build(scan(divided), Parts())

    assert {entry.path: entry.reason for entry in manifest.excluded} == {
        "train/cat/00.jpg": "almost the same picture as test/cat/again.jpg"
    }


def test_versions_of_one_picture_land_in_one_part(flat):
    for number in range(50):
        label = ("cat", "dog")[number % 2]
        put(flat / label / f"{number:02}-small.jpg", scene(number).resize((80, 60)))

    manifest = build(scan(flat), Parts())

    parts = {sample.path: sample.part for sample in manifest.samples}
    assert len(set(parts.values())) == 3
    assert all(parts[path] == parts[path.replace(".jpg", "-small.jpg")] for path in parts if "small" not in path)


def test_a_previous_manifest_wins_when_the_folder_grows(flat):
    """A new version with a smaller digest would else take its whole group to another part."""
    before = build(scan(flat), Parts())
    for number in range(50):
        put(flat / ("cat", "dog")[number % 2] / f"{number:02}-small.jpg", scene(number).resize((80, 60)))

    alone = {sample.path: sample.part for sample in build(scan(flat), Parts()).samples}
    grown = build(scan(flat), Parts(), before)

    earlier = {sample.path: sample.part for sample in before.samples}
    assert any(alone[path] != part for path, part in earlier.items())
    assert {sample.path: sample.part for sample in grown.samples if sample.path in earlier} == earlier
    assert moved(grown, before) == []


def test_versions_that_were_divided_are_joined_where_they_measure_and_reported(flat):
    put(flat / "cat" / "again.jpg", scene(0), quality=30)
    scanned = scan(flat)
    joined = build(scanned, Parts())
    digest = next(sample.digest for sample in joined.samples if sample.path == "cat/00.jpg")
    divided = [
        replace(sample, part="test" if sample.digest == digest else "train")
        if sample.path in ("cat/00.jpg", "cat/again.jpg")
        else sample
        for sample in joined.samples
    ]

    again = build(scanned, Parts(), replace(joined, samples=divided))

    assert [(sample.path, sample.part) for sample in moved(again, replace(joined, samples=divided))] == [
        ("cat/again.jpg", "test")
    ]


def test_another_seed_divides_anew_whatever_was_before(flat):
    before = build(scan(flat), Parts())

    assert build(scan(flat), Parts(seed=5), before).fingerprint == build(scan(flat), Parts(seed=5)).fingerprint


def test_pictures_of_a_few_pixels_are_not_called_versions(tmp_path):
    """Two handwritten fours of 8 by 8 pixels are alike; that is what makes them fours."""
    for number in range(50):
        picture = scene(number % 25).resize((39, 60) if number < 25 else (60, 39))
        put(tmp_path / "photos" / ("cat", "dog")[number % 2] / f"{number:02}.jpg", picture)

    assert near(tmp_path / "photos") == []
