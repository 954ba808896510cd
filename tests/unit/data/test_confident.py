"""Confident learning on made-up features, where it is known which labels are wrong."""

from pathlib import Path

import numpy as np
import pytest

from tapetum.data.confident import FOLDS, confident, confident_joint, doubt, out_of_fold
from tapetum.data.sample import Sample
from tapetum.data.scan import Scan

LABELS = ("cat", "dog", "fox")


def features(truth: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(N,) classes -> (N, 8): a cloud for each class, well apart."""
    centres = np.eye(len(LABELS), 8) * 8
    return np.asarray(centres[truth] + rng.normal(0, 1, (len(truth), 8)), np.float32)


def scanned(labels: list[str], digests: list[str] | None = None, near: tuple[tuple[int, ...], ...] = ()) -> Scan:
    """Samples of these labels; `near` are numbers of those that show almost the same picture."""
    digests = digests or [f"{number * 2654435761 % 2**32:08x}" for number in range(len(labels))]
    samples = [
        Sample(f"{label}/{number}.jpg", label, None, digest)
        for number, (label, digest) in enumerate(zip(labels, digests, strict=True))
    ]
    groups = [[samples[number] for number in group] for group in near]
    return Scan(Path("photos"), tuple(sorted(set(labels))), samples, [], near=groups)


def planted(rng: np.random.Generator, each: int = 60, wrong: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """True and given classes; every class has some that are given another."""
    truth = np.repeat(np.arange(len(LABELS)), each)
    given = truth.copy()
    flipped = rng.choice(len(truth), wrong, replace=False)
    given[flipped] = (truth[flipped] + 1) % len(LABELS)
    return truth, given


def test_what_was_planted_is_found_with_the_label_it_should_have(rng):
    truth, given = planted(rng, wrong=20)
    folder = scanned([LABELS[number] for number in given])

    doubts = doubt(folder, features(truth, rng))

    wrong = {folder.samples[row].path: LABELS[truth[row]] for row in np.flatnonzero(truth != given)}
    found = {suspect.path: suspect.suggested for suspect in doubts.suspects}
    assert found.items() <= wrong.items()
    assert len(found) >= 18
    assert doubts.judged == 180
    assert 150 <= doubts.confirmed <= 160


def test_the_likeliest_come_first(rng):
    truth, given = planted(rng, wrong=20)

    doubts = doubt(scanned([LABELS[number] for number in given]), features(truth, rng))

    scores = [suspect.score for suspect in doubts.suspects]
    assert scores == sorted(scores, reverse=True)
    assert all(0 < score <= 1 for score in scores)


def test_clean_labels_of_clear_pictures_are_not_doubted(rng):
    truth, given = planted(rng, wrong=0)

    assert doubt(scanned([LABELS[number] for number in given]), features(truth, rng)).suspects == []


def test_what_a_person_decided_is_not_doubted_again(rng):
    truth, given = planted(rng)
    folder = scanned([LABELS[number] for number in given])
    first, *others = doubt(folder, features(truth, np.random.default_rng(1))).suspects
    folder.decided[first.path] = first.given

    again = doubt(folder, features(truth, np.random.default_rng(1)))

    assert again.suspects == others


def test_versions_of_a_picture_do_not_vouch_for_each_other():
    """Five copies of one odd picture, all labelled wrongly: whichever was learned from would confirm the others."""
    rng = np.random.default_rng(2)
    truth = np.repeat([0, 1], 40)
    shown = features(truth, rng)
    shown[:5] = shown[40] + np.array([0, 0, 30, 0, 0, 0, 0, 0])
    labels = [LABELS[number] for number in truth]

    apart = doubt(scanned(labels), shown).suspects
    together = doubt(scanned(labels, near=((0, 1, 2, 3, 4),)), shown).suspects

    assert apart == []
    assert {suspect.path for suspect in together} == {f"cat/{number}.jpg" for number in range(5)}


@pytest.mark.parametrize(("few", "judged"), [(19, 80), (20, 100)])
def test_a_class_of_few_pictures_is_left_alone(rng, few, judged):
    truth = np.repeat([0, 1, 2], [40, 40, few])

    doubts = doubt(scanned([LABELS[number] for number in truth]), features(truth, rng))

    assert doubts.judged == judged


def test_copies_do_not_make_a_class_large(rng):
    truth = np.repeat([0, 1], [40, 30])
    digests = [f"{number:08x}" for number in range(40)] + [f"{number:08x}" for number in range(100, 110)] * 3

    assert doubt(scanned([LABELS[number] for number in truth], digests), features(truth, rng)).judged == 0


def test_a_picture_counts_for_a_class_that_it_reaches_as_its_own_pictures_do():
    """Cats usually get 0.625 for cat, dogs 0.5 for dog: the fourth picture reaches neither, the fifth that of dog."""
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.5, 0.5], [0.6, 0.4], [0.2, 0.8]])

    joint = confident_joint(probabilities, np.array([0, 0, 1, 0, 0]))

    assert joint.tolist() == [[2, 1], [0, 1]]


def test_as_many_are_doubted_as_the_joint_lets_expect():
    """Four of six cats surely are, and one surely is a dog: one is doubted, though two are likelier dogs."""
    probabilities = np.array([[0.9, 0.1]] * 2 + [[0.6, 0.4]] * 2 + [[0.1, 0.9], [0.4, 0.6], [0.2, 0.8], [0.3, 0.7]])

    suggested, scores = confident(probabilities, np.array([0, 0, 0, 0, 0, 0, 1, 1]))

    assert confident_joint(probabilities, np.array([0, 0, 0, 0, 0, 0, 1, 1]))[0].tolist() == [4, 1]
    assert suggested.tolist() == [-1, -1, -1, -1, 1, -1, -1, -1]
    assert scores[4] == pytest.approx(0.8)


def test_a_label_that_is_the_likeliest_is_not_doubted_whatever_others_reach():
    """In a class that is hard to tell 0.3 is much; the picture's own label is likelier still."""
    probabilities = np.array([[0.7, 0.3], [0.9, 0.1], [0.8, 0.2], [0.85, 0.15]])

    suggested, _ = confident(probabilities, np.array([0, 0, 0, 1]))

    assert suggested.tolist() == [-1, -1, -1, 0]


def test_a_class_that_stands_in_one_fold_alone_gets_nothing_from_the_others(rng):
    truth = np.repeat([0, 1, 2], 20)
    folds = np.where(truth == 2, 0, np.arange(60) % FOLDS)

    probabilities = out_of_fold(features(truth, rng), truth, folds)

    assert probabilities.shape == (60, 3)
    assert np.allclose(probabilities.sum(axis=1), 1)
    assert (probabilities[truth == 2, 2] == 0).all()
