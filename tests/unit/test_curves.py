"""Curves are those of scikit-learn, point by point."""

import numpy as np
import pytest
import sklearn.metrics

from tapetum.curves import Curve, mean_precision_recall, mean_roc, precision_recall, roc

Case = tuple[np.ndarray, np.ndarray]


def case(seed: int, size: int = 200, decimals: int = 3) -> Case:
    """Shares that lean towards the truth, many of them equal, and a rare class."""
    rng = np.random.default_rng(seed)
    is_own = rng.random(size) < 0.15
    return (rng.random(size) * 0.7 + is_own * 0.3).round(decimals), is_own


@pytest.fixture(params=[(0, 3), (1, 1), (2, 0)], ids=["few equals", "many equals", "almost all equal"])
def drawn(request: pytest.FixtureRequest) -> Case:
    seed, decimals = request.param
    return case(seed, decimals=decimals)


def test_roc_is_sklearns(drawn):
    shares, is_own = drawn
    x, y, _ = sklearn.metrics.roc_curve(is_own, shares, drop_intermediate=False)

    curve = roc(shares, is_own)

    np.testing.assert_allclose((curve.x, curve.y), (x, y))
    assert curve.area == pytest.approx(sklearn.metrics.roc_auc_score(is_own, shares))


def test_precision_and_recall_are_sklearns(drawn):
    shares, is_own = drawn
    precision, recall, _ = sklearn.metrics.precision_recall_curve(is_own, shares)

    curve = precision_recall(shares, is_own)

    # Theirs falls, and ends with a point that no threshold gives.
    np.testing.assert_allclose((curve.x, curve.y), (recall[-2::-1], precision[-2::-1]))
    assert curve.area == pytest.approx(sklearn.metrics.average_precision_score(is_own, shares))


def test_mean_areas_are_sklearns():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 4, 300)
    shares = rng.dirichlet(np.ones(4), 300) * 0.6 + 0.4 * np.eye(4)[truth] * rng.random((300, 1))
    shares /= shares.sum(axis=1, keepdims=True)
    own = np.eye(4, dtype=bool)[truth]

    rocs = [roc(shares[:, row], own[:, row]) for row in range(4)]
    falls = [precision_recall(shares[:, row], own[:, row]) for row in range(4)]

    assert mean_roc(rocs).area == pytest.approx(
        sklearn.metrics.roc_auc_score(truth, shares, multi_class="ovr", average="macro")
    )
    assert mean_precision_recall(falls).area == pytest.approx(
        sklearn.metrics.average_precision_score(own, shares, average="macro")
    )


def test_a_perfect_class_goes_through_the_corner():
    curve = roc(np.array([0.9, 0.8, 0.1]), np.array([True, True, False]))

    assert curve.area == 1
    assert (0, 1) in zip(curve.x, curve.y, strict=True)


def test_a_class_without_pictures_has_no_curve():
    shares, none = np.array([0.2, 0.7]), np.zeros(2, bool)

    assert roc(shares, none) is None
    assert precision_recall(shares, none) is None


def test_a_class_that_has_all_pictures_has_no_false_alarms_to_draw():
    shares, every = np.array([0.2, 0.7]), np.ones(2, bool)

    assert roc(shares, every) is None
    assert precision_recall(shares, every).area == 1


def test_a_mean_lies_half_way_between_two_curves():
    best = Curve(np.array([0.0, 0, 1]), np.array([0.0, 1, 1]), 1.0)
    chance = Curve(np.array([0.0, 1]), np.array([0.0, 1]), 0.5)

    mean = mean_roc([best, chance])

    assert mean.area == 0.75
    assert np.interp(0.5, mean.x, mean.y) == pytest.approx(0.75)
    assert (mean.x[0], mean.y[0], mean.x[-1], mean.y[-1]) == (0, 0, 1, 1)


def test_a_mean_takes_the_precision_that_reaches_a_recall():
    """A recall of 0.3 is reached at the threshold that gives 0.5, and costs its precision."""
    steps = Curve(np.array([0.5, 1.0]), np.array([0.8, 0.4]), 0.6)

    mean = mean_precision_recall([steps, steps])

    assert mean.y[np.searchsorted(mean.x, 0.3)] == 0.8
    assert mean.y[np.searchsorted(mean.x, 0.5)] == 0.8
    assert mean.y[np.searchsorted(mean.x, 0.6)] == 0.4
