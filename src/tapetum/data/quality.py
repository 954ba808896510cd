"""Pictures that show too little to learn from, and classes that a single number gives away."""

from collections.abc import Callable
from pathlib import PurePath
from statistics import NormalDist

import numpy as np

from tapetum.data.finding import FEWEST_PICTURES, Finding, Kind
from tapetum.data.looks import FORMAT_OF_SUFFIX, Look, contradicts, format_of
from tapetum.data.sample import Sample

Viewed = tuple[Sample, Look]

# Set by eye on 4,500 photographs of cats and dogs (Asirra); in brackets the lowest value among them.
SHORTEST_SIDE = 32  # pixels (45)
LEAST_CONTRAST = 5.0  # standard deviation of luma (15.7); CIFAR-10's planes in haze have 7.6
LEAST_BRIGHTNESS = 35.0  # mean luma (23.2, and 6 photographs below the bound) ...
# ... whose light parts are dark too, so that a white dog by flashlight is none: 2 of the 6.
LEAST_LIGHT = 85.0  # mean luma and twice its standard deviation (59.1)
# Variance of the Laplacian: of 3,601 photographs, 3 lie below 16 and are blurred; the first sharp one has 18.9.
LEAST_SHARPNESS = 16.0
# What is enlarged before the Laplacian is taken looks soft however sharp it was.
SHARPNESS_NEEDS_SIDE = 256

# Cats from dogs: 0.61 at most. CIFAR-10: 0.73, sharpness of cars. Dogs made 30 % brighter: 0.80.
SHORTCUT_AREA = 0.75
_FALSE_ALARMS = 0.001  # for all classes and statistics of a folder together

_MEASURES: dict[str, Callable[[Look], float]] = {
    "width": lambda look: look.width,
    "height": lambda look: look.height,
    "aspect ratio": lambda look: look.width / look.height,
    "brightness": lambda look: look.brightness,
    "contrast": lambda look: look.contrast,
    "saturation": lambda look: look.saturation,
    "sharpness": lambda look: look.sharpness,
}


def mismatch(path: str, content: bytes) -> list[Finding]:
    """The finding, if any, that a file's first bytes contradict its extension."""
    suffix = PurePath(path).suffix
    if not contradicts(suffix, content):
        return []
    message = f"the file is {format_of(content)} by its content and {FORMAT_OF_SUFFIX[suffix.lower()]} by its name"
    return [Finding("mismatch", [path], f"{message}; rename it")]


def judge(viewed: list[Viewed], file_bytes: dict[str, int] | None = None) -> list[Finding]:
    """Faults of single pictures, then shortcuts; `file_bytes` holds the size of each file by `Sample.path`."""
    return [*_faults(viewed), *shortcuts(viewed, file_bytes)]


def _faults(viewed: list[Viewed]) -> list[Finding]:
    """At most one for each picture: a small, empty or dark one need not be called blurred too."""
    if not viewed:
        return []
    sides = [look.shorter_side for _, look in viewed]
    shortest = _bound(SHORTEST_SIDE, sides)
    contrast = _bound(LEAST_CONTRAST, [look.contrast for _, look in viewed])
    brightness = _bound(LEAST_BRIGHTNESS, [look.brightness for _, look in viewed])
    sharpness = _bound(LEAST_SHARPNESS, [look.sharpness for _, look in viewed])
    found: dict[Kind, list[Finding]] = {"tiny": [], "blank": [], "dark": [], "blurred": []}
    for (sample, look), side in zip(viewed, sides, strict=True):
        kind: Kind
        if side < shortest:
            kind, message = "tiny", f"{look.width}×{look.height} pixels; a side below {shortest:.0f} shows little"
        elif look.contrast < contrast:
            kind, message = "blank", f"almost one colour: contrast {look.contrast:.1f}, below {contrast:.1f}"
        elif look.brightness < brightness and look.brightness + 2 * look.contrast < LEAST_LIGHT:
            kind, message = "dark", f"mean brightness {look.brightness:.0f} of 255, and no light parts"
        elif side >= SHARPNESS_NEEDS_SIDE and look.sharpness < sharpness:
            kind, message = "blurred", f"sharpness {look.sharpness:.1f}, below {sharpness:.1f}"
        else:
            continue
        found[kind].append(Finding(kind, [sample.path], message))
    return [finding for findings in found.values() for finding in findings]


