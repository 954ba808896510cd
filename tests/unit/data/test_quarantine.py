"""A quarantine takes files whole, gives them back whole, and never costs one, whenever it is interrupted."""

import errno
import json
import os
from pathlib import Path

import pytest

from tapetum.data import quarantine
from tapetum.data.finding import Finding
from tapetum.errors import DataError

BROKEN = Finding("broken", ["cat/1.jpg"], "truncated")
TINY = Finding("tiny", ["dog/a b/ü.png"], "8×8 pixels")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Each file's content is its own path."""
    for path in ("cat/1.jpg", "cat/2.jpg", "dog/a b/ü.png", "test/cat/3.jpg", "train/cat/3.jpg", "val/cat/3.jpg"):
        file = tmp_path / "pictures" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(path)
    return tmp_path / "pictures"


@pytest.fixture
def away(tmp_path: Path) -> Path:
    return tmp_path / "quarantine"


def held(folder: Path) -> dict[str, str]:
    """Path -> content of every file but the journal."""
    found = (file for file in folder.rglob("*") if file.is_file() and file.name != quarantine.JOURNAL)
    return {file.relative_to(folder).as_posix(): file.read_text() for file in found}


def test_named_files_move_and_come_back(root, away):
    before = held(root)

    record = quarantine.move(root, [BROKEN, TINY], away)

    assert held(away) == {"cat/1.jpg": "cat/1.jpg", "dog/a b/ü.png": "dog/a b/ü.png"}
    assert held(root) == {path: text for path, text in before.items() if path not in held(away)}
    assert record.reasons == {"cat/1.jpg": "broken: truncated", "dog/a b/ü.png": "tiny: 8×8 pixels"}
    assert sorted(quarantine.undo(away)) == ["cat/1.jpg", "dog/a b/ü.png"]
    assert held(root) == before
    assert not away.exists()


def test_a_file_with_two_faults_moves_once_for_the_graver(root, away):
    record = quarantine.move(root, [BROKEN, Finding("dark", ["cat/1.jpg"], "dark")], away)

    assert record.reasons == {"cat/1.jpg": "broken: truncated"}


def test_findings_without_pictures_move_nothing(root, away):
    before = held(root)

    quarantine.move(root, [Finding("few", [], "class dog has 1 picture")], away)

    assert held(root) == before


@pytest.mark.parametrize(
    ("kind", "paths", "leaving"),
    [
        ("duplicate", ["cat/2.jpg", "cat/1.jpg"], ["cat/2.jpg"]),
        ("leak", ["val/cat/3.jpg", "train/cat/3.jpg", "test/cat/3.jpg"], ["val/cat/3.jpg", "train/cat/3.jpg"]),
        ("near_leak", ["train/cat/3.jpg", "val/cat/3.jpg"], ["train/cat/3.jpg"]),
        ("near_duplicate", ["train/cat/1.jpg", "train/cat/2.jpg"], ["train/cat/2.jpg"]),
        ("conflict", ["cat/1.jpg", "dog/1.jpg"], ["cat/1.jpg", "dog/1.jpg"]),
        ("duplicate", [], []),
    ],
)
def test_of_copies_one_stays_where_it_is_measured(kind, paths, leaving):
    assert quarantine.leaving(Finding(kind, paths, "again")) == leaving


def test_a_second_move_adds_to_the_first(root, away):
    quarantine.move(root, [BROKEN], away)
    quarantine.move(root, [TINY], away)

    assert len(quarantine.undo(away)) == 2


def test_the_same_move_again_changes_nothing(root, away):
    quarantine.move(root, [BROKEN], away)
    quarantine.move(root, [BROKEN], away)

    assert held(away) == {"cat/1.jpg": "cat/1.jpg"}


@pytest.fixture(params=["nothing moved", "one moved", "one in both places"])
def interrupted(request, root, away) -> dict[str, str]:
    """As a crash leaves it: the journal is whole, the moves are not. Gives what the root held before."""
    before = held(root)
    quarantine.move(root, [BROKEN, TINY], away)
    (away / "cat/1.jpg").rename(root / "cat/1.jpg")
    if request.param == "nothing moved":
        (away / "dog/a b/ü.png").rename(root / "dog/a b/ü.png")
    elif request.param == "one in both places":
        (away / "cat/1.jpg").write_text("cat/1.jpg")
    return before


def test_an_interrupted_move_is_undone(root, away, interrupted):
    quarantine.undo(away)

    assert held(root) == interrupted
    assert not away.exists()


def test_an_interrupted_move_goes_on(root, away, interrupted):
    quarantine.move(root, [BROKEN, TINY], away)

    assert len(held(away)) == 2
    assert held(root) | held(away) == interrupted
    assert len(held(root)) == len(interrupted) - 2


