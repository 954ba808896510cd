from pathlib import Path

import pytest

from tapetum import files
from tapetum.errors import ResourceError


@pytest.fixture
def old_file(tmp_path):
    path = tmp_path / "report.txt"
    path.write_text("old")
    return path


@pytest.fixture
def old_folder(tmp_path):
    path = tmp_path / "bundle"
    path.mkdir()
    (path / "stale.txt").write_text("old")
    return path


def stop_midway(path: Path, is_folder: bool) -> None:
    """Replace `path`, and fail when half is written."""
    with files.replacing(path) as fresh:
        if is_folder:
            fresh.mkdir()
        (fresh / "half.txt" if is_folder else fresh).write_text("half")
        raise RuntimeError("stopped midway")


def test_a_file_is_replaced(old_file):
    with files.replacing(old_file) as fresh:
        fresh.write_text("new")

    assert old_file.read_text() == "new"


def test_a_folder_is_replaced_whole(old_folder):
    with files.replacing(old_folder) as fresh:
        fresh.mkdir()
        (fresh / "new.txt").write_text("new")

    assert [file.name for file in old_folder.iterdir()] == ["new.txt"]


def test_what_did_not_exist_is_made_with_its_parents(tmp_path):
    path = tmp_path / "runs" / "pets" / "report.txt"

    with files.replacing(path) as fresh:
        fresh.write_text("new")

    assert path.read_text() == "new"


def test_the_old_content_stands_until_the_block_ends(old_file):
    with files.replacing(old_file) as fresh:
        fresh.write_text("new")

        assert old_file.read_text() == "old"


def test_a_file_survives_a_block_that_raises(old_file):
    with pytest.raises(RuntimeError, match="midway"):
        stop_midway(old_file, is_folder=False)

    assert old_file.read_text() == "old"


def test_a_folder_survives_a_block_that_raises(old_folder):
    with pytest.raises(RuntimeError, match="midway"):
        stop_midway(old_folder, is_folder=True)

    assert (old_folder / "stale.txt").read_text() == "old"


def test_a_folder_survives_a_block_that_writes_nothing(old_folder):
    with pytest.raises(FileNotFoundError), files.replacing(old_folder):
        pass

    assert (old_folder / "stale.txt").read_text() == "old"


@pytest.mark.parametrize("make", ["write_text", "mkdir"])
def test_success_leaves_nothing_beside(tmp_path, make):
    path = tmp_path / "place" / "new"

    with files.replacing(path) as fresh:
        fresh.write_text("new") if make == "write_text" else fresh.mkdir()

    assert list(path.parent.iterdir()) == [path]


def test_a_replaced_folder_leaves_nothing_beside(old_folder):
    with files.replacing(old_folder) as fresh:
        fresh.mkdir()

    assert list(old_folder.parent.iterdir()) == [old_folder]


@pytest.mark.parametrize("is_folder", [True, False])
def test_failure_leaves_nothing_beside(tmp_path, is_folder):
    path = tmp_path / "place" / "new"

    with pytest.raises(RuntimeError, match="midway"):
        stop_midway(path, is_folder)

    assert list(path.parent.iterdir()) == []


def test_a_folder_reached_by_a_link_is_replaced(old_folder):
    link = old_folder.parent / "current"
    link.symlink_to(old_folder)

    with files.replacing(link) as fresh:
        fresh.mkdir()

    assert list(link.iterdir()) == []


def test_text_is_written_as_utf_8_without_touching_line_ends(tmp_path):
    files.write_text(tmp_path / "title.txt", "Katze – 猫\r\n")

    assert (tmp_path / "title.txt").read_bytes() == b"Katze \xe2\x80\x93 \xe7\x8c\xab\r\n"


def test_bytes_are_written_as_they_are(tmp_path):
    files.write_bytes(tmp_path / "weights", b"\0\xff\r\n")

    assert (tmp_path / "weights").read_bytes() == b"\0\xff\r\n"


def test_a_written_file_is_as_readable_as_any_other(old_file):
    """Temporary files are closed to other users; a bundle that the service cannot read is of no use."""
    written = old_file.with_name("written.txt")

    files.write_text(written, "new")

    assert written.stat().st_mode == old_file.stat().st_mode


def test_sha256_is_the_published_one_of_abc(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")

    assert files.sha256(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_an_impossible_amount_names_the_folder_and_both_sizes(tmp_path):
    with pytest.raises(ResourceError, match=r"needs 1,000,000,000,000 MB and its disk has [\d,]+ MB left") as caught:
        files.require_space(tmp_path, 10**18)

    assert str(tmp_path) in str(caught.value)


def test_an_amount_that_is_there_is_granted(tmp_path):
    assert files.require_space(tmp_path, 1) is None


@pytest.mark.parametrize("name", ["runs/pets", "../sideways"])
def test_space_is_asked_of_the_disk_of_a_folder_still_to_be_made(tmp_path, monkeypatch, name):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    with pytest.raises(ResourceError, match=name):
        files.require_space(Path(name), 10**18)


def test_a_folder_is_held_for_one_alone_and_free_afterwards(tmp_path):
    folder = tmp_path / "runs" / "pets"
    with (
        files.held(folder),
        pytest.raises(
            ResourceError, match=r"another process works in .*pets: wait for its end, or name another folder"
        ),
        files.held(folder),
    ):
        pass

    with files.held(folder):
        assert [*folder.iterdir()] == []
