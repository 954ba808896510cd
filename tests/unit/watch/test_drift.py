"""The window of the running service: what it holds, when it is compared, and what it says."""

from itertools import count

import numpy as np
import pytest
from profiles import LABELS, made, probabilities, rows

from tapetum.profile.sight import Sight
from tapetum.watch.drift import Drift
from tapetum.watch.record import Exchange, Record

SIZE = 600


@pytest.fixture(scope="module")
def profile():
    return made(300)


@pytest.fixture
def drift(profile):
    drift = Drift(SIZE)
    drift.expect(LABELS, "one", profile)
    return drift


def exchange(sight: Sight | None, shares: np.ndarray, version: str = "one", label: str = "") -> Exchange:
    answer = Record(
        request_id="a",
        path="/predict",
        outcome="answered",
        status=200,
        size=1,
        queue_s=0,
        total_s=0.01,
        label=label or LABELS[shares.argmax()],
        confidence=float(shares.max()),
        margin=float(np.ptp(shares)),
        version=version,
        sight=sight,
    )
    return Exchange("a", "b", "POST", "/predict", 200, None, 1, 1, 0.01, (answer,))


_SEEDS = count()


def feed(drift: Drift, profile, number: int, version: str = "one", **shifts: float) -> None:
    rng = np.random.default_rng(next(_SEEDS))
    seen = rows(rng, profile.axes, number, **shifts)
    for row, shares in zip(seen, probabilities(rng, number), strict=True):
        drift.observe(exchange(Sight.from_row(row), shares, version))


def test_there_is_no_verdict_until_there_are_500(drift, profile):
    feed(drift, profile, 499)
    assert drift.look() is None
    assert drift.figures().state == "filling"

    feed(drift, profile, 1)
    assert drift.look().pictures == 500
    assert drift.figures().state == "watched"


def test_the_window_holds_the_last_ones_alone(drift, profile):
    feed(drift, profile, SIZE, brightness=3.0)
    assert "brightness" in drift.look().drifted

    feed(drift, profile, SIZE)
    verdict = drift.look()
    assert verdict.pictures == drift.figures().predictions == SIZE
    assert "brightness" not in verdict.drifted


def test_it_is_compared_again_once_a_tenth_is_new(drift, profile):
    feed(drift, profile, SIZE)
    first = drift.look()

    feed(drift, profile, SIZE // 10 - 1)
    assert drift.look() is first
    feed(drift, profile, 1)
    assert drift.look() is not first


def test_another_bundle_begins_anew(drift, profile):
    feed(drift, profile, SIZE)
    drift.look()

    drift.expect(LABELS, "two", profile)
    feed(drift, profile, 5, version="one")
    feed(drift, profile, 7, version="two")

    assert drift.look() is None
    assert drift.figures().predictions == 7


def test_without_a_profile_nothing_is_held(drift, profile):
    drift.expect(LABELS, "two", None)
    drift.observe(exchange(None, np.array([0.9, 0.1]), "two"))

    assert drift.look() is None
    assert drift.figures().model_dump() == {
        "state": "no profile",
        "predictions": 0,
        "unlike_training": 0,
        "verdict": None,
    }


def test_what_no_worker_of_ours_would_send_is_left_out(drift, profile):
    feed(drift, profile, 1)
    good = Sight.from_row(rows(np.random.default_rng(0), profile.axes, 1)[0])
    shares = np.array([0.9, 0.1])
    drift.observe(exchange(Sight(np.full_like(good.row, np.nan)), shares))
    drift.observe(exchange(Sight(good.row[:-3]), shares))
    drift.observe(exchange(good, shares, label="unicorn"))

    assert drift.figures().predictions == 1


def test_pictures_unlike_the_training_data_are_counted(drift, profile):
    feed(drift, profile, 20, moved=9.0)

    assert drift.figures().unlike_training == 20
