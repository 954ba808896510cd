"""What follows from the moves of a champion."""

from dataclasses import replace

import pytest

from tapetum.delivery import ledger
from tapetum.delivery.ledger import Action, Move
from tapetum.delivery.promotion import Version


def move(number: int, action: Action, to: str, before: str, after: int | None = None) -> Move:
    """A move that was decided after the one before it, unless said otherwise."""
    return Move(
        action=action,
        to=Version(to, f"digest {to}"),
        before=Version(before, f"digest {before}") if before else None,
        by="ana@desk",
        at="2026-01-02T03:04:05+00:00",
        after=number - 1 if after is None else after,
        token=f"token {number}",
        number=number,
    )


def versions(moves: list[Move], now: str = "") -> list[str]:
    return [entry.version for entry in ledger.line(moves, Version(now, "") if now else None)]


def test_of_moves_decided_after_the_same_one_the_first_counts():
    first, late = move(1, "promote", "1", ""), move(2, "promote", "2", "", after=0)
    after_late = move(3, "promote", "3", "2", after=2)
    following = move(4, "rollback", "3", "1", after=1)

    assert ledger.counting([following, late, after_late, first]) == [first, following]


def test_promotions_follow_one_another_and_rollbacks_walk_them_back():
    moves = [
        move(1, "promote", "1", ""),
        move(2, "promote", "2", "1"),
        move(3, "promote", "5", "2"),
        move(4, "rollback", "2", "5"),
        move(5, "rollback", "1", "2"),
        move(6, "promote", "6", "1"),
    ]

    lines = [versions(moves[:number]) for number in range(1, 7)]

    assert lines == [["1"], ["1", "2"], ["1", "2", "5"], ["1", "2"], ["1"], ["1", "6"]]


def test_a_champion_that_was_set_by_hand_stands_where_it_was_found():
    promoted = [move(1, "promote", "1", ""), move(2, "promote", "3", "2")]

    assert versions(promoted) == ["1", "2", "3"]
    assert versions(promoted, now="9") == ["1", "2", "3", "9"]
    assert versions([*promoted, move(3, "rollback", "3", "9")]) == ["1", "2", "3"]
    assert versions([], now="9") == ["9"]


def test_a_version_that_is_gone_is_passed_over_by_a_rollback():
    moves = [move(1, "promote", "1", ""), move(2, "promote", "2", "1"), move(3, "promote", "3", "2")]

    assert versions([*moves, move(4, "rollback", "1", "3")]) == ["1"]


def test_what_was_rolled_back_stays_so_until_it_is_promoted_again():
    moves = [move(1, "promote", "1", ""), move(2, "promote", "2", "1"), move(3, "rollback", "1", "2")]

    assert ledger.was_rolled_back(moves, "2") == moves[2]
    assert ledger.was_rolled_back(moves, "1") is None
    assert ledger.was_rolled_back(moves, "7") is None
    assert ledger.was_rolled_back([*moves, move(4, "promote", "2", "1")], "2") is None


@pytest.mark.parametrize("before", ["", "4"])
@pytest.mark.parametrize("is_done", [False, True])
def test_a_move_comes_back_from_its_tags(before, is_done):
    made = replace(move(7, "promote", "5", before), is_done=is_done)

    tags = made.to_tags() | (ledger.DONE if is_done else {})

    assert ledger.from_tags(7, tags) == made


@pytest.mark.parametrize("change", [{"action": "train"}, {"after": "yesterday"}])
def test_other_versions_are_no_moves(change):
    assert ledger.from_tags(1, move(1, "promote", "1", "").to_tags() | change) is None
    assert ledger.from_tags(1, {"fingerprint": "0"}) is None


def test_a_move_reads_as_a_sentence():
    assert move(1, "promote", "1", "").to_text() == "ana@desk promoted version 1 at 2026-01-02T03:04:05+00:00"
    assert " promoted version 2 after version 1 at " in move(2, "promote", "2", "1").to_text()
    assert " rolled back from version 2 to 1 at " in move(3, "rollback", "1", "2").to_text()
