"""Each source fills a folder whole, or leaves none."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from tapetum.data.sources import fetch
from tapetum.errors import ConfigError


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("digits") / "pictures"
    fetch("digits", target)
    return target


def test_digits_are_1797_pictures_in_ten_folders(digits):
    counts = Counter(path.parent.name for path in digits.glob("*/*.png"))

    assert counts.total() == 1797
    assert counts == Counter(str(label) for label in load_digits().target)


def test_a_digit_has_the_values_of_scikit_learn(digits):
    shipped = load_digits()
    (path,) = digits.glob("*/1234.png")
    pixels = np.asarray(Image.open(path))

    assert path.parent.name == str(shipped.target[1234])
    np.testing.assert_array_equal(pixels, np.round(shipped.images[1234] * 255 / 16))
    assert (pixels.shape, pixels.dtype) == ((8, 8), np.uint8)


def test_a_target_that_exists_is_kept(tmp_path):
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "mine.txt").write_text("mine")

    fetch("digits", tmp_path / "pictures")

    assert [path.name for path in (tmp_path / "pictures").iterdir()] == ["mine.txt"]


def test_a_folder_is_copied(folder, tmp_path):
    fetch(str(folder), tmp_path / "new" / "copy")

    copies = {path.relative_to(tmp_path / "new" / "copy"): path for path in (tmp_path / "new").rglob("*.png")}
    assert len(copies) == 80
    assert all(path.read_bytes() == (folder / name).read_bytes() for name, path in copies.items())


def test_a_target_within_the_source_is_refused(folder):
    with pytest.raises(ConfigError, match=r"--to .*inner lies inside the source .*pictures: choose a folder outside"):
        fetch(str(folder), folder / "deep" / "inner")

    assert sorted(path.name for path in folder.iterdir()) == ["bright", "dark"]


def test_an_unknown_source_lists_the_known_and_leaves_nothing(tmp_path):
    with pytest.raises(
        ConfigError, match=r"unknown source 'digit' \(did you mean 'digits'\?\): expected one of digits"
    ):
        fetch("digit", tmp_path / "pictures")

    assert list(tmp_path.iterdir()) == []
