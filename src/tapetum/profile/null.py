"""How far samples of the same pictures lie apart by chance, and so how far is too far."""

from dataclasses import dataclass

import numpy as np

from tapetum.profile.statistics import FEATURES, Statistics

FALSE_ALARM_RATE = 0.01
WINDOW = 1000
_DRAWS = 4000
_AT_ONCE = 500


@dataclass(frozen=True)
class Null:
    """Mean and standard deviation (13,) of each distance's cube root, scaled, and the `limit` of the greatest of all.

    A distance between samples of n and m pictures of one distribution grows as
    1/n + 1/m, so it is divided by that; its cube root is near normal, as that
    of χ² is (Wilson and Hilferty 1931), so that no statistic has the longest
    tail. `limit` is the quantile of the greatest standardised statistic that
    the false-alarm rate leaves above it.
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
    """Bootstrap reference and window both from the (N, A) columns of the reference (Efron 1979).

    Each draw takes N pictures for one and WINDOW for the other, with
    replacement, since the reference is as much a finite sample as the window
    is: against a reference that is held fixed, clean windows raise alarms too
    often.
    """
    rng = np.random.default_rng(seed)
    count = len(columns)
    shares = np.full(count, 1 / count)
    found = []
    for _ in range(_DRAWS // _AT_ONCE):
        ours = rng.multinomial(count, shares, _AT_ONCE).astype(np.float32) @ columns
        theirs = rng.multinomial(WINDOW, shares, _AT_ONCE).astype(np.float32) @ columns
        distances = statistics.distances(ours, count, theirs, WINDOW)
        found.append(_roots(distances, np.full(1, count), np.full(1, WINDOW)))
    roots = np.concatenate(found)
    least_mean, least_deviation = _of_rare(statistics)
    mean, deviation = np.maximum(roots.mean(axis=0), least_mean), np.maximum(roots.std(axis=0), least_deviation)
    limit = float(np.quantile(((roots - mean) / deviation).max(axis=1), 1 - FALSE_ALARM_RATE))
    return Null(mean, deviation, limit)


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
