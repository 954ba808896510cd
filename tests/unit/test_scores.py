import math
from dataclasses import astuple

import numpy as np
import pytest
import scipy.stats
import sklearn.calibration
import sklearn.metrics

from tapetum.scores import (
    CALIBRATION_BINS,
    Scores,
    calibration_error,
    confusion,
    fit_temperature,
    log_loss,
    paired_difference,
    precision_recall_f1,
    reliability,
    score,
    softmax,
    wilson,
)

LABELS = ("cat", "dog", "owl")
NAMES = ("accuracy", "precision", "recall", "f1", "log_loss", "calibration_error")

# One case counted by hand: two of three cats, one of two dogs and the only owl are found.
TRUTH = np.array([0, 0, 0, 1, 1, 2])
PREDICTED = np.array([0, 0, 1, 1, 2, 2])


def sure(predicted: np.ndarray, confidence: float = 0.8, n_classes: int = 3) -> np.ndarray:
    """(N, K) probabilities with `confidence` on the predicted class and the rest shared."""
    rest = (1 - confidence) / (n_classes - 1)
    return np.where(np.eye(n_classes, dtype=bool)[predicted], confidence, rest)


def sampled(size: int, seed: int = 0, n_classes: int = 3, scale: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Logits and true classes drawn from just these probabilities; `scale` then makes the logits overconfident."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (size, n_classes))
    truth = np.array([rng.choice(n_classes, p=shares) for shares in softmax(logits)])
    return scale * logits, truth


@pytest.fixture(scope="module")
def few() -> Scores:
    logits, truth = sampled(100, scale=2)
    return score(softmax(logits), truth, LABELS)


@pytest.fixture(scope="module")
def many() -> Scores:
    logits, truth = sampled(1600, scale=2)
    return score(softmax(logits), truth, LABELS)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("accuracy", 4 / 6),
        ("precision", (1 + 1 / 2 + 1 / 2) / 3),
        ("recall", (2 / 3 + 1 / 2 + 1) / 3),
        ("f1", (4 / 5 + 1 / 2 + 2 / 3) / 3),
        ("log_loss", -(4 * math.log(0.8) + 2 * math.log(0.1)) / 6),
        ("calibration_error", 0.8 - 4 / 6),
    ],
)
def test_scores_of_a_case_counted_by_hand(name, expected):
    assert getattr(score(sure(PREDICTED), TRUTH, LABELS), name).value == pytest.approx(expected)


def test_rows_of_a_confusion_are_the_truth():
    assert confusion(PREDICTED, TRUTH, 3).tolist() == [[2, 1, 0], [0, 1, 1], [0, 0, 1]]


def test_the_scores_hold_the_confusion_as_lists():
    assert score(sure(PREDICTED), TRUTH, LABELS).confusion == [[2, 1, 0], [0, 1, 1], [0, 0, 1]]


def test_each_class_has_its_own_scores():
    dog = score(sure(PREDICTED), TRUTH, LABELS).classes["dog"]

    assert (dog.precision.value, dog.recall.value, dog.f1.value, dog.samples) == (0.5, 0.5, 0.5, 2)


def test_a_class_of_two_pictures_has_a_wide_interval():
    recall = score(sure(PREDICTED), TRUTH, LABELS).classes["dog"].recall

    assert (recall.low, recall.high) == (0, 1)


def test_draws_without_a_class_do_not_count_as_its_failure():
    truth = np.repeat([0, 1], [30, 1])

    assert score(sure(truth), truth, LABELS).classes[LABELS[1]].recall.low == 1


