"""Each source fills a folder whole, or leaves none."""

import hashlib
import os
import shutil
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits
from web import says, serves, web

from tapetum.data.download import download
from tapetum.data.sources import fetch
from tapetum.errors import ConfigError, DataError, DownloadError


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

    is_filled = fetch("digits", tmp_path / "pictures")

    assert not is_filled
    assert [path.name for path in (tmp_path / "pictures").iterdir()] == ["mine.txt"]


def test_links_that_lead_above_and_pipes_are_left_out_of_a_copy(folder, tmp_path):
    inner = next(path for path in sorted(folder.iterdir()) if path.is_dir())
    (inner / "up").symlink_to("..")
    os.mkfifo(inner / "pipe.png")

    fetch(str(folder), tmp_path / "copy")

    assert len([*(tmp_path / "copy").rglob("*.png")]) == 80
    assert not (tmp_path / "copy" / inner.name / "up").exists()


def test_a_folder_is_copied(folder, tmp_path):
    is_filled = fetch(str(folder), tmp_path / "new" / "copy")

    assert is_filled

    copies = {path.relative_to(tmp_path / "new" / "copy"): path for path in (tmp_path / "new").rglob("*.png")}
    assert len(copies) == 80
    assert all(path.read_bytes() == (folder / name).read_bytes() for name, path in copies.items())


def test_a_target_within_the_source_is_refused(folder):
    with pytest.raises(ConfigError, match=r"--to .*inner lies inside the source .*pictures: choose a folder outside"):
        fetch(str(folder), folder / "deep" / "inner")

    assert sorted(path.name for path in folder.iterdir()) == ["bright", "dark"]


def test_an_unknown_source_lists_the_known_and_leaves_nothing(tmp_path):
    with pytest.raises(
        ConfigError,
        match=r"unknown source 'digit' \(did you mean 'digits'\?\): expected one of digits, cats-dogs, cifar10",
    ):
        fetch("digit", tmp_path / "pictures")

    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def archive(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.make_archive(str(tmp_path / "photos"), "gztar", folder.parent, folder.name))


def names(root: Path) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*.png"))


def test_an_archive_gives_the_folder_it_was_made_of(archive, folder, tmp_path):
    fetch(str(archive), tmp_path / "copy", sha256=hashlib.sha256(archive.read_bytes()).hexdigest())

    assert names(tmp_path / "copy") == names(folder)
    assert archive.exists()


def test_an_address_gives_the_same_and_leaves_no_archive(archive, folder, tmp_path):
    target = tmp_path / "new" / "copy"
    with web() as server:
        server.answers = [serves(archive.read_bytes())]

        fetch(f"{server.url}/photos.tar.gz?key=1", target)

    assert names(target) == names(folder)
    assert [path.name for path in target.parent.iterdir()] == ["copy"]


def test_a_download_that_broke_off_goes_on_with_the_next_fetch(archive, folder, tmp_path):
    target = tmp_path / "copy"
    with web() as server:
        server.answers = [serves(archive.read_bytes(), cut_after=100)]
        with pytest.raises(DownloadError):
            download(server.url, tmp_path / "copy.download", sleep=lambda pause_s: None)
        server.answers = [serves(archive.read_bytes())]

        fetch(server.url, target)

    assert server.asked[-1]["Range"] == "bytes=500-"
    assert names(target) == names(folder)


def test_a_page_instead_of_an_archive_leaves_nothing(tmp_path):
    with web() as server:
        server.answers = [says(200, b"<!DOCTYPE html>")]

        with pytest.raises(DataError, match=r"no archive, its first bytes are b'<!DOCTYPE html>'"):
            fetch(server.url, tmp_path / "copy")

    assert list(tmp_path.iterdir()) == []


def test_an_archive_with_another_checksum_is_refused(archive, tmp_path):
    found = hashlib.sha256(archive.read_bytes()).hexdigest()

    with pytest.raises(DownloadError, match=rf"photos.tar.gz has the SHA-256 {found}, expected {'0' * 64}"):
        fetch(str(archive), tmp_path / "copy", sha256="0" * 64)

    assert not (tmp_path / "copy").exists()


def test_a_checksum_of_what_is_no_archive_is_refused(folder, tmp_path):
    with pytest.raises(ConfigError, match=r"--sha256 is given for .*: it goes with an address or an archive"):
        fetch(str(folder), tmp_path / "copy", sha256="0" * 64)


@pytest.mark.parametrize("kind", ["folder", "archive"])
def test_a_limit_is_spread_evenly_over_classes(folder, archive, tmp_path, kind):
    (folder / "bright" / "notes.txt").write_text("kept")

    fetch(str({"folder": folder, "archive": archive}[kind]), tmp_path / "copy", limit=7)

    assert sorted(Counter(name.split("/")[0] for name in names(tmp_path / "copy")).values()) == [3, 4]
    assert len(names(folder)) == 80


def test_a_named_source_obeys_the_limit(tmp_path):
    fetch("digits", tmp_path / "copy", limit=30)

    assert Counter(name.split("/")[0] for name in names(tmp_path / "copy")) == dict.fromkeys("0123456789", 3)


def test_a_file_that_is_no_picture_outlives_a_limit(folder, tmp_path):
    (folder / "labels.csv").write_text("path,label")

    fetch(str(folder), tmp_path / "copy", limit=2)

    assert (tmp_path / "copy" / "labels.csv").read_text() == "path,label"


def test_a_dangling_link_is_left_out(folder, tmp_path):
    (folder / "dark" / "lost.png").symlink_to(tmp_path / "nowhere.png")

    fetch(str(folder), tmp_path / "copy")

    assert len(names(tmp_path / "copy")) == 80


def test_kaggle_without_its_extra_names_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "kagglehub", None)

    with pytest.raises(DataError, match=r"comes through kagglehub: pip install 'tapetum\[kaggle\]'"):
        fetch("cats-dogs", tmp_path / "pictures")

    assert list(tmp_path.iterdir()) == []
