"""Has what the service sees drifted from its reference, and what does that cost? One verdict for service and folder."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from tapetum.profile import mix as mixes
from tapetum.profile.accuracy import Calibration, Estimate, calibrate
from tapetum.profile.mix import Mix
from tapetum.profile.null import FALSE_ALARM_RATE
from tapetum.profile.overlap import Gap, alike, gap, possible_bias
from tapetum.profile.reference import Reference
from tapetum.profile.statistics import NAMES, Seen
from tapetum.profile.traits import Traits

LEAST_WINDOW = 500
LOSS = 0.03
MOST_BIAS = 0.03
MOST_LOSS_TOLD = 0.05
MOST_UNLIKE = 0.05
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
    truth: float | None = Field(
        description="Estimated share of pictures that are of this class; null unless another mix of classes explains "
        "what the model sees."
    )
    accuracy: Share | None = Field(description="Estimated share of right ones among these; null as for accuracy.")


class Verdict(_Told):
    """What a window tells."""

    pictures: int
    grade: Grade = Field(description="none; drift; or loss, drift that costs 3 points of accuracy or more.")
    drifted: list[str] = Field(description="Statistics beyond their thresholds.")
    false_alarm_rate: float = Field(description="How often clean windows have any at most, over all together.")
    distances: dict[str, Distance]
    unlike_share: float = Field(description="Share of pictures unlike the training data; 0.01 in the reference.")
    reference_accuracy: float
    accuracy: Share | None = Field(description="Estimated from confidence; null where that says why not.")
    accuracy_at_most: float = Field(
        description="The upper bound of the estimate, which holds where it has no value too."
    )
    loss_at_least: float = Field(description="Estimated loss of accuracy against the reference; below 0 is a gain.")
    possible_bias: float = Field(
        description="By how much the estimate may be off, since what the model sees lies apart from the reference's "
        "pictures that were answered alike; above 0.03 no accuracy is told."
    )
    doubt: str | None = Field(description="Why accuracy cannot be told from confidence here; null where it can.")
    classes: dict[str, ClassOf]


def compare(reference: Reference, window: Seen, labels: Sequence[str]) -> Verdict:
    """The verdict on a window, which should have 500 pictures or more.

    What is controlled: of windows of pictures that are independent draws from
    the distribution that the reference was drawn from, one in a hundred at
    most has any statistic beyond its threshold, which holds of 99 references
    in 100. Windows that overlap are no more independent than the pictures in
    them.
    """
    statistics, columns = reference.statistics, reference.columns
    seen = statistics.of(window)
    ours, theirs = columns.sum(axis=0), seen.sum(axis=0)
    sizes, other_sizes = statistics.sizes(ours, len(columns)), statistics.sizes(theirs, len(seen))
    values = statistics.distances(ours[None], len(columns), theirs[None], len(seen))[0, 0]
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
    mix = _mix(reference, window, seen) if "class" in drifted else None
    calibration, odds = _calibration(reference, mix)
    estimate = calibration.estimate(window.confidence, odds[window.answers])
    loss = right - estimate.value
    guessed = max(0.0, unlike - usual) * (right - 1 / reference.n_classes)
    apart = gap(reference, seen, alike(reference, window))
    bias = possible_bias(reference, apart)
    doubt = _doubt(apart, bias, unlike, loss)
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
        possible_bias=bias,
        doubt=doubt,
        classes=_classes(reference, window, labels, mix, None if doubt else (calibration, odds)),
    )


def _mix(reference: Reference, window: Seen, columns: np.ndarray) -> Mix | None:
    """The mix of classes of a window, where that is why the model sees other things; None where it is not.

    That the answers are others alone does not say so: in the dark, say, all may be taken for one class.
    """
    mix = mixes.estimate(reference.truth, reference.seen.answers, window.answers, reference.n_classes)
    mixed = gap(reference, columns, mix.weights[reference.truth])
    usual = gap(reference, columns, np.ones(len(reference.seen)))
    return mix if not mixed.is_wide or mixed.true <= usual.true / 2 else None


def _calibration(reference: Reference, mix: Mix | None) -> tuple[Calibration, np.ndarray]:
    """That of the reference, mixed as the window is, and by answer (K,) how the odds to be right have changed."""
    if mix is None:
        return reference.calibration, np.ones(reference.n_classes)
    seen, truth = reference.seen, reference.truth
    return calibrate(seen.confidence, reference.is_right, mix.weights[truth], mix.odds[seen.answers]), mix.odds


def _doubt(apart: Gap, bias: float, unlike: float, loss: float) -> str | None:
    """Why confidence does not tell accuracy here; None where it does."""
    if unlike > MOST_UNLIKE:
        return f"{unlike:.0%} of the pictures are unlike the training data, and confidence in them means little"
    if bias > MOST_BIAS:
        return (
            "the model sees other things in them than in the pictures it was calibrated on, and the estimate may be "
            f"{100 * bias:.0f} points off"
        )
    if loss > MOST_LOSS_TOLD and apart.is_wide:
        return (
            f"confidence fell by {100 * loss:.0f} points among pictures that look otherwise than those it was "
            "calibrated on: where that is so, accuracy falls further than confidence tells"
        )
    return None


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


def _classes(
    reference: Reference,
    window: Seen,
    labels: Sequence[str],
    mix: Mix | None,
    told_by: tuple[Calibration, np.ndarray] | None,
) -> dict[str, ClassOf]:
    found = {}
    for number, label in enumerate(labels):
        own = window.answers == number
        estimate = None
        if told_by is not None and own.any():
            calibration, odds = told_by
            estimate = calibration.estimate(window.confidence[own], odds[number])
        found[label] = ClassOf(
            reference=float((reference.seen.answers == number).mean()),
            window=float(own.mean()),
            truth=None if mix is None else float(mix.shares[number]),
            accuracy=None if estimate is None else _share(estimate),
        )
    return found


def _share(estimate: Estimate) -> Share:
    return Share(value=estimate.value, low=estimate.low, high=estimate.high)
