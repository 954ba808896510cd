"""How often a model is right, told from its confidence alone, where no labels are known."""

from dataclasses import dataclass

import numpy as np

_MOST_STEPS = 50
_PRIOR = np.array([1.0, 1.0])  # of the precision of intercept and slope about the identity
_LEAST = 1e-6
_Z_95 = 1.96


@dataclass(frozen=True)
class Estimate:
    """A share of right answers with the bounds of its 95 % band."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Calibration:
    """How often an answer of a confidence is right: a line between log odds, with its covariance (Platt 1999)."""

    coefficients: np.ndarray
    covariance: np.ndarray

    def chances(self, confidence: np.ndarray, odds: np.ndarray | float = 1.0) -> np.ndarray:
        """(N,) confidences -> (N,) chances to be right, where the odds of that are so many times what they were."""
        return np.asarray(1 / (1 + np.exp(-_design(confidence) @ self.coefficients) / odds))

    def estimate(self, confidence: np.ndarray, odds: np.ndarray | float = 1.0) -> Estimate:
        """The share of right answers among (N,) pictures, from their confidence alone, and `odds` as of `chances`.

        Confidence-based performance estimation (Białek et al. 2024): the mean
        chance. The band holds the share that is really right: it has the
        sampling error of these pictures and that of the reference, from which
        the calibration was learned.
        """
        chances = self.chances(confidence, odds)
        spreads = chances * (1 - chances)
        slope = (_design(confidence) * spreads[:, None]).mean(axis=0)
        variance = spreads.sum() / len(chances) ** 2 + slope @ self.covariance @ slope
        value, reach = float(chances.mean()), float(_Z_95 * np.sqrt(variance))
        return Estimate(value, max(0.0, value - reach), min(1.0, value + reach))


def calibrate(
    confidence: np.ndarray, is_right: np.ndarray, weights: np.ndarray | None = None, odds: np.ndarray | float = 1.0
) -> Calibration:
    """Learn the chances from (N,) confidences and whether each answer was right, by Newton's method.

    With `weights` (N,) the pictures count as much as those, all together as
    many as tell as much evenly (Kish 1965); `odds` are as of `chances`. A prior
    holds the line near the identity, since confidence was scaled by a
    temperature before: of a model that is hardly ever wrong, a few mistakes
    would decide alone.
    """
    design, wanted = _design(confidence), is_right.astype(float)
    counted = np.ones(len(wanted)) if weights is None else weights * weights.sum() / np.square(weights).sum()
    identity = np.array([0.0, 1.0])
    coefficients = identity.copy()
    for _ in range(_MOST_STEPS):
        chances = 1 / (1 + np.exp(-design @ coefficients) / odds)
        gradient = design.T @ (counted * (wanted - chances)) - _PRIOR * (coefficients - identity)
        information = (design * (counted * chances * (1 - chances))[:, None]).T @ design + np.diag(_PRIOR)
        step = np.linalg.solve(information, gradient)
        coefficients = coefficients + step
        if np.abs(step).max() < _LEAST:
            break
    return Calibration(coefficients, np.linalg.inv(information))


def _design(confidence: np.ndarray) -> np.ndarray:
    kept = np.clip(confidence.astype(np.float64), _LEAST, 1 - _LEAST)
    return np.column_stack([np.ones_like(kept), np.log(kept / (1 - kept))])