@pytest.mark.parametrize("average", [0, 1, 2], ids=["precision", "recall", "f1"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_macro_averages_are_sklearns(average, seed):
    logits, truth = sampled(80, seed, n_classes=7)
    scores = score(softmax(logits), truth, tuple("abcdefg"))
    theirs = sklearn.metrics.precision_recall_fscore_support(
        truth, logits.argmax(axis=1), average="macro", labels=np.unique(truth), zero_division=0
    )

    assert (scores.precision, scores.recall, scores.f1)[average].value == pytest.approx(theirs[average])


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_log_loss_is_sklearns(seed):
    logits, truth = sampled(80, seed, n_classes=7)
    probabilities = softmax(logits)

    assert log_loss(probabilities, truth) == pytest.approx(
        sklearn.metrics.log_loss(truth, probabilities, labels=range(7))
    )


def test_an_impossible_truth_costs_a_finite_log_loss():
    assert log_loss(np.array([[1.0, 0.0]]), np.array([1])) == pytest.approx(-math.log(1e-12))


def test_a_perfect_log_loss_has_no_minus_sign():
    assert str(log_loss(np.array([[1.0, 0.0]]), np.array([0]))) == "0.0"


def test_calibration_gaps_of_different_confidence_do_not_cancel():
    """Of four answers at 0.9 three are right, of two at 0.6 both: one bin boasts, the other is modest."""
    probabilities = np.concatenate([sure(PREDICTED[:4], 0.9), sure(PREDICTED[4:], 0.6)])
    truth = np.array([0, 0, 1, 2, *PREDICTED[4:]])

    assert calibration_error(probabilities, truth) == pytest.approx((4 * 0.15 + 2 * 0.4) / 6)


def test_full_confidence_that_is_right_has_no_calibration_error():
    assert calibration_error(sure(TRUTH, 1.0), TRUTH) == 0


@pytest.mark.parametrize("scale", [0.5, 3])
def test_reliability_is_sklearns(scale):
    logits, truth = sampled(500, scale=scale)
    probabilities = softmax(logits)
    right = probabilities.argmax(axis=1) == truth
    accuracy, confidence = sklearn.calibration.calibration_curve(
        right, probabilities.max(axis=1), n_bins=CALIBRATION_BINS
    )

    found = reliability(probabilities, truth)

    full = found.samples > 0
    assert found.samples.sum() == 500
    assert not full.all()
    np.testing.assert_allclose(found.accuracy[full], accuracy)
    np.testing.assert_allclose(found.confidence[full], confidence)
    assert found.error == calibration_error(probabilities, truth)


def test_softmax_survives_huge_logits():
    probabilities = softmax(np.array([[1e5, 0, -1e5], [-1e5, -1e5, -1e5]], np.float32))

    assert probabilities == pytest.approx(np.array([[1, 0, 0], [1 / 3, 1 / 3, 1 / 3]]))


def test_softmax_of_single_precision_is_computed_in_double():
    assert softmax(np.zeros((1, 3), np.float32)).dtype == np.float64


def test_a_higher_temperature_means_less_confidence():
    assert softmax(np.array([[math.log(16), 0.0]]), temperature=2.0) == pytest.approx(np.array([[0.8, 0.2]]))


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_temperature_that_spoilt_the_logits_is_found(temperature):
    """Of a hundred answers 80 are right; with honest logits each would claim just 0.8."""
    logits = temperature * np.log(sure(np.zeros(100, int)))
    truth = np.repeat([0, 1, 2], [80, 10, 10])

    assert fit_temperature(logits, truth) == pytest.approx(temperature, rel=0.05)


def test_answers_that_are_all_right_do_not_call_for_endless_confidence():
    """Twelve pictures cannot show an error rate below one in twelve."""
    truth = np.repeat([0, 1], 6)
    logits = np.where(np.eye(2)[truth] > 0, 1.5, 0.0)

    confidence = softmax(logits, fit_temperature(logits, truth)).max(axis=1)

    assert confidence == pytest.approx(13 / 14, abs=1e-3)


def test_an_overconfident_model_gets_about_the_temperature_it_was_sharpened_by():
    logits, truth = sampled(4000, scale=3)

    assert fit_temperature(logits, truth) == pytest.approx(3, rel=0.06)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("scale", [0.01, 1, 100])
def test_a_fitted_temperature_hardly_ever_makes_log_loss_worse(seed, scale):
    """By its prior of one wrong answer it may, a little; without one it would call for endless confidence."""
    logits, truth = sampled(30, seed, scale=scale)
    fitted = softmax(logits, fit_temperature(logits, truth))

    assert log_loss(fitted, truth) <= log_loss(softmax(logits), truth) + 0.02


@pytest.mark.parametrize("name", NAMES)
def test_an_interval_contains_its_estimate(few, name):
    interval = getattr(few, name)

    assert interval.low < interval.value < interval.high


def test_the_interval_of_a_perfect_calibration_contains_its_estimate():
    """Resampling only ever adds to an error of 0, so the percentiles alone would leave 0 out."""
    predicted = np.zeros(60, int)
    confidence = np.repeat([0.6, 0.7, 0.8], 20)
    truth = np.concatenate([np.arange(20) >= right for right in (12, 14, 16)]).astype(int)
    probabilities = np.concatenate([sure(predicted[:1], share, n_classes=2) for share in confidence])

    found = score(probabilities, truth, ("yes", "no")).calibration_error

    assert found.low <= found.value <= found.high


@pytest.mark.parametrize("name", NAMES)
def test_an_interval_shrinks_with_more_pictures(few, many, name):
    """Sixteen times the pictures should give about a quarter of the width."""
    wide, narrow = getattr(few, name), getattr(many, name)

    assert narrow.high - narrow.low < (wide.high - wide.low) / 2


def test_the_same_seed_gives_the_same_intervals():
    assert score(sure(PREDICTED), TRUTH, LABELS, seed=3) == score(sure(PREDICTED), TRUTH, LABELS, seed=3)


def test_another_seed_gives_other_intervals(few):
    logits, truth = sampled(100, scale=2)

    assert score(softmax(logits), truth, LABELS, seed=1).log_loss != few.log_loss


def test_macro_averages_leave_out_a_class_without_pictures():
    """No owl in the truth: its empty row is no recall of 0."""
    scores = score(sure(np.array([0, 1, 1])), np.array([0, 0, 1]), LABELS)

    assert scores.recall.value == pytest.approx((1 / 2 + 1) / 2)


def test_an_answer_of_an_absent_class_counts_against_the_true_one():
    scores = score(sure(np.array([0, 2, 1])), np.array([0, 0, 1]), LABELS)

    assert scores.recall.value == pytest.approx((1 / 2 + 1) / 2)


def test_a_class_never_seen_and_never_answered_scores_zero():
    shares = precision_recall_f1(confusion(np.array([0, 1]), np.array([0, 1]), 3))

    assert [share[2] for share in shares] == [0, 0, 0]


def test_equal_models_differ_by_nothing():
    right = np.array([True, False, True, True])

    assert astuple(paired_difference(right, right)) == (0, 0, 0)


@pytest.mark.parametrize(("n_candidate", "n_incumbent", "gain"), [(90, 70, 0.2), (70, 90, -0.2)])
def test_a_gain_is_the_candidates(n_candidate, n_incumbent, gain):
    found = paired_difference(np.arange(100) < n_candidate, np.arange(100) < n_incumbent)

    assert found.value == pytest.approx(gain)
    assert found.low < found.value < found.high
    assert np.sign(found.low) == np.sign(found.high) == np.sign(gain)


def test_pictures_both_models_find_hard_do_not_widen_a_difference():
    """Half of 400 pictures are beyond both; unpaired, that alone would give a width near 0.14."""
    incumbent = np.arange(400) < 200

    found = paired_difference(np.arange(400) < 202, incumbent)

    assert found.high - found.low < 0.02


@pytest.mark.parametrize(("hits", "trials"), [(0, 1), (1, 1), (7, 10), (950, 1000), (50, 50)])
def test_the_interval_of_a_share_is_that_of_scipy(hits, trials):
    low, high = scipy.stats.binomtest(hits, trials).proportion_ci(method="wilson")

    assert astuple(wilson(hits, trials)) == pytest.approx((hits / trials, low, high), abs=1e-6)
