"""From probabilities and true labels to scores, each with a bootstrap interval (numpy only).

Throughout, `logits` and `probabilities` are (N, K) and `truth` is (N,) of class numbers.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

CALIBRATION_BINS = 15
RESAMPLES = 1000
_SMALLEST_PROBABILITY = 1e-12


@dataclass(frozen=True)
class Interval:
    """An estimate with the bounds of its 95 % interval: of percentiles (Efron 1979), or of scores (Wilson 1927)."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class ClassScores:
    """How one class fares; `samples` counts its true members."""

    precision: Interval
    recall: Interval
    f1: Interval
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


@dataclass(frozen=True)
class Reliability:
    """Answers by confidence, in equal-width bins: how many, how sure on average, and which share was right.

    All three are (CALIBRATION_BINS,); the latter two are 0 where a bin is empty.
    """

    samples: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray

    @property
    def error(self) -> float:
        """Expected calibration error (Guo et al. 2017)."""
        return float((self.samples * np.abs(self.accuracy - self.confidence)).sum() / self.samples.sum())


def reliability(probabilities: np.ndarray, truth: np.ndarray) -> Reliability:
    """How far confidence can be taken at its word (Guo et al. 2017)."""
    return _reliability(probabilities.max(axis=1), probabilities.argmax(axis=1) == truth)


def _reliability(confidence: np.ndarray, is_right: np.ndarray) -> Reliability:
    bins = np.minimum((confidence * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    samples = np.bincount(bins, minlength=CALIBRATION_BINS)

    def mean(values: np.ndarray) -> np.ndarray:
        return np.asarray(np.bincount(bins, weights=values, minlength=CALIBRATION_BINS) / np.maximum(samples, 1))

    return Reliability(samples, mean(confidence), mean(is_right))


def calibration_error(probabilities: np.ndarray, truth: np.ndarray) -> float:
    """Expected calibration error over equal-width bins of confidence (Guo et al. 2017)."""
    return reliability(probabilities, truth).error


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
    predicted = probabilities.argmax(axis=1)
    whole = np.arange(len(truth))
    draws = [whole, *_draws(len(truth), seed)]
    counts = [confusion(predicted[rows], truth[rows], len(labels)) for rows in draws]
    # (1 + resamples, 3, K): precision, recall and F1 of each class; of a class that a draw lacks, nothing.
    by_class = np.array([precision_recall_f1(drawn) for drawn in counts])
    is_drawn = np.array([drawn.sum(axis=1) > 0 for drawn in counts])[:, None, :]
    macro = np.mean(by_class, axis=2, where=is_drawn)

    def interval(statistic: Callable[[np.ndarray], float]) -> Interval:
        return _interval(np.array([statistic(rows) for rows in draws]))

    return Scores(
        samples=len(truth),
        accuracy=interval(lambda rows: float((predicted[rows] == truth[rows]).mean())),
        precision=_interval(macro[:, 0]),
        recall=_interval(macro[:, 1]),
        f1=_interval(macro[:, 2]),
        log_loss=interval(lambda rows: log_loss(probabilities[rows], truth[rows])),
        calibration_error=interval(lambda rows: calibration_error(probabilities[rows], truth[rows])),
        classes={
            label: ClassScores(
                precision=_interval(by_class[:, 0, row], is_drawn[:, 0, row]),
                recall=_interval(by_class[:, 1, row], is_drawn[:, 0, row]),
                f1=_interval(by_class[:, 2, row], is_drawn[:, 0, row]),
                samples=int(counts[0][row].sum()),
            )
            for row, label in enumerate(labels)
        },
        confusion=counts[0].tolist(),
    )


def paired_difference(candidate: np.ndarray, incumbent: np.ndarray, seed: int = 0) -> Interval:
    """Accuracy of one model minus another's on the same pictures.

    Both arguments are (N,) booleans, whether each picture was answered right;
    the pictures are resampled in pairs, so what both find hard cancels out.
    """
    gain = candidate.astype(float) - incumbent.astype(float)
    return paired(lambda rows: float(gain[rows].mean()), len(gain), seed)


def calibration_change(candidate: np.ndarray, incumbent: np.ndarray, seed: int = 0) -> Interval:
    """Expected calibration error of one model minus another's on the same pictures.

    Both arguments are (2, N): how sure each answer was, and whether it was right.
    """
    return paired(
        lambda rows: _reliability(*candidate[:, rows]).error - _reliability(*incumbent[:, rows]).error,
        candidate.shape[1],
        seed,
    )


def paired(statistic: Callable[[np.ndarray], float], size: int, seed: int = 0) -> Interval:
    """A statistic of the rows that it is given, of all `size` and with the interval of resampled ones (Efron 1979)."""
    low, high = np.percentile([statistic(rows) for rows in _draws(size, seed)], (2.5, 97.5))
    return Interval(statistic(np.arange(size)), float(low), float(high))


def by_chance(lost: int, won: int) -> float:
    """The probability that of lost + won pictures, each as likely lost as won, so many are lost or more.

    That is the exact test of McNemar (1947), one-sided; 1 where none is either.
    """
    of = lost + won
    as_bad = sum(math.comb(of, count) for count in range(lost, of + 1))
    return as_bad / int(2**of)


def wilson(hits: int, trials: int) -> Interval:
    """The share of independent `trials`, one or more, that hit, with its 95 % score interval (Wilson 1927)."""
    share, z2 = hits / trials, 1.959964**2
    middle = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    reach = math.sqrt(z2 * (share * (1 - share) + z2 / (4 * trials)) / trials) / (1 + z2 / trials)
    return Interval(share, max(0.0, middle - reach), min(1.0, middle + reach))


def fit_temperature(logits: np.ndarray, truth: np.ndarray) -> float:
    """The temperature from 0.05 to 20 that minimises log loss (Guo et al. 2017).

    The true class counts (N + 1) / (N + 2) and the others share the rest, as
    Platt (1999) proposed: where a few pictures were all answered rightly, the
    loss alone would call for endless confidence. A golden-section search over
    the logarithm: the loss has one minimum there.
    """
    samples, n_classes = logits.shape
    targets = np.full(logits.shape, 1 / (samples + 2) / (n_classes - 1))
    targets[np.arange(samples), truth] = (samples + 1) / (samples + 2)

    def loss(log_temperature: float) -> float:
        probabilities = softmax(logits, float(np.exp(log_temperature)))
        return float(-(targets * np.log(np.maximum(probabilities, _SMALLEST_PROBABILITY))).sum(axis=1).mean())

    low, high = float(np.log(0.05)), float(np.log(20.0))
    ratio = (np.sqrt(5) - 1) / 2
    for _ in range(60):
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        if loss(left) < loss(right):
            high = right
        else:
            low = left
    return float(np.exp((low + high) / 2))


def _interval(found: np.ndarray, is_known: np.ndarray | None = None) -> Interval:
    """The first figure is the estimate, the others those of resamples; unknown ones do not count."""
    value = float(found[0])
    resampled = found[1:] if is_known is None else found[1:][is_known[1:]]
    low, high = np.percentile(resampled, (2.5, 97.5)) if len(resampled) else (value, value)
    # Resampling adds noise that a calibration error counts as error, so a good one can lie below its resamples.
    return Interval(value, min(value, float(low)), max(value, float(high)))


def _draws(size: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, size, size=(RESAMPLES, size))
