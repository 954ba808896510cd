"""What is counted of a challenger, and how much of it is held."""

from datetime import UTC, datetime

import pytest

from tapetum.watch.comparison import MOST_SHOWN, Comparison, Said
from tapetum.watch.record import Record

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def record(number: int, label: str = "cat") -> Record:
    return Record(
        f"r{number}",
        "/predict",
        "answered",
        200,
        100,
        0,
        0.1,
        label=label,
        confidence=0.8,
        decode_s=0.001,
        inference_s=0.003,
    )


def compared(*sizes: int, keeps_pictures: bool = True) -> Comparison:
    """A challenger that says dog of pictures of such sizes, where the champion says cat."""
    comparison = Comparison(lambda: NOW, keeps_pictures)
    for number, size in enumerate(sizes):
        comparison.add(record(number), 0, Said(prediction="dog", probability=0.7), 0.002, bytes(size))
    return comparison


def test_times_are_of_the_same_pictures():
    comparison = compared(10)

    assert comparison.add(record(1, "dog"), 0, Said(prediction="dog", probability=0.7), 0.002, b"") is True

    assert (comparison.agreement, comparison.confusions) == (0.5, {("cat", "dog"): 1})
    assert comparison.times is not None
    assert comparison.times.champion.p50 == pytest.approx(4, rel=0.02)
    assert comparison.times.challenger.p95 == pytest.approx(2, rel=0.02)


def test_the_newest_are_shown_and_their_pictures_take_so_much_at_most():
    sizes = [5_000_000] * 4 + [20_000_000, 100]

    shown = compared(*sizes).shown

    assert [each.facts.request_id for each in shown] == ["r5", "r4", "r3", "r2", "r1", "r0"]
    assert [each.picture and len(each.picture) for each in shown] == [100, None, 5_000_000, 5_000_000, 5_000_000, None]
    assert len(compared(*[10] * (MOST_SHOWN + 3)).shown) == MOST_SHOWN


def test_pictures_that_nobody_may_see_are_not_held():
    assert [each.picture for each in compared(10, 10, keeps_pictures=False).shown] == [None, None]
