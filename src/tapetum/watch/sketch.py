"""Distributions of bounded size: buckets of values, from which quantiles come with an error that is known.

Times and sizes go into buckets that grow by a fixed ratio, as in DDSketch
(Masson, Rim and Lee, 2019), shares into buckets of equal width.
"""

import math
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np

RELATIVE_ERROR = 0.02
SHARE_ERROR = 0.0025

_LOWEST, _HIGHEST = 0.01, 1e10
_GROWTH = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)
_LOG_GROWTH = math.log(_GROWTH)
_GROWING = math.ceil(math.log(_HIGHEST / _LOWEST) / _LOG_GROWTH)
_EQUAL = round(1 / (2 * SHARE_ERROR))
_CELL = array("I").itemsize


@dataclass(frozen=True)
class Scale:
    """Which bucket a value belongs to, and the value (B,) that stands for each of the buckets."""

    bucket: Callable[[float], int]
    middles: np.ndarray


def _growing_bucket(value: float) -> int:
    if value < _LOWEST:
        return 0
    return 1 + int(math.log(value / _LOWEST) / _LOG_GROWTH) if value < _HIGHEST else _GROWING


def _equal_bucket(value: float) -> int:
    return int(value * _EQUAL) if value < 1 else _EQUAL - 1


# Values below 0.01 count as 0: a hundredth of a millisecond, or no byte at all.
_EDGES = _LOWEST * _GROWTH ** np.arange(_GROWING)
MAGNITUDES = Scale(_growing_bucket, np.concatenate([[0.0], _EDGES * 2 * _GROWTH / (1 + _GROWTH)]))
SHARES = Scale(_equal_bucket, (np.arange(_EQUAL) + 0.5) / _EQUAL)


class Sketch:
    """Counts by bucket, with the exact sum, least and greatest value; some kilobytes, however many values."""

    def __init__(self, scale: Scale) -> None:
        self._scale = scale
        self._cells = array("I", bytes(_CELL * len(scale.middles)))
        # The same memory: numpy adds up faster, but takes twice as long to add 1 to a cell.
        self._counts = np.frombuffer(self._cells, np.uintc)
        self._sum = 0.0
        self._least = math.inf
        self._greatest = -math.inf

    def add(self, value: float) -> None:
        """Take a value of at least 0; whatever else a worker that a picture has taken over may send is no value."""
        if not 0 <= value < math.inf:
            return
        self._cells[self._scale.bucket(value)] += 1
        self._sum += value
        if value < self._least:
            self._least = value
        if value > self._greatest:
            self._greatest = value

    def take(self, other: Self) -> None:
        """Take all values of another sketch of the same scale."""
        self._counts += other._counts
        self._sum += other._sum
        self._least = min(self._least, other._least)
        self._greatest = max(self._greatest, other._greatest)

    @property
    def count(self) -> int:
        return int(self._counts.sum())

    @property
    def least(self) -> float:
        """Of at least one value."""
        return self._least

    @property
    def greatest(self) -> float:
        """Of at least one value."""
        return self._greatest

    @property
    def mean(self) -> float:
        """Of at least one value."""
        return self._sum / self.count

    def quantile(self, share: float) -> float:
        """The least value that `share` of them, of which there are some, do not exceed.

        It is wrong by at most RELATIVE_ERROR of itself on MAGNITUDES between 0.01
        and 1e10, and by at most SHARE_ERROR on SHARES; never beyond the least and
        the greatest value.
        """
        rank = max(1, math.ceil(share * self.count))
        middle = float(self._scale.middles[np.searchsorted(self._counts.cumsum(), rank)])
        return min(max(middle, self._least), self._greatest)

    def tenths(self) -> list[int]:
        """How many values of SHARES lie in each tenth."""
        return [int(part.sum()) for part in np.split(self._counts, 10)]
