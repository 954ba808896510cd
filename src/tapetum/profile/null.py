"""How far samples of the same pictures lie apart by chance, and so how far is too far."""

from dataclasses import dataclass

import numpy as np

from tapetum.profile.statistics import FEATURES, Statistics

FALSE_ALARM_RATE = 0.01
ODD_PROFILES = 0.01
WINDOW = 1000
_REFERENCES, _WINDOWS = 500, 1000


@dataclass(frozen=True)
class Null:
    """Mean and standard deviation (13,) of each distance's cube root, scaled, and the `limit` of the greatest of all.

    A distance between samples of n and m pictures of one distribution grows as
    1/n + 1/m, so it is divided by that; its cube root is near normal, as that
    of χ² is (Wilson and Hilferty 1931), so that no statistic has the longest
    tail. `limit` is what the greatest standardised statistic of clean windows
    exceeds at the false-alarm rate at most, held to 99 references in 100.
    """

    mean: np.ndarray
    deviation: np.ndarray
    limit: float

    def standardised(self, distances: np.ndarray, sizes: np.ndarray, other_sizes: np.ndarray) -> np.ndarray:
        """(..., 13) distances -> how many standard deviations each lies beyond what chance gives on average."""
        return np.asarray((_roots(distances, sizes, other_sizes) - self.mean) / self.deviation)

    def thresholds(self, sizes: np.ndarray, other_sizes: np.ndarray) -> np.ndarray:
        """(13,): the distances at which `limit` is reached."""
        root = np.maximum(self.mean + self.limit * self.deviation, 0)
        return np.asarray(root**3 * (1 / np.maximum(sizes, 1) + 1 / np.maximum(other_sizes, 1)))


def draw(statistics: Statistics, columns: np.ndarray, seed: int = 0) -> Null:
    """Bootstrap references and windows both from the (N, A) columns of the reference (Efron 1979).

    A reference takes N pictures with replacement, a window WINDOW, and each
    of 500 is held to each of 1,000. A service has one reference for all its
    windows: were the limit right over references and windows together, one
    that came out unusual would raise false alarms several times too often for
    as long as it is served. So each of them is given the limit that leaves it
    the false-alarm rate, and `limit` is one that 99 in 100 need not exceed: a
    tolerance limit (Wilks 1941), as for a detector that is calibrated once on
    a finite sample (Vovk 2012).
    """
    rng = np.random.default_rng(seed)
    count = len(columns)
    shares = np.full(count, 1 / count)
    ours, theirs = (
        rng.multinomial(size, shares, draws).astype(np.float32) @ columns
        for size, draws in ((count, _REFERENCES), (WINDOW, _WINDOWS))
    )
    roots = _roots(statistics.distances(ours, count, theirs, WINDOW), np.full(1, count), np.full(1, WINDOW))
    least_mean, least_deviation = _of_rare(statistics)
    mean = np.maximum(roots.mean(axis=(0, 1)), least_mean)
    deviation = np.maximum(roots.std(axis=(0, 1)), least_deviation)
    greatest = ((roots - mean) / deviation).max(axis=2)
    of_each = np.quantile(greatest, 1 - FALSE_ALARM_RATE, axis=1)
    return Null(mean, deviation, float(np.quantile(of_each, 1 - ODD_PROFILES)))


def _roots(distances: np.ndarray, sizes: np.ndarray, other_sizes: np.ndarray) -> np.ndarray:
    known = (sizes > 0) & (other_sizes > 0)
    scale = np.where(known, 1 / np.maximum(sizes, 1) + 1 / np.maximum(other_sizes, 1), np.inf)
    return np.asarray(np.cbrt(distances / scale))


def _of_rare(statistics: Statistics) -> tuple[np.ndarray, np.ndarray]:
    """What χ² says of each index at least: of what the reference never has, resampling it says nothing.

    The cube root of χ² of k degrees has the mean k^(1/3) (1 - 2/9k) and the variance k^(2/3) 2/9k.
    """
    degrees = np.array([max(1, place.stop - place.start - 1) for place in statistics.slices.values()], float)
    is_index = np.array([name != FEATURES for name in statistics.slices])
    mean = np.cbrt(degrees) * (1 - 2 / (9 * degrees))
    deviation = np.cbrt(degrees) * np.sqrt(2 / (9 * degrees))
    return np.where(is_index, mean, 0), np.where(is_index, deviation, 1e-6)