def test_what_stops_in_the_middle_can_be_undone(root, away):
    """A file lies where the second picture's folder would be made."""
    before = held(root)
    away.mkdir()
    (away / "dog").write_text("in the way")

    with pytest.raises(OSError, match="dog"):
        quarantine.move(root, [BROKEN, TINY], away)
    assert not (root / "cat/1.jpg").exists()
    quarantine.undo(away)

    assert held(root) == before
    assert held(away) == {"dog": "in the way"}


def test_an_undo_writes_over_nothing_and_moves_nothing(root, away):
    quarantine.move(root, [BROKEN, TINY], away)
    (root / "cat/1.jpg").write_text("a new picture")

    with pytest.raises(DataError, match=r"cat/1\.jpg exists, and .* would be written over it: move one"):
        quarantine.undo(away)

    assert (root / "cat/1.jpg").read_text() == "a new picture"
    assert len(held(away)) == 2


def test_a_move_writes_over_nothing_and_moves_nothing(root, away):
    (away / "cat").mkdir(parents=True)
    (away / "cat/1.jpg").write_text("cat/1.jpg")
    before = held(root)

    with pytest.raises(DataError, match=r"quarantine/cat/1\.jpg exists"):
        quarantine.move(root, [TINY, BROKEN], away)

    assert held(root) == before


def test_what_was_deleted_from_a_quarantine_stays_deleted(root, away):
    quarantine.move(root, [BROKEN, TINY], away)
    (away / "cat/1.jpg").unlink()

    assert quarantine.undo(away) == ["dog/a b/ü.png"]


def test_other_files_in_a_quarantine_stay(root, away):
    quarantine.move(root, [BROKEN], away)
    (away / "cat/notes.txt").write_text("keep")

    quarantine.undo(away)

    assert held(away) == {"cat/notes.txt": "keep"}


def test_a_link_moves_as_a_link(root, away):
    (root / "cat/link.jpg").symlink_to("2.jpg")

    quarantine.move(root, [Finding("tiny", ["cat/link.jpg"], "small")], away)
    assert os.readlink(away / "cat/link.jpg") == "2.jpg"
    quarantine.undo(away)

    assert os.readlink(root / "cat/link.jpg") == "2.jpg"
    assert (root / "cat/2.jpg").read_text() == "cat/2.jpg"


def test_files_move_where_links_cannot_be_made(root, away, monkeypatch):
    """As between two file systems; the system's own call is made to fail as it does there."""

    def refuse(*args: object, **options: object) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    before = held(root)
    quarantine.move(root, [BROKEN, TINY], away)
    assert len(held(away)) == 2
    quarantine.undo(away)

    assert held(root) == before


@pytest.mark.parametrize("path", ["../secret.txt", "/etc/passwd", "cat/../../secret.txt", ""])
def test_no_path_leads_out_of_the_pictures(root, away, path):
    with pytest.raises(DataError, match="leads out of"):
        quarantine.move(root, [Finding("tiny", [path], "small")], away)

    assert not away.exists()


def test_a_missing_file_stops_the_move_before_it_begins(root, away):
    with pytest.raises(DataError, match=r"cat/9\.jpg is not there any more: run `tapetum data check` again"):
        quarantine.move(root, [BROKEN, Finding("tiny", ["cat/9.jpg"], "small")], away)

    assert (root / "cat/1.jpg").exists()


@pytest.mark.parametrize("place", [".", "cat", ".."])
def test_a_quarantine_lies_beside_the_pictures(root, place):
    """Inside, it would be scanned as a class."""
    with pytest.raises(DataError, match="choose a folder beside them"):
        quarantine.move(root, [BROKEN], root / place)


def test_a_quarantine_holds_one_folders_files(root, away, tmp_path):
    quarantine.move(root, [BROKEN], away)

    with pytest.raises(DataError, match=r"holds files of .*pictures: choose another folder"):
        quarantine.move(tmp_path / "others", [], away)


@pytest.mark.parametrize(
    ("journal", "message"),
    [
        (None, "is not a quarantine"),
        ("{", "is damaged"),
        ('{"schema_version": 1}', "is damaged"),
        ('{"schema_version": 2}', "install a newer Tapetum"),
    ],
)
def test_without_a_journal_nothing_is_undone(away, journal, message):
    away.mkdir()
    if journal is not None:
        (away / quarantine.JOURNAL).write_text(journal)

    with pytest.raises(DataError, match=message):
        quarantine.undo(away)


def test_a_journal_cannot_lead_an_undo_elsewhere(root, away):
    quarantine.move(root, [BROKEN], away)
    journal = away / quarantine.JOURNAL
    content = json.loads(journal.read_text())
    content["files"][0]["path"] = "../quarantine/cat/1.jpg"
    journal.write_text(json.dumps(content))

    with pytest.raises(DataError, match="leads out of"):
        quarantine.undo(away)
