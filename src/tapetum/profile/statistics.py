"""What is compared between a reference and a window, as means over pictures: shares of bins, and a feature map."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tapetum.profile.traits import Traits

BINS = 10
FREQUENCIES = 128
_LEAST_IN_GROUP = 10
_PAIRS = 500
_SEED = 0
_BLANK = "is_blank"
FEATURES = "features"
NAMES = (*Traits._fields, "class", "confidence", "margin", "unlike", FEATURES)


@dataclass(frozen=True)
class Seen:
    """Pictures as a profile sees them, row by row.

    `traits` (N, 8); `answers` (N,) class numbers; `confidence` and `margin`
    (N,); `places` (N, d) on the profile's axes; `strangeness` (N,), above 1
    where a picture is unlike the training data.
    """

    traits: np.ndarray
    answers: np.ndarray
    confidence: np.ndarray
    margin: np.ndarray
    places: np.ndarray
    strangeness: np.ndarray

    def __len__(self) -> int:
        return len(self.answers)

    def rows(self, chosen: np.ndarray) -> "Seen":
        """Some of them."""
        return Seen(*(getattr(self, name)[chosen] for name in self.__dataclass_fields__))


class Statistics:
    """The bins and the feature map that a reference fixes; each is a mean over pictures, so a window adds up.

    Numbers fall into up to ten bins of equal share of the reference, classes into
    bins of their own unless they are rare. What the model sees becomes random
    Fourier features of a Gaussian kernel as wide as the median distance
    (Rahimi and Recht 2007), whose means lie apart by the maximum mean
    discrepancy (Gretton et al. 2012).
    """

    def __init__(self, reference: Seen, n_classes: int) -> None:
        self._edges = [
            np.unique(np.quantile(values, np.arange(1, BINS) / BINS))
            for values in reference.traits[:, [name != _BLANK for name in Traits._fields]].T
        ]
        self._edges += [_of_shares(values) for values in (reference.confidence, reference.margin)]
        self._groups = _grouped(np.bincount(reference.answers, minlength=n_classes))
        rng = np.random.default_rng(_SEED)
        depth = reference.places.shape[1]
        pairs = rng.integers(0, len(reference), (2, _PAIRS))
        width = np.median(np.linalg.norm(reference.places[pairs[0]] - reference.places[pairs[1]], axis=1))
        self._frequencies = (rng.normal(size=(depth, FREQUENCIES)) / max(float(width), 1e-6)).astype(np.float32)

    @cached_property
    def slices(self) -> dict[str, slice]:
        """Which columns belong to which statistic, in order of NAMES."""
        numbers = iter(self._edges)
        widths = [
            2 * FREQUENCIES
            if name == FEATURES
            else int(self._groups.max()) + 1
            if name == "class"
            else 2
            if name in (_BLANK, "unlike")
            else len(next(numbers)) + 1
            for name in NAMES
        ]
        ends = np.cumsum(widths)
        return {name: slice(end - width, end) for name, width, end in zip(NAMES, widths, ends, strict=True)}

    def of(self, seen: Seen) -> np.ndarray:
        """Float32 (N, A): of each picture the bins that it falls into, and its features; unknown traits are in none."""
        columns = np.zeros((len(seen), list(self.slices.values())[-1].stop), np.float32)
        traits = dict(zip(Traits._fields, seen.traits.T, strict=True))
        numbers = {name: values for name, values in traits.items() if name != _BLANK}
        numbers |= {"confidence": seen.confidence, "margin": seen.margin}
        bins = {
            name: np.where(np.isnan(values), -1, np.searchsorted(edges, values, side="right"))
            for (name, values), edges in zip(numbers.items(), self._edges, strict=True)
        }
        bins |= {_BLANK: (traits[_BLANK] > 0.5).astype(int), "unlike": (seen.strangeness > 1).astype(int)}
        bins |= {"class": self._groups[seen.answers]}
        for name, numbered in bins.items():
            known = np.flatnonzero(numbered >= 0)
            columns[known, self.slices[name].start + numbered[known]] = 1
        angles = seen.places @ self._frequencies
        columns[:, self.slices[FEATURES]] = np.hstack([np.cos(angles), np.sin(angles)]) / np.sqrt(FREQUENCIES)
        return columns

    def distances(self, sums: np.ndarray, count: int, other: np.ndarray, other_count: int) -> np.ndarray:
        """How far each of R samples lies from each of W: (R, W, 13), of their sums over pictures, (R, A) and (W, A).

        Population stability of each statistic, and the squared maximum mean
        discrepancy of the features; 0 where a side knows nothing.
        """
        found = []
        for name, place in self.slices.items():
            ours, theirs = sums[:, place], other[:, place]
            if name == FEATURES:
                found.append(_squared(ours.astype(float) / count, theirs.astype(float) / other_count))
            else:
                found.append(stability(ours, theirs))
        return np.stack(found, axis=-1)

    def sizes(self, sums: np.ndarray, count: int) -> np.ndarray:
        """(13,): of how many pictures each statistic is known."""
        return np.array(
            [count if name == FEATURES else float(sums[place].sum()) for name, place in self.slices.items()]
        )


def _of_shares(values: np.ndarray) -> np.ndarray:
    """Edges at whole points, 0.99 at most: what is finer moves when a model is served in another precision."""
    deciles = np.quantile(values, np.arange(1, BINS) / BINS)
    return np.unique(np.clip(np.floor(100 * deciles) / 100, 0, 0.99))


def stability(counts: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Population stability index (R, W) of counts (R, B) and (W, B), with half a picture more in each bin."""
    ours, theirs = (part + 0.5 for part in (counts.astype(float), others.astype(float)))
    ours /= ours.sum(axis=1, keepdims=True)
    theirs /= theirs.sum(axis=1, keepdims=True)
    # Σ (p - q) (ln p - ln q), as products of matrices: a null distribution takes half a million of them.
    within = (ours * np.log(ours)).sum(axis=1)[:, None] + (theirs * np.log(theirs)).sum(axis=1)
    return np.asarray(np.maximum(within - ours @ np.log(theirs).T - np.log(ours) @ theirs.T, 0))


def _squared(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """Squared distance (R, W) of points (R, B) and (W, B)."""
    within = np.square(ours).sum(axis=1)[:, None] + np.square(theirs).sum(axis=1)
    return np.asarray(np.maximum(within - 2 * ours @ theirs.T, 0))


def _grouped(counts: np.ndarray) -> np.ndarray:
    """(K,) pictures by class -> (K,) bins: classes too rare for one of their own share it with their neighbours.

    In the order of the labels: were they ranked by how often the reference has
    them, those that it has by chance more often would stand together, and any
    window would have fewer.
    """
    groups = np.zeros(len(counts), int)
    group, held = 0, 0
    for label, count in enumerate(counts):
        groups[label] = group
        held += int(count)
        if held >= _LEAST_IN_GROUP:
            group, held = group + 1, 0
    return np.minimum(groups, max(0, group - 1))  # what is left at the end is too little as well
