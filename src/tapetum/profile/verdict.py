"""Has what the service sees drifted from its reference, and what does that cost? One verdict for service and folder."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from tapetum.profile.accuracy import Estimate
from tapetum.profile.null import FALSE_ALARM_RATE
from tapetum.profile.reference import Reference
from tapetum.profile.statistics import FEATURES, NAMES, Seen
from tapetum.profile.traits import Traits

LEAST_WINDOW = 500
LOSS = 0.03
MOST_LOSS_TOLD = 0.05
MOST_UNLIKE = 0.05
_BINS = 5
Grade = Literal["none", "drift", "loss"]


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True)


class Distance(_Told):
    """How far the window lies from the reference in one statistic."""

    value: float | None = Field(
        description="Population stability index; of features the squared maximum mean discrepancy; null if unknown."
    )
    threshold: float = Field(description="Drift begins above it.")
    is_drifted: bool
    reference: float | None = Field(description="Mean of the reference; null where there is none.")
    window: float | None = Field(description="Mean of the window.")


class Share(_Told):
    """A share of right answers, and the bounds of its 95 % band."""

    value: float
    low: float
    high: float


class ClassOf(_Told):
    """One class among the answers."""

    reference: float = Field(description="Its share of the answers in the reference.")
    window: float = Field(description="The same in the window.")
    accuracy: Share | None = Field(description="Estimated share of right ones among these; null as for accuracy.")


class Verdict(_Told):
    """What a window tells."""

    pictures: int
    grade: Grade = Field(description="none; drift; or loss, drift that costs 3 points of accuracy or more.")
    drifted: list[str] = Field(description="Statistics beyond their thresholds.")
    false_alarm_rate: float = Field(description="How often a clean window has any, over all statistics together.")
    distances: dict[str, Distance]
    unlike_share: float = Field(description="Share of pictures unlike the training data; 0.01 in the reference.")
    reference_accuracy: float
    accuracy: Share | None = Field(description="Estimated from confidence; null where that says why not.")
    accuracy_at_most: float = Field(
        description="The upper bound of the estimate, which holds where it has no value too."
    )
    loss_at_least: float = Field(description="Estimated loss of accuracy against the reference; below 0 is a gain.")
    doubt: str | None = Field(description="Why accuracy cannot be told from confidence here; null where it can.")
    classes: dict[str, ClassOf]


def compare(reference: Reference, window: Seen, labels: Sequence[str]) -> Verdict:
    """The verdict on a window, which should have 500 pictures or more.

    What is controlled: of windows of pictures that are independent draws from
    the distribution that the reference was drawn from, one in a hundred has
    any statistic beyond its threshold, over reference and window both. Given
    one reference the rate is somewhat above or below that. Windows that
    overlap are no more independent than the pictures in them.
    """
    statistics, columns = reference.statistics, reference.columns
    seen = statistics.of(window)
    ours, theirs = columns.sum(axis=0), seen.sum(axis=0)
    sizes, other_sizes = statistics.sizes(ours, len(columns)), statistics.sizes(theirs, len(seen))
    values = statistics.distances(ours, len(columns), theirs, len(seen))
    thresholds = reference.null.thresholds(sizes, other_sizes)
    means, other_means = _means(reference.seen), _means(window)
    distances = {
        name: Distance(
            value=float(value) if known else None,
            threshold=float(threshold),
            is_drifted=bool(known and value > threshold),
            reference=means.get(name),
            window=other_means.get(name) if known else None,
        )
        for name, value, threshold, known in zip(NAMES, values, thresholds, other_sizes > 0, strict=True)
    }
    drifted = [name for name, distance in distances.items() if distance.is_drifted]
    unlike = float((window.strangeness > 1).mean())
    usual = float((reference.seen.strangeness > 1).mean())
    right = float(reference.is_right.mean())
    estimate = reference.calibration.estimate(window.confidence)
    loss = right - estimate.value
    guessed = max(0.0, unlike - usual) * (right - 1 / reference.n_classes)
    doubt = _doubt(reference, window, seen, distances[FEATURES].threshold, unlike, loss)
    return Verdict(
        pictures=len(window),
        grade="none" if not drifted else "loss" if max(loss, guessed) >= LOSS else "drift",
        drifted=drifted,
        false_alarm_rate=FALSE_ALARM_RATE,
        distances=distances,
        unlike_share=unlike,
        reference_accuracy=right,
        accuracy=None if doubt else _share(estimate),
        accuracy_at_most=estimate.high,
        loss_at_least=max(loss, guessed),
        doubt=doubt,
        classes=_classes(reference, window, labels, doubt is None),
    )


def _doubt(
    reference: Reference, window: Seen, seen: np.ndarray, threshold: float, unlike: float, loss: float
) -> str | None:
    """Why confidence does not tell accuracy here; None where it does."""
    if unlike > MOST_UNLIKE:
        return f"{unlike:.0%} of the pictures are unlike the training data, and confidence in them means little"
    if loss > MOST_LOSS_TOLD and _apart(reference, window, seen) > threshold:
        return (
            f"confidence fell by {100 * loss:.0f} points among pictures that look otherwise than those it was "
            "calibrated on: where that is so, accuracy falls further than confidence tells"
        )
    return None


def _apart(reference: Reference, window: Seen, seen: np.ndarray) -> float:
    """How far features lie apart among pictures answered alike: the reference is weighed as the window's answers are.

    So another mix of classes, or more of the hard pictures that the reference
    has as well, is no distance.
    """
    edges = np.quantile(reference.seen.confidence, np.arange(1, _BINS) / _BINS)
    cells = [_BINS * part.answers + np.searchsorted(edges, part.confidence) for part in (reference.seen, window)]
    counts, wanted = (np.bincount(numbers, minlength=_BINS * reference.n_classes) for numbers in cells)
    weights = (wanted / np.maximum(counts, 1))[cells[0]]
    place = reference.statistics.slices[FEATURES]
    usual = weights @ reference.columns[:, place] / max(weights.sum(), 1e-9)
    return float(np.square(usual - seen[:, place].mean(axis=0)).sum())


def _means(seen: Seen) -> dict[str, float]:
    """Of the statistics that have one."""
    known = ~np.isnan(seen.traits)
    sums = np.where(known, seen.traits, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    means = dict(zip(Traits._fields, sums.tolist(), strict=True))
    return means | {
        "confidence": float(seen.confidence.mean()),
        "margin": float(seen.margin.mean()),
        "unlike": float((seen.strangeness > 1).mean()),
    }


def _classes(reference: Reference, window: Seen, labels: Sequence[str], is_told: bool) -> dict[str, ClassOf]:
    found = {}
    for number, label in enumerate(labels):
        own = window.answers == number
        estimate = reference.calibration.estimate(window.confidence[own]) if is_told and own.any() else None
        found[label] = ClassOf(
            reference=float((reference.seen.answers == number).mean()),
            window=float(own.mean()),
            accuracy=None if estimate is None else _share(estimate),
        )
    return found


def _share(estimate: Estimate) -> Share:
    return Share(value=estimate.value, low=estimate.low, high=estimate.high)