def _bound(usual: float, values: list[float] | list[int]) -> float:
    """Never above half the median: what most pictures of a folder are is its subject, not a fault."""
    return min(usual, float(np.median(values)) / 2)


def shortcuts(viewed: list[Viewed], file_bytes: dict[str, int] | None = None) -> list[Finding]:
    """Classes that one statistic tells from the others, strongest first.

    Measured is the area under the ROC curve of each class against the rest
    (Mann and Whitney 1947): how often a picture of the class has the larger
    value. It is reported from 0.75, and where chance alone would not give it in
    one of 1,000 folders.
    """
    if not viewed or np.median([look.shorter_side for _, look in viewed]) < SHORTEST_SIDE:
        return []  # so few pixels are what the picture shows, not a circumstance of it
    labels, classes = np.unique([sample.label for sample, _ in viewed], return_inverse=True)
    sizes = np.bincount(classes)
    judged = np.flatnonzero(sizes >= FEWEST_PICTURES)
    if len(labels) == 2:
        judged = judged[:1]  # the other class tells the same
    if len(labels) < 2 or not len(judged) or sizes.sum() - sizes.max() < FEWEST_PICTURES:
        return []
    values = {name: np.array([measure(look) for _, look in viewed]) for name, measure in _MEASURES.items()}
    if file_bytes is not None:
        values["file size"] = np.array([file_bytes[sample.path] for sample, _ in viewed])
    own, rest = sizes[judged], sizes.sum() - sizes[judged]
    # Ties only narrow the true deviation, so the bound errs on the quiet side.
    deviation = np.sqrt((own + rest + 1) / (12 * own * rest))
    surprise = NormalDist().inv_cdf(1 - _FALSE_ALARMS / (2 * len(values) * len(judged)))
    bounds = np.maximum(SHORTCUT_AREA, 0.5 + surprise * deviation)
    found: list[tuple[float, Finding]] = []
    for name, column in values.items():
        areas = areas_under_curve(column, classes)[judged]
        for number, area, bound in zip(judged, areas, bounds, strict=True):
            strength = max(area, 1 - area)
            if strength >= bound:
                others = f"of {labels[1]}" if len(labels) == 2 else "of the other classes"
                medians = np.median(column[classes == number]), np.median(column[classes != number])
                found.append((strength, _shortcut(name, str(labels[number]), others, strength, medians)))
    return [finding for _, finding in sorted(found, key=lambda entry: -entry[0])]


def areas_under_curve(values: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """(N,) values and (N,) class numbers -> (K,) areas under the ROC curve of each class against the rest.

    0.5 where the statistic says nothing, 1 where the class always has the
    larger value; equal values count half.
    """
    _, positions, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[positions]
    own = np.bincount(classes)
    sums = np.bincount(classes, weights=ranks)
    return np.asarray((sums - own * (own + 1) / 2) / (own * (len(values) - own)))


def _shortcut(name: str, label: str, others: str, strength: float, medians: tuple[np.floating, np.floating]) -> Finding:
    own, rest = (f"{median:,.0f}" if median >= 10 else f"{median:.2f}" for median in medians)
    relation = "larger" if medians[0] > medians[1] else "smaller"
    return Finding(
        "shortcut",
        [],
        f"{name} tells {label} apart: it is {relation} than in pictures {others} in {strength:.0%} of pairs "
        f"(median {own} against {rest}); a model can learn this in place of what the pictures show",
    )
