"""From probabilities and true labels to scores, each with a bootstrap interval (numpy only).

Throughout, `logits` and `probabilities` are (N, K) and `truth` is (N,) of class numbers.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

CALIBRATION_BINS = 15
RESAMPLES = 1000
_SMALLEST_PROBABILITY = 1e-12


@dataclass(frozen=True)
class Interval:
    """An estimate with the bounds of its 95 % percentile interval (Efron 1979)."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class ClassScores:
    """How one class fares; `samples` counts its true members."""

    precision: float
    recall: float
    f1: float
    samples: int


@dataclass(frozen=True)
class Scores:
    """What a model does on one part of the pictures; shares lie from 0 to 1."""

    samples: int
    accuracy: Interval
    precision: Interval
    recall: Interval
    f1: Interval
    log_loss: Interval
    calibration_error: Interval
    classes: dict[str, ClassScores]
    confusion: list[list[int]]


def softmax(logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """(N, K) logits -> (N, K) probabilities in float64."""
    scaled = logits.astype(np.float64) / temperature
    exponentials = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=-1, keepdims=True))


def log_loss(probabilities: np.ndarray, truth: np.ndarray) -> float:
    """The mean negative log probability of the true class, in nats."""
    own = probabilities[np.arange(len(truth)), truth]
    return float(np.log(1 / np.maximum(own, _SMALLEST_PROBABILITY)).mean())


def calibration_error(probabilities: np.ndarray, truth: np.ndarray) -> float:
    """Expected calibration error over equal-width bins of confidence (Guo et al. 2017)."""
    confidence = probabilities.max(axis=1)
    gap = (probabilities.argmax(axis=1) == truth) - confidence
    bins = np.minimum((confidence * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    return float(np.abs(np.bincount(bins, weights=gap, minlength=CALIBRATION_BINS)).sum() / len(truth))


def confusion(predicted: np.ndarray, truth: np.ndarray, n_classes: int) -> np.ndarray:
    """(K, K) counts: row = true class, column = predicted class."""
    return np.bincount(truth * n_classes + predicted, minlength=n_classes**2).reshape(n_classes, n_classes)


def precision_recall_f1(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(K, K) confusion -> three (K,) arrays; a share of nothing counts as 0."""
    hits = np.diag(counts).astype(float)
    precision = hits / np.maximum(counts.sum(axis=0), 1)
    recall = hits / np.maximum(counts.sum(axis=1), 1)
    f1 = 2 * hits / np.maximum(counts.sum(axis=0) + counts.sum(axis=1), 1)
    return precision, recall, f1


def score(probabilities: np.ndarray, truth: np.ndarray, labels: tuple[str, ...], seed: int = 0) -> Scores:
    """All scores at once; macro averages run over the classes that `truth` holds."""
    n_classes = len(labels)
    predicted = probabilities.argmax(axis=1)
    counts = confusion(predicted, truth, n_classes)
    by_class = precision_recall_f1(counts)

    def macro(which: int) -> Callable[[np.ndarray], float]:
        def average(rows: np.ndarray) -> float:
            drawn = confusion(predicted[rows], truth[rows], n_classes)
            return float(precision_recall_f1(drawn)[which][drawn.sum(axis=1) > 0].mean())

        return average

    draws = _draws(len(truth), seed)

    def interval(statistic: Callable[[np.ndarray], float]) -> Interval:
        value = statistic(np.arange(len(truth)))
        low, high = np.percentile([statistic(rows) for rows in draws], (2.5, 97.5))
        # Resampling adds noise that a calibration error counts as error, so a good one can lie below its resamples.
        return Interval(value, min(value, float(low)), max(value, float(high)))

    return Scores(
        samples=len(truth),
        accuracy=interval(lambda rows: float((predicted[rows] == truth[rows]).mean())),
        precision=interval(macro(0)),
        recall=interval(macro(1)),
        f1=interval(macro(2)),
        log_loss=interval(lambda rows: log_loss(probabilities[rows], truth[rows])),
        calibration_error=interval(lambda rows: calibration_error(probabilities[rows], truth[rows])),
        classes={
            label: ClassScores(float(precision), float(recall), float(f1), int(own))
            for label, precision, recall, f1, own in zip(labels, *by_class, counts.sum(axis=1), strict=True)
        },
        confusion=counts.tolist(),
    )


def paired_difference(candidate: np.ndarray, incumbent: np.ndarray, seed: int = 0) -> Interval:
    """Accuracy of one model minus another's on the same pictures.

    Both arguments are (N,) booleans, whether each picture was answered right;
    the pictures are resampled in pairs, so what both find hard cancels out.
    """
    gain = candidate.astype(float) - incumbent.astype(float)
    low, high = np.percentile([gain[rows].mean() for rows in _draws(len(gain), seed)], (2.5, 97.5))
    return Interval(float(gain.mean()), float(low), float(high))


def fit_temperature(logits: np.ndarray, truth: np.ndarray) -> float:
    """The temperature from 0.05 to 20 that minimises log loss (Guo et al. 2017).

    A golden-section search over its logarithm: the loss has one minimum there.
    """
    low, high = np.log(0.05), np.log(20.0)
    ratio = (np.sqrt(5) - 1) / 2
    for _ in range(60):
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        if log_loss(softmax(logits, np.exp(left)), truth) < log_loss(softmax(logits, np.exp(right)), truth):
            high = right
        else:
            low = left
    return float(np.exp((low + high) / 2))


def _draws(size: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, size, size=(RESAMPLES, size))
