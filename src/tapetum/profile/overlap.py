"""How far what the model sees in a window lies from a weighted reference, and what that leaves unknown."""

from dataclasses import dataclass

import numpy as np

from tapetum.profile.reference import Reference
from tapetum.profile.statistics import FEATURES, NAMES, Seen

_BINS = 5


@dataclass(frozen=True)
class Gap:
    """Squared maximum mean discrepancy of a window and a weighted reference.

    `squared` as it was found, of which chance has its part, `threshold` beyond
    which it is none of chance, and `true` without the part of chance, 0 or more.
    """

    squared: float
    threshold: float
    true: float

    @property
    def is_wide(self) -> bool:
        return self.squared > self.threshold


def gap(reference: Reference, columns: np.ndarray, weights: np.ndarray) -> Gap:
    """Between a window, of which `columns` (M, A) are seen, and the reference with weights (N,) of its pictures."""
    place = reference.statistics.slices[FEATURES]
    total = max(float(weights.sum()), 1e-9)
    size, other_size = max(total**2 / max(float(np.square(weights).sum()), 1e-9), 2.0), float(len(columns))
    usual = (weights / total).astype(np.float32) @ reference.columns[:, place]
    mean = columns[:, place].mean(axis=0)
    squared = float(np.square(usual - mean).sum())
    # The map of each picture has the length 1, so that of a mean of n says how much of it is chance.
    chance = (1 - float(np.square(usual).sum())) / (size - 1) + (1 - float(np.square(mean).sum())) / (other_size - 1)
    sizes = (np.full(len(NAMES), count) for count in (size, other_size))
    threshold = float(reference.null.thresholds(*sizes)[NAMES.index(FEATURES)])
    return Gap(squared, threshold, max(squared - chance, 0.0))


def alike(reference: Reference, window: Seen) -> np.ndarray:
    """Weights (N,) that give the reference the window's answers, and how sure they were.

    With them another mix of classes, or more of the hard pictures that the
    reference has as well, is no distance.
    """
    edges = np.quantile(reference.seen.confidence, np.arange(1, _BINS) / _BINS)
    cells = [_BINS * part.answers + np.searchsorted(edges, part.confidence) for part in (reference.seen, window)]
    counts, wanted = (np.bincount(numbers, minlength=_BINS * reference.n_classes) for numbers in cells)
    return np.asarray((wanted / np.maximum(counts, 1))[cells[0]])


def possible_bias(reference: Reference, apart: Gap) -> float:
    """By how much the share of right answers among pictures so far apart may differ from what confidence tells.

    The mean of a function differs between two samples by its norm, times
    their maximum mean discrepancy, at most (Gretton et al. 2012, lemma 4). The
    function is what being right has beyond its calibrated chance; its norm is
    taken to be its standard deviation, as though what confidence does not
    explain were all explained by what the model sees.
    """
    chances = reference.calibration.chances(reference.seen.confidence)
    return float(np.sqrt((chances * (1 - chances)).mean() * apart.true))
