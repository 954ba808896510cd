"""Another mix of classes than the reference has: how it shows in answers alone, and what it does to being right."""

from dataclasses import dataclass

import numpy as np

_STEPS = 100
_LEAST = 1e-9


@dataclass(frozen=True)
class Mix:
    """True classes among the pictures of a window: `shares` (K,), and `weights` (K,) beside the reference's shares.

    `odds` (K,) is by how much the odds to be right change for each answer.
    """

    shares: np.ndarray
    weights: np.ndarray
    odds: np.ndarray


def estimate(truth: np.ndarray, answers: np.ndarray, window: np.ndarray, n_classes: int) -> Mix:
    """The mix of a window from its answers (M,) and from the true classes (N,) and answers (N,) of a reference.

    Under label shift pictures of a class are answered as they were before, so
    the shares of the answers follow from those of the classes through the
    confusion of the reference (Lipton et al. 2018); they are found by
    expectation maximisation (Saerens et al. 2002), so that none is below 0.
    Among pictures with one answer, the odds to be right change as the class
    answered does beside those that it is taken for.
    """
    counts = np.zeros((n_classes, n_classes))
    np.add.at(counts, (answers, truth), 1)
    of_each = counts.sum(axis=0)
    usual = of_each / len(truth)
    answered = counts / np.maximum(of_each, 1)
    wanted = np.bincount(window, minlength=n_classes) / len(window)
    shares = usual.copy()
    for _ in range(_STEPS):
        shares = shares * (answered.T @ (wanted / np.maximum(answered @ shares, _LEAST)))
        shares = shares / max(float(shares.sum()), _LEAST)
    weights = shares / np.maximum(usual, _LEAST)
    wrong = counts - np.diag(np.diag(counts))
    # One more mistake of weight 1, lest there be none to compare with.
    mistaken = (wrong @ weights + 1) / (wrong.sum(axis=1) + 1)
    return Mix(shares, weights, np.maximum(weights / mistaken, _LEAST))
