"""Where a picture lies among others by what the model sees in it, and how far from all of them."""

from dataclasses import dataclass

import numpy as np

MOST_AXES = 32
LEAST, MOST = 50, 2000
_LEAST_SPREAD = 1e-6
# Of the features' own size: what is less moves when a model is served in bf16 after it was measured in fp32.
_LEAST_SHARE = 0.02


@dataclass(frozen=True)
class Axes:
    """Axes in the space of the model's pooled features, fitted to pictures that nothing is compared with.

    Principal axes fit the pictures that they were computed from better than
    any others; if those were the reference, every window would lie apart from
    it. `centre` (C,), `matrix` (C, d) to whitened coordinates, `back` (d, C)
    out of them, `spread` the root mean square of what the axes leave out, and
    `limit` the distance beyond which a picture is unlike the training data.
    """

    centre: np.ndarray
    matrix: np.ndarray
    back: np.ndarray
    spread: float
    limit: float = 1.0

    def place(self, features: np.ndarray) -> np.ndarray:
        """(N, C) -> (N, d) whitened coordinates, float32."""
        return np.asarray((features - self.centre) @ self.matrix, np.float32)

    def strangeness(self, features: np.ndarray) -> np.ndarray:
        """(N, C) -> (N,) distance from the centre, Mahalanobis' within the axes and beside them; 1 at the limit."""
        moved = features - self.centre
        places = moved @ self.matrix
        beside = np.square(moved - places @ self.back).sum(axis=1) / self.spread**2
        depth = self.matrix.shape[1]
        return np.asarray(np.sqrt(np.square(places).sum(axis=1) / depth + beside) / self.limit, np.float32)


def fit(features: np.ndarray) -> Axes:
    """The principal axes of (N, C) features, up to 32 and a fifth of N, without a limit; 2,000 pictures are enough."""
    if len(features) > MOST:
        features = features[np.random.default_rng(0).permutation(len(features))[:MOST]]
    features = features.astype(np.float64)
    centre = features.mean(axis=0)
    moved = features - centre
    _, lengths, directions = np.linalg.svd(moved, full_matrices=False)
    spreads = lengths / np.sqrt(len(features))
    least = max(_LEAST_SPREAD, _LEAST_SHARE * float(np.sqrt(np.square(features).mean())))
    depth = min(MOST_AXES, max(1, len(features) // 5), max(1, int((spreads > least).sum())))
    kept = np.maximum(spreads[:depth], _LEAST_SPREAD)
    back = kept[:, None] * directions[:depth]
    matrix = directions[:depth].T / kept
    beside = np.square(moved - (moved @ matrix) @ back).sum(axis=1)
    spread = float(max(np.sqrt(beside.mean()), _LEAST_SPREAD))
    return Axes(centre.astype(np.float32), matrix.astype(np.float32), back.astype(np.float32), spread)
