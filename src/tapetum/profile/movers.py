"""Which pictures of a window move it away from the reference most."""

from collections.abc import Collection

import numpy as np

from tapetum.profile.reference import Reference
from tapetum.profile.statistics import FEATURES, Seen


def rank(reference: Reference, window: Seen, drifted: Collection[str]) -> np.ndarray:
    """Rows of the window, first the one that moves the drifted statistics most; the strangest where none has drifted.

    A picture moves an index by how much more frequent its bin is in the window
    than in the reference, and the features by the witness of the discrepancy
    there (Gretton et al. 2012); each statistic weighs the same.
    """
    if not drifted:
        return np.argsort(-window.strangeness, kind="stable")
    ours, theirs = reference.columns, reference.statistics.of(window)
    moved = np.zeros(len(window))
    for name in drifted:
        place = reference.statistics.slices[name]
        before, after, own = ours[:, place].mean(axis=0), theirs[:, place].mean(axis=0), theirs[:, place]
        pull = after - before if name == FEATURES else np.log((after + 1e-3) / (before + 1e-3))
        found = own @ pull
        moved += (found - found.mean()) / max(float(found.std()), 1e-9)
    return np.argsort(-moved, kind="stable")
