import os
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapetum.logs.destinations import File, Tear

ROOM = 1000


def numbered(first: int, most: int) -> list[bytes]:
    """Lines of 100 bytes."""
    return [b"%099d\n" % number for number in range(first, first + most)]


def write_all(file: File, lines: list[bytes]) -> None:
    while lines:
        lines = lines[file.write(lines) :]


def written(path: Path) -> list[bytes]:
    """What is in the file and its older ones, the oldest first."""
    older = sorted(path.parent.glob(f"{path.name}.*"), key=lambda found: -int(found.suffix[1:]))
    return [line for found in (*older, path) for line in found.read_bytes().splitlines(keepends=True)]


@settings(deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=9), min_size=1), st.lists(st.integers(0, 12)))
def test_lines_arrive_whole_and_once_however_they_are_torn(lines, takes):
    """Whatever is taken of each attempt, and whatever was offered beside it."""
    arrived = bytearray()
    next_take = iter([*takes, *[100] * len(lines)])

    def send(content: bytes) -> int:
        taken = content[: next(next_take)]
        arrived.extend(taken)
        return len(taken)

    tear, rest = Tear(), list(lines)
    while rest:
        offered = rest[:5]
        rest = rest[tear.put(offered, send) :]

    assert bytes(arrived) == b"".join(lines)


def test_a_torn_line_begins_anew_where_what_was_begun_is_out_of_reach():
    tear = Tear()
    whole = tear.put([b"first\n", b"second\n"], lambda content: 8)
    assert (whole, tear.is_open) == (1, True)
    tear.forget()

    sent: list[bytes] = []
    tear.put([b"second\n"], lambda content: sent.append(content) or len(content))

    assert sent == [b"second\n"]


def test_a_file_is_never_larger_than_its_limit_and_no_line_is_lost(tmp_path):
    file = File(tmp_path / "log", ROOM, keep=100)

    for first in range(0, 200, 25):
        write_all(file, numbered(first, 25))

    assert written(tmp_path / "log") == numbered(0, 200)
    assert {path.stat().st_size for path in tmp_path.iterdir()} == {file.size_bytes} == {ROOM}


@pytest.mark.parametrize("keep", [0, 1, 3])
def test_as_many_older_files_stay_as_are_to_be_kept(tmp_path, keep):
    file = File(tmp_path / "log", ROOM, keep)

    write_all(file, numbered(0, 100))

    assert sorted(path.name for path in tmp_path.iterdir()) == ["log", *(f"log.{n}" for n in range(1, keep + 1))]
    assert written(tmp_path / "log") == numbered(100 - 10 * (keep + 1), 10 * (keep + 1))


def test_a_line_longer_than_a_file_has_a_file_of_its_own(tmp_path):
    file = File(tmp_path / "log", ROOM, keep=5)

    write_all(file, [b"short\n", b"x" * 5000 + b"\n", b"after\n"])

    assert [(tmp_path / name).stat().st_size for name in ("log.2", "log.1", "log")] == [6, 5001, 6]


def test_a_file_is_continued_after_a_restart(tmp_path):
    for first in (0, 3):
        write_all(File(tmp_path / "log", ROOM, keep=5), numbered(first, 3))

    assert written(tmp_path / "log") == numbered(0, 6)


def test_a_file_moved_away_by_somebody_else_is_followed_by_a_new_one(tmp_path):
    file = File(tmp_path / "log", ROOM, keep=5)
    write_all(file, numbered(0, 2))
    (tmp_path / "log").rename(tmp_path / "log.1")

    write_all(file, numbered(2, 2))

    assert written(tmp_path / "log") == numbered(0, 4)
    assert (tmp_path / "log").read_bytes() == b"".join(numbered(2, 2))


def test_a_file_deleted_with_its_folder_is_made_anew(tmp_path):
    file = File(tmp_path / "logs" / "log", ROOM, keep=5)
    write_all(file, numbered(0, 1))
    (tmp_path / "logs" / "log").unlink()
    (tmp_path / "logs").rmdir()

    write_all(file, numbered(1, 1))

    assert written(tmp_path / "logs" / "log") == numbered(1, 1)
    assert file.size_bytes == 100


def test_the_file_is_not_for_everyone_to_read(tmp_path):
    File(tmp_path / "log", ROOM, keep=5).open()

    assert (tmp_path / "log").stat().st_mode & 0o007 == 0


def test_a_full_disk_is_an_error_until_there_is_room(tmp_path):
    (tmp_path / "log").symlink_to("/dev/full")
    file = File(tmp_path / "log", ROOM, keep=5)

    with pytest.raises(OSError, match="No space left"):
        file.write(numbered(0, 1))
    (tmp_path / "log").unlink()
    write_all(file, numbered(0, 1))

    assert written(tmp_path / "log") == numbered(0, 1)


def test_a_pipe_that_nobody_has_open_or_that_nobody_reads_does_not_hold_up_the_writer(tmp_path):
    os.mkfifo(tmp_path / "log")
    file = File(tmp_path / "log", 10**9, keep=5)
    with pytest.raises(OSError, match="No such device"):
        file.write(numbered(0, 1))
    reader = os.open(tmp_path / "log", os.O_RDONLY | os.O_NONBLOCK)
    try:
        for first in count(step=50):
            try:
                offered = numbered(first, 50)
                through = file.write(offered)
            except BlockingIOError:
                break
            assert through
    finally:
        os.close(reader)
