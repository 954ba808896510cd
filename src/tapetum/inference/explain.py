"""Heat maps: where in a picture a model sees a class. One function for service and report, without torch."""

from dataclasses import dataclass
from math import inf
from time import perf_counter
from typing import TYPE_CHECKING, Literal

import numpy as np
from PIL import Image

from tapetum import image
from tapetum.errors import DeadlinePassed
from tapetum.inference.predictor import Predictor
from tapetum.scores import softmax

if TYPE_CHECKING:
    from tapetum.inference.cut import Cut

Method = Literal["grad-cam", "occlusion"]

LEAST_SIDE = 4  # of a feature map, in cells; a coarser one hardly says where
_SIDE = 8  # of the map that occlusion makes
_WINDOW = 2  # side of what it hides at once, in cells
LOOKS = (_SIDE - _WINDOW + 1) ** 2  # at a picture, for a map by occlusion
_STEP = 0.05  # of the mean feature: small beside what a head tells apart, large beside rounding in fp32
_MOST_ROWS = 256


@dataclass(frozen=True)
class Explanation:
    """Why a picture was taken for `label`.

    `evidence` is float32 (h, w): by how much each cell of a grid over the
    picture raises the log odds of the label, below 0 where it lowers them.
    The grid covers `box` (left, top, right, bottom, as shares of width and
    height), which is what the model saw. `probabilities` are (K,).
    """

    label: str
    method: Method
    probabilities: np.ndarray
    evidence: np.ndarray
    box: tuple[float, float, float, float]

    @property
    def heat(self) -> np.ndarray:
        """float32 (h, w) from 0 to 1, the most; what speaks against the label is 0, as is all where nothing speaks."""
        raised = np.maximum(self.evidence, 0)
        return np.asarray(raised / (raised.max() or 1), np.float32)

    def over(self, size: tuple[int, int]) -> np.ndarray:
        """The heat on a picture of `size` (width, height): float32 (height, width), 0 where the model did not look."""
        left, top, right, bottom = (round(share * side) for share, side in zip(self.box, (*size, *size), strict=True))
        inner = max(1, right - left), max(1, bottom - top)
        canvas = Image.new("F", size)
        canvas.paste(Image.fromarray(self.heat).resize(inner, Image.Resampling.BILINEAR), (left, top))
        return np.asarray(canvas)


def explain(predictor: Predictor, picture: Image.Image, label: str | None = None, within_s: float = inf) -> Explanation:
    """The evidence for `label`, or for the label predicted, in an RGB picture of any size.

    Grad-CAM (Selvaraju et al. 2017) where a head reads the means of a feature
    map: one look, and a batch of small differences through the head. Occlusion
    (Zeiler & Fergus 2014) for other models and for maps below 4×4: LOOKS at
    the picture with a part of it hidden. Raises DeadlinePassed where that takes
    longer than `within_s`, ValueError for a label that is none of the bundle's.
    """
    started = perf_counter()
    facts = predictor.bundle.facts
    array = image.to_array(picture, facts.preprocess)
    logits = predictor.engine.infer(array[None]).logits
    target = int(logits.argmax()) if label is None else facts.labels.index(label)
    cut = predictor.cut
    if cut is not None and min(cut.size) >= LEAST_SIDE:
        method: Method = "grad-cam"
        evidence = _grad_cam(cut, array, target)
    else:
        method = "occlusion"
        evidence = _occlude(predictor, array, logits, target, started + within_s)
    return Explanation(
        label=facts.labels[target],
        method=method,
        probabilities=softmax(logits, facts.temperature)[0],
        evidence=evidence.astype(np.float32),
        box=image.kept(picture.size, facts.preprocess),
    )


def log_odds(logits: np.ndarray, target: int) -> np.ndarray:
    """(N, K) logits -> (N,): the logarithm of a class's probability by that of all others together."""
    logits = logits.astype(np.float64)
    return np.asarray(logits[:, target] - np.logaddexp.reduce(np.delete(logits, target, axis=1), axis=1))


def gradient(cut: "Cut", features: np.ndarray, target: int) -> np.ndarray:
    """How the log odds of a class change with each pooled feature, (C,): exact for a linear head but for rounding."""
    step = _STEP * float(np.abs(features).mean() or 1)
    slopes = []
    for start in range(0, len(features), _MOST_ROWS):
        nudges = step * np.eye(len(features), dtype=np.float32)[start : start + _MOST_ROWS]
        above, below = (log_odds(cut.judge(features + nudge), target) for nudge in (nudges, -nudges))
        slopes.append((above - below) / (2 * step))
    return np.concatenate(slopes)


def _grad_cam(cut: "Cut", array: np.ndarray, target: int) -> np.ndarray:
    """Every cell has the same weights, those of the head, since it feeds the means: so the map is without ambiguity."""
    seen = cut.see(array)
    channels, height, width = seen.feature_map.shape
    weights = gradient(cut, seen.features, target) / (height * width)
    return np.asarray((weights @ seen.feature_map.reshape(channels, -1)).reshape(height, width))


def _occlude(predictor: Predictor, array: np.ndarray, logits: np.ndarray, target: int, until: float) -> np.ndarray:
    """Hide the picture window by window under its mean colour; a cell has the mean of what its windows cost."""
    ways = [np.linspace(0, side, min(_SIDE, side) + 1).round().astype(int) for side in array.shape[:2]]
    cells = [len(way) - 1 for way in ways]
    spans = [min(_WINDOW, number) for number in cells]
    places = [(row, column) for row in range(cells[0] - spans[0] + 1) for column in range(cells[1] - spans[1] + 1)]
    colour = array.mean(axis=(0, 1)).round().astype(np.uint8)
    cost, windows = np.zeros(cells), np.zeros(cells)
    for done, (row, column) in enumerate(places):
        if perf_counter() > until:
            raise DeadlinePassed(
                f"the heat map takes {len(places)} looks at the picture, and time was up after {done}: allow more time"
            )
        hidden = array.copy()
        bottom, right = row + spans[0], column + spans[1]
        hidden[ways[0][row] : ways[0][bottom], ways[1][column] : ways[1][right]] = colour
        left = predictor.engine.infer(hidden[None]).logits
        cost[row:bottom, column:right] += (log_odds(logits, target) - log_odds(left, target))[0]
        windows[row:bottom, column:right] += 1
    return cost / windows
