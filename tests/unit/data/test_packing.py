"""Pictures as one file: the same for the same pictures, unfolded once, and never half."""

import shutil
from pathlib import Path

import pytest

from tapetum.data import manifest, packing
from tapetum.data.scan import scan
from tapetum.data.sources import fetch
from tapetum.errors import ConfigError, DataError
from tapetum.recipe import Parts


@pytest.fixture
def archive(folder: Path, tmp_path: Path) -> Path:
    fetch(str(folder), tmp_path / "photos.tar")
    return tmp_path / "photos.tar"


def held(root: Path) -> dict[str, bytes]:
    named = {path.relative_to(root).as_posix(): path for path in root.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in named.items() if name[0] != "."}


def test_the_same_pictures_give_the_same_file(folder, archive, tmp_path):
    again = shutil.copytree(folder, tmp_path / "again", copy_function=shutil.copyfile)
    (again / "dark" / "00.png").chmod(0o600)
    (again / ".DS_Store").write_text("x")

    fetch(str(again), tmp_path / "again.tar")

    assert (tmp_path / "again.tar").read_bytes() == archive.read_bytes()


def test_other_pictures_give_another(folder, archive, tmp_path):
    (folder / "dark" / "00.png").rename(folder / "dark" / "zero.png")

    fetch(str(folder), tmp_path / "again.tar")

    assert (tmp_path / "again.tar").read_bytes() != archive.read_bytes()


def test_packed_and_unfolded_nothing_is_lost(folder, archive, tmp_path):
    assert held(packing.unfold(archive)) == held(folder)
    assert packing.unfold(archive) == tmp_path / "photos.tar.unfolded"


def test_names_in_any_script_survive(folder, tmp_path):
    (folder / "dark" / "00.png").rename(folder / "dark" / f"{'кот' * 40}.png")

    fetch(str(folder), tmp_path / "photos.tar")

    assert held(packing.unfold(tmp_path / "photos.tar")) == held(folder)


def test_a_limit_holds_for_an_archive_and_nothing_is_left_beside(folder, tmp_path):
    fetch(str(folder), tmp_path / "new" / "few.tar", limit=6)

    assert len(held(packing.unfold(tmp_path / "new" / "few.tar"))) == 6
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["few.tar", "few.tar.unfolded"]


def test_an_archive_that_exists_is_kept(folder, archive):
    before = archive.read_bytes()
    (folder / "dark" / "00.png").unlink()

    assert not fetch(str(folder), archive)
    assert archive.read_bytes() == before


@pytest.mark.parametrize("name", ["photos.zip", "photos.tar.gz", "photos.tgz"])
def test_another_kind_of_archive_is_refused(folder, tmp_path, name):
    with pytest.raises(ConfigError, match=rf"--to .*{name}: expected a folder or a .tar"):
        fetch(str(folder), tmp_path / name)


def test_what_is_unfolded_already_is_left_alone(archive):
    unfolded = packing.unfold(archive)
    before = (unfolded / "dark").stat().st_ino

    packing.unfold(archive)

    assert (unfolded / "dark").stat().st_ino == before


def test_a_changed_archive_is_unfolded_anew(folder, archive):
    packing.unfold(archive)
    archive.unlink()
    (folder / "dark" / "00.png").unlink()
    fetch(str(folder), archive)

    assert held(packing.unfold(archive)) == held(folder)


@pytest.mark.parametrize("harm", ["a removed picture", "a lost stamp", "an emptied folder"])
def test_a_copy_that_is_not_whole_is_made_anew(folder, archive, harm):
    unfolded = packing.unfold(archive)
    if harm == "an emptied folder":
        shutil.rmtree(unfolded)
        unfolded.mkdir()
    else:
        (unfolded / {"a removed picture": "dark/00.png", "a lost stamp": ".of"}[harm]).unlink()

    assert held(packing.unfold(archive)) == held(folder)


def test_half_an_archive_leaves_no_folder(archive):
    archive.write_bytes(archive.read_bytes()[:-20_000])

    with pytest.raises(DataError, match=r"photos.tar .*damaged or incomplete"):
        packing.unfold(archive)

    assert not archive.with_name("photos.tar.unfolded").exists()


def test_a_damaged_archive_leaves_the_folder_before_alone(folder, archive):
    unfolded = packing.unfold(archive)
    archive.write_bytes(archive.read_bytes()[:-20_000])

    with pytest.raises(DataError):
        packing.unfold(archive)

    assert held(unfolded) == held(folder)


def test_an_archive_is_divided_as_its_folder_is(folder, archive):
    packed, plain = (manifest.build(scan(pictures), Parts()) for pictures in (archive, folder))

    assert packed.fingerprint == plain.fingerprint


def test_a_manifest_finds_its_pictures_where_only_the_archive_was_brought(archive, tmp_path):
    divided = manifest.build(scan(archive), Parts())
    manifest.save(divided, tmp_path / "manifest.json")
    shutil.rmtree(divided.root)

    loaded = manifest.load(tmp_path / "manifest.json")

    assert (loaded.root / loaded.samples[0].path).is_file()


@pytest.mark.parametrize("folder", [Path(), Path("/"), Path("pictures")])
def test_a_folder_that_no_archive_unfolded_to_is_left_alone(folder, tmp_path, monkeypatch):
    """As where a manifest lies beside the folders of its pictures, so that its root is the working folder."""
    monkeypatch.chdir(tmp_path)

    packing.restore(folder)

    assert list(tmp_path.iterdir()) == []
