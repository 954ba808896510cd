"""The verdict of the service on a folder of pictures, and what it says in words."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tapetum import bundle as bundles
from tapetum import machine
from tapetum.bundle import Facts
from tapetum.errors import BundleError, DataError, PictureError
from tapetum.evaluation.report import table
from tapetum.inference.engine import open_engine
from tapetum.inference.predictor import Predictor
from tapetum.profile import reference as references
from tapetum.profile.movers import rank
from tapetum.profile.reference import Reference, seen_of
from tapetum.profile.statistics import Seen
from tapetum.profile.verdict import LEAST_WINDOW, Distance, Share, Verdict, compare
from tapetum.progress import Advance, silent

LEAST_PICTURES = 100


@dataclass(frozen=True)
class Drifted:
    """A folder beside a bundle's profile: `files` are those that were read, those that moved it most first."""

    facts: Facts
    reference: Reference
    window: Seen
    verdict: Verdict
    files: list[Path]
    answers: list[str]
    unreadable: int


def measure(path: Path, files: Sequence[Path], engine: str = "openvino", advance: Advance = silent) -> Drifted:
    """Look at files as the service does. Raises BundleError without a profile, DataError below 100 pictures."""
    bundle = bundles.load(path)
    reference = references.load(bundle)
    if reference is None:
        raise BundleError(
            f"{path} has no profile to compare with: `tapetum train` makes one where the validation part has "
            f"{references.LEAST} pictures, and so does `tapetum evaluate` of a draft"
        )
    predictor = Predictor(bundle, open_engine(engine, bundle, streams=machine.cores()), axes=reference.axes)
    rows, shares, read = [], [], []
    for number, (file, result) in enumerate(
        zip(files, predictor.predict_files(files, machine.cores()), strict=True), start=1
    ):
        advance("look at pictures", number, len(files))
        if not isinstance(result, PictureError):
            assert result.sight is not None, "the predictor has axes"
            rows.append(result.sight.row)
            shares.append(result.probabilities)
            read.append(file)
    if len(read) < LEAST_PICTURES:
        raise DataError(
            f"{len(read)} of {len(files)} files are pictures: at least {LEAST_PICTURES} are needed, "
            f"and {LEAST_WINDOW} for what is promised of false alarms"
        )
    window = seen_of(np.array(rows), np.array(shares))
    verdict = compare(reference, window, bundle.facts.labels)
    order = rank(reference, window, verdict.drifted)
    answers = [bundle.facts.labels[number] for number in window.answers[order]]
    moved = [read[row] for row in order]
    return Drifted(bundle.facts, reference, window.rows(order), verdict, moved, answers, len(files) - len(read))


def text(found: Drifted) -> str:
    """For a terminal."""
    rows = [
        [name.replace("_", " "), figure(entry.value), figure(entry.threshold), mark(entry)]
        for name, entry in found.verdict.distances.items()
    ]
    lines = [*conclusions(found), "", table(["statistic", "distance", "threshold", ""], rows), ""]
    return "\n".join([*lines, *(sentence(found, name) for name in found.verdict.drifted)])


def figure(value: float | None) -> str:
    """A distance or a threshold."""
    return "–" if value is None else f"{value:.4f}"


def mark(distance: Distance) -> str:
    """A word for it."""
    return "unknown" if distance.value is None else "drifted" if distance.is_drifted else ""


def conclusions(found: Drifted) -> list[str]:
    """What it comes to, in a few sentences."""
    verdict = found.verdict
    said = {
        "none": "No drift: these pictures are to the model as those of its profile.",
        "drift": f"Drift, and no loss of accuracy that would show: {', '.join(verdict.drifted)}.",
        "loss": f"Drift that costs accuracy, {100 * verdict.loss_at_least:.1f} points or more: "
        f"{', '.join(verdict.drifted)}.",
    }
    lines = [said[verdict.grade].replace("_", " ")]
    if verdict.accuracy is not None:
        told = f"Estimated accuracy {estimated(verdict.accuracy)}"
    else:
        told = f"Accuracy is {verdict.accuracy_at_most:.1%} at most, and no estimate is given: {verdict.doubt}"
    lines.append(f"{told}; {verdict.reference_accuracy:.1%} in the profile.")
    lines += _mix(found)
    lines.append(
        f"{verdict.pictures:,} pictures, {verdict.unlike_share:.1%} of them unlike the training data; "
        f"{found.unreadable:,} files could not be read."
    )
    if verdict.pictures < LEAST_WINDOW:
        lines.append(
            f"With fewer than {LEAST_WINDOW} pictures false alarms are more frequent than the "
            f"{verdict.false_alarm_rate:.0%} that is stated, and estimates are rough."
        )
    return lines


def _mix(found: Drifted) -> list[str]:
    """That there is another mix of classes, which the estimate takes into account."""
    shares = {label: entry.truth for label, entry in found.verdict.classes.items() if entry.truth is not None}
    if not shares:
        return []
    truth = found.reference.truth
    usual = {label: float((truth == number).mean()) for number, label in enumerate(found.facts.labels)}
    label = max(shares, key=lambda label: abs(shares[label] - usual[label]))
    return [
        f"Another mix of classes explains it: some {shares[label]:.0%} are {label}, {usual[label]:.0%} in the profile."
    ]


def estimated(share: Share) -> str:
    """A share with its band."""
    return f"{share.value:.1%} [{share.low:.1%}, {share.high:.1%}]"


_WORDS = {
    "width": ("wider", "narrower"),
    "height": ("taller", "lower"),
    "detail": ("more detailed or noisier", "smoother"),
    "brightness": ("brighter", "darker"),
    "contrast": ("richer in contrast", "flatter"),
    "warmth": ("redder", "bluer"),
    "greenness": ("greener", "less green"),
    "is_blank": ("more often blank", "less often blank"),
    "confidence": ("answered with more confidence", "answered with less confidence"),
    "margin": ("answered more clearly", "answered less clearly"),
    "unlike": ("more often unlike the training data", "less often unlike the training data"),
}


def sentence(found: Drifted, name: str) -> str:
    """What one statistic says, in words."""
    entry = found.verdict.distances[name]
    if entry.value is None:
        return f"{name}: unknown of these pictures."
    if name == "features":
        return f"Features: what the model sees is {'not what it saw' if entry.is_drifted else 'as'} in the profile."
    if name == "class":
        label, shares = max(found.verdict.classes.items(), key=lambda item: abs(item[1].window - item[1].reference))
        return f"Class: {shares.window:.1%} of the answers are {label}, {shares.reference:.1%} in the profile."
    assert entry.reference is not None
    assert entry.window is not None
    title = name.replace("_", " ").capitalize()
    here, there = shown(name, entry.window), shown(name, entry.reference)
    means = f"{here} on average, {there} in the profile."
    if not entry.is_drifted:
        return f"{title}: {means}"
    more, less = _WORDS[name]
    how = "otherwise spread" if here == there else more if entry.window > entry.reference else less
    return f"{title}: pictures are {how}, {means}"


def shown(name: str, value: float) -> str:
    """A mean with its unit."""
    if name in ("width", "height"):
        return f"{2**value:.0f} pixels"
    if name == "detail":
        return f"{2**value:.1f} levels from pixel to pixel"
    if name in ("brightness", "contrast", "warmth", "greenness"):
        return f"{round(value)} of 255"
    return f"{value:.1%}"
