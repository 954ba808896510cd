"""How far answers in int8 agree with those in fp32, and whether that is allowed."""

import numpy as np
import pytest

from tapetum.quantised import Bounds, compare

REFERENCE = np.array([[0.9, 0.1], [0.8, 0.2], [0.4, 0.6], [0.3, 0.7]])
FOUND = np.array([[0.9, 0.1], [0.4, 0.6], [0.5, 0.5], [0.1, 0.9]])
TRUTH = np.array([0, 0, 0, 1])


def test_what_int8_changes_is_counted_in_all_and_by_class():
    found = compare(REFERENCE, FOUND, TRUTH, ("cat", "dog"))

    # The second picture is lost, the third is won: a tie goes to the first class.
    assert (found.samples, found.accuracy_change, found.changed) == (4, 0, 0.5)
    assert (found.mean_shift, found.max_shift) == (pytest.approx(0.7 / 4), pytest.approx(0.4))
    cat, dog = found.classes["cat"], found.classes["dog"]
    assert (cat.samples, cat.changed, cat.recall_change) == (3, 2, 0)
    assert (dog.samples, dog.changed, dog.recall_change) == (1, 0, 0)
    assert (cat.mean_shift, cat.max_shift) == (pytest.approx(0.7 / 4), pytest.approx(0.4))


def test_a_class_without_pictures_loses_nothing():
    found = compare(REFERENCE[:3], FOUND[:3], TRUTH[:3], ("cat", "dog"))

    assert (found.classes["dog"].samples, found.classes["dog"].recall_change) == (0, 0)


@pytest.mark.parametrize(
    ("accuracy_loss", "changed", "is_allowed"),
    [(0.25, 0.25, True), (0.24, 0.25, False), (0.25, 0.24, False)],
    ids=["both reached", "accuracy", "labels"],
)
def test_either_bound_refuses_what_lies_beyond_it(accuracy_loss, changed, is_allowed):
    worse = FOUND.copy()
    worse[2] = REFERENCE[2]
    found = compare(REFERENCE, worse, TRUTH, ("cat", "dog"))

    assert (found.accuracy_change, found.changed) == (-0.25, 0.25)
    assert Bounds(accuracy_loss=accuracy_loss, changed=changed).allow(found) is is_allowed


def test_more_accuracy_is_no_loss():
    found = compare(FOUND, REFERENCE, np.array([0, 0, 1, 1]), ("cat", "dog"))

    assert found.accuracy_change == 0.5
    assert Bounds(accuracy_loss=0, changed=0.5).allow(found)
