"""A first look counts pictures by class and sees how large they are."""

import shutil

import pytest

from tapetum.data.packing import pack
from tapetum.data.survey import Survey, survey
from tapetum.errors import DataError


def test_pictures_are_counted_and_measured(folder):
    (folder / "dark" / "00.png").unlink()

    assert survey(folder) == Survey({"bright": 40, "dark": 39}, 24)


def test_an_archive_is_looked_into(folder, tmp_path):
    pack(folder, tmp_path / "pets.tar")

    assert survey(tmp_path / "pets.tar") == survey(folder)


def test_broken_pictures_do_not_stop_it(folder):
    for picture in (folder / "dark").iterdir():
        picture.write_bytes(b"not a picture")

    assert survey(folder) == Survey({"bright": 40, "dark": 40}, 24)


def test_pictures_that_are_all_broken_have_no_size(folder):
    for picture in folder.rglob("*.png"):
        picture.write_bytes(b"")

    assert survey(folder).side == 0


def test_a_folder_without_pictures_is_an_error(folder):
    shutil.rmtree(folder / "dark")
    shutil.rmtree(folder / "bright")

    with pytest.raises(DataError, match="holds no pictures"):
        survey(folder)
