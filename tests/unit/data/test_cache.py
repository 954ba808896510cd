"""Decoded pictures are kept, found again, and never half-written."""

from pathlib import Path

import numpy as np
import pytest

from tapetum import image
from tapetum.data import cache
from tapetum.data.manifest import Manifest, build
from tapetum.data.sample import Sample
from tapetum.data.scan import scan
from tapetum.errors import DataError, ResourceError
from tapetum.image import Preprocess
from tapetum.recipe import Parts

SPEC = Preprocess(height=6, width=8)


@pytest.fixture
def manifest(folder: Path) -> Manifest:
    return build(scan(folder), Parts())


def test_pixels_are_those_of_decoding_in_the_order_of_the_manifest(manifest, tmp_path):
    pixels = cache.build(manifest, SPEC, tmp_path / "cache")

    decoded = [image.decode((manifest.root / sample.path).read_bytes()) for sample in manifest.samples]
    np.testing.assert_array_equal(pixels, [image.to_array(picture, SPEC) for picture in decoded])
    assert pixels.dtype == np.uint8


def test_a_second_build_decodes_nothing(manifest, tmp_path):
    first = cache.build(manifest, SPEC, tmp_path / "cache")
    (manifest.root / manifest.samples[0].path).unlink()

    np.testing.assert_array_equal(cache.build(manifest, SPEC, tmp_path / "cache"), first)


@pytest.mark.parametrize("left", [0, 5, 200], ids=["nothing", "a piece of its head", "some pictures"])
def test_what_a_disk_has_lost_is_decoded_anew(manifest, tmp_path, left):
    first = np.array(cache.build(manifest, SPEC, tmp_path / "cache"))
    (kept,) = (tmp_path / "cache").iterdir()
    kept.write_bytes(kept.read_bytes()[:left])

    np.testing.assert_array_equal(cache.build(manifest, SPEC, tmp_path / "cache"), first)


@pytest.mark.parametrize(
    ("change", "files"),
    [
        ({"height": 7}, 2),
        ({"kernel": "box"}, 2),
        ({"fit": "crop"}, 2),
        ({"mean": (0.1, 0.2, 0.3)}, 1),
        ({"std": (0.1, 0.2, 0.3)}, 1),
    ],
)
def test_what_changes_pixels_gets_another_file(manifest, tmp_path, change, files):
    cache.build(manifest, SPEC, tmp_path / "cache")
    cache.build(manifest, SPEC.model_copy(update=change), tmp_path / "cache")

    assert len(list((tmp_path / "cache").iterdir())) == files


def test_other_pictures_get_another_file(manifest, tmp_path):
    fewer = Manifest(manifest.root, manifest.labels, manifest.samples[1:], [], "")

    assert len(cache.build(manifest, SPEC, tmp_path / "cache")) == 80
    assert len(cache.build(fewer, SPEC, tmp_path / "cache")) == 79


def test_a_picture_changed_since_the_manifest_is_named(manifest, tmp_path):
    dark = manifest.root / "dark"
    (dark / "07.png").write_bytes((dark / "08.png").read_bytes())

    with pytest.raises(DataError, match=r"dark/07\.png changed since the manifest.*run `tapetum data split` again"):
        cache.build(manifest, SPEC, tmp_path / "cache")


def test_a_picture_gone_since_the_manifest_is_named(manifest, tmp_path):
    (manifest.root / "dark" / "07.png").unlink()

    with pytest.raises(DataError, match=r"dark/07\.png cannot be read any more.*run `tapetum data split` again"):
        cache.build(manifest, SPEC, tmp_path / "cache")


def test_nothing_half_written_is_left_after_a_failure(manifest, tmp_path):
    (manifest.root / manifest.samples[-1].path).unlink()
    with pytest.raises(DataError):
        cache.build(manifest, SPEC, tmp_path / "cache")

    assert list((tmp_path / "cache").iterdir()) == []


def test_a_disk_too_small_is_said_before_anything_is_decoded(tmp_path):
    """The pictures do not exist: had one been read, the error would be another."""
    largest = Preprocess(height=4096, width=4096)
    manifest = Manifest(tmp_path, ("cat", "dog"), [Sample("0.png", "cat", "train", "0")] * 2_000_000, [], "")

    with pytest.raises(ResourceError, match=r"needs 100,663,296 MB and its disk has .* MB left: free some space"):
        cache.build(manifest, largest, tmp_path / "cache")


def test_progress_ends_at_the_number_of_pictures(manifest, tmp_path):
    calls = []
    cache.build(manifest, SPEC, tmp_path / "cache", lambda *call: calls.append(call))

    assert calls == [("decode pictures", 80, 80)]
