"""From probabilities to curves: how well one class is told from all others, at every threshold (numpy only).

Throughout, `shares` are (N,) probabilities of the class and `is_own` (N,) booleans, whether it is the true one.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

_GRID = np.linspace(0, 1, 201)


class Curve(NamedTuple):
    """Points `x` and `y`, both from 0 to 1 with `x` rising, and what the curve is worth in one number."""

    x: np.ndarray
    y: np.ndarray
    area: float


def roc(shares: np.ndarray, is_own: np.ndarray) -> Curve | None:
    """False alarms (x) against hits (y), and the area under them by trapezoids (Fawcett 2006).

    None where all pictures are of the class, or none.
    """
    if is_own.all() or not is_own.any():
        return None
    hits, alarms = _counts(shares, is_own)
    x, y = np.concatenate([[0], alarms / alarms[-1]]), np.concatenate([[0], hits / hits[-1]])
    return Curve(x, y, float(np.trapezoid(y, x)))


def precision_recall(shares: np.ndarray, is_own: np.ndarray) -> Curve | None:
    """Recall (x) against precision (y), a step down to each point, and the average precision.

    The area is the sum of the steps: lines between the points would promise
    what no threshold gives (Davis and Goadrich 2006). None where no picture
    is of the class.
    """
    if not is_own.any():
        return None
    hits, alarms = _counts(shares, is_own)
    recall, precision = hits / hits[-1], hits / (hits + alarms)
    return Curve(recall, precision, float(np.diff(recall, prepend=0) @ precision))


def mean_roc(curves: Sequence[Curve]) -> Curve:
    """The mean of the hits at each rate of false alarms, and of the areas: every class weighs the same."""
    hits = np.mean([np.interp(_GRID, curve.x, curve.y) for curve in curves], axis=0)
    area = float(np.mean([curve.area for curve in curves]))
    return Curve(np.concatenate([[0], _GRID]), np.concatenate([[0], hits]), area)


def mean_precision_recall(curves: Sequence[Curve]) -> Curve:
    """The mean of the precisions that reach each recall, and of the average precisions."""
    precision = np.mean([curve.y[np.searchsorted(curve.x, _GRID)] for curve in curves], axis=0)
    return Curve(_GRID, precision, float(np.mean([curve.area for curve in curves])))


def _counts(shares: np.ndarray, is_own: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Hits and false alarms at each distinct share as threshold, from the highest down."""
    order = np.argsort(-shares, kind="stable")
    ranked = shares[order]
    last_of_equals = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)
    hits = np.cumsum(is_own[order])[last_of_equals]
    return hits, last_of_equals + 1 - hits
