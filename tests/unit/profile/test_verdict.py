"""Verdicts on windows whose distribution is known."""

from dataclasses import replace

import numpy as np
import pytest
from profiles import LABELS, features, made, probabilities, rows, truth, window

from tapetum.profile import axes, reference
from tapetum.profile.traits import Traits
from tapetum.profile.verdict import compare


@pytest.fixture(scope="module")
def profile():
    return made()


def test_clean_windows_are_clean_as_often_as_is_stated():
    """Over references and windows both: 1 % of 200, of which 8 or more would be one case in 900."""
    alarms = 0
    for seed in range(4):
        rng = np.random.default_rng(seed)
        profile = made(300, seed)
        for count in (500, 2000):
            alarms += sum(compare(profile, window(profile, rng, count), LABELS).grade != "none" for _ in range(25))

    assert alarms < 8


@pytest.mark.parametrize("name", [name for name in Traits._fields if name != "is_blank"])
def test_each_trait_is_watched(profile, name):
    verdict = compare(profile, window(profile, np.random.default_rng(1), **{name: 0.5}), LABELS)

    assert verdict.drifted == [name]
    assert verdict.grade == "drift"
    assert verdict.distances[name].window - verdict.distances[name].reference == pytest.approx(0.5, abs=0.15)


def test_what_the_model_sees_is_watched(profile):
    verdict = compare(profile, window(profile, np.random.default_rng(1), moved=0.3), LABELS)

    assert "features" in verdict.drifted


def test_strange_pictures_cost_what_guesses_would(profile):
    verdict = compare(profile, window(profile, np.random.default_rng(1), moved=6.0), LABELS)

    assert verdict.unlike_share > 0.5
    assert verdict.grade == "loss"
    assert verdict.accuracy is None
    assert "unlike the training data" in verdict.doubt


def test_accuracy_is_told_with_its_band(profile):
    inside = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        shares = probabilities(rng, 1000)
        own = reference.seen_of(rows(rng, profile.axes, 1000), shares)
        told = compare(profile, own, LABELS).accuracy
        inside += told.low <= np.mean(own.answers == truth(rng, shares)) <= told.high

    assert inside >= 34


def test_lost_confidence_in_familiar_pictures_is_lost_accuracy(profile):
    """The reference has such pictures as well, only fewer: their confidence is calibrated."""
    verdict = compare(profile, window(profile, np.random.default_rng(1), evidence=0.8), LABELS)

    assert verdict.grade == "loss"
    assert verdict.accuracy is not None
    assert verdict.loss_at_least > 0.05


def test_lost_confidence_in_other_pictures_gives_a_bound_alone(profile):
    verdict = compare(profile, window(profile, np.random.default_rng(1), evidence=0.8, moved=0.11), LABELS)

    assert verdict.grade == "loss"
    assert verdict.accuracy is None
    assert verdict.accuracy_at_most < verdict.reference_accuracy
    assert "confidence fell" in verdict.doubt
    assert all(entry.accuracy is None for entry in verdict.classes.values())


def test_other_pictures_answered_as_surely_give_a_bound_alone(profile):
    """Confidence says nothing of what it was never calibrated on, however high it is."""
    verdict = compare(profile, window(profile, np.random.default_rng(1), moved=0.3), LABELS)

    assert verdict.accuracy is None
    assert verdict.possible_bias > 0.03
    assert f"{100 * verdict.possible_bias:.0f} points off" in verdict.doubt


def test_another_mix_of_classes_is_accounted_for():
    """A model that takes most dogs for cats is right less often where more dogs come, and just as sure."""
    rng = np.random.default_rng(0)
    on = axes.fit(features(rng, 500))

    def drawn(count: int, dogs: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        is_dog = rng.random(count) < dogs
        share = np.clip(np.where(is_dog, rng.beta(3, 3, count), rng.beta(9, 2, count)), 0.01, 0.99)
        seen = rows(rng, on, count)
        seen[is_dog, -1] += 1.0  # what the model sees tells them apart a little
        return seen, np.column_stack([share, 1 - share]), is_dog.astype(int)

    profile = reference.make(on, *drawn(700, 0.3))
    seen, shares, wanted = drawn(1000, 0.8)
    seen[:, len(Traits._fields)] /= profile.axes.limit
    verdict = compare(profile, reference.seen_of(seen, shares), LABELS)

    real = float((shares.argmax(axis=1) == wanted).mean())
    assert "class" in verdict.drifted
    assert verdict.classes["dog"].truth == pytest.approx(0.8, abs=0.08)
    assert verdict.accuracy.value == pytest.approx(real, abs=0.06)
    assert profile.is_right.mean() - real > 0.15


def test_bare_pixels_say_nothing_of_files(profile):
    own = window(profile, np.random.default_rng(1))
    traits = own.traits.copy()
    traits[:, :3] = np.nan
    verdict = compare(profile, replace(own, traits=traits), LABELS)

    assert verdict.grade == "none"
    assert verdict.distances["width"].value is None
    assert not verdict.distances["width"].is_drifted


def test_another_mix_of_classes_is_noticed(profile):
    own = window(profile, np.random.default_rng(1))
    chosen = np.flatnonzero((own.answers == 0) | (np.random.default_rng(2).random(len(own)) < 0.2))
    verdict = compare(profile, own.rows(chosen), LABELS)

    assert verdict.drifted == ["class"]
    assert verdict.classes["cat"].window > 0.75


def test_hundreds_of_classes_share_bins():
    """Of a class with two pictures in the reference no bin would tell anything."""
    rng = np.random.default_rng(0)
    on = axes.fit(features(rng, 500))
    shares = rng.dirichlet(np.full(200, 0.05), 400)
    profile = reference.make(on, rows(rng, on, 400), shares, shares.argmax(axis=1))
    own = reference.seen_of(rows(rng, on, 500), rng.dirichlet(np.full(200, 0.05), 500))

    assert compare(profile, replace(own, strangeness=own.strangeness / profile.axes.limit), [""] * 200).grade == "none"
