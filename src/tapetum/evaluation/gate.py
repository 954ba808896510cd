"""May this model go on? A verdict with every check that led to it."""

import json
from dataclasses import dataclass

import numpy as np

from tapetum.bundle import PREDICTIONS, Bundle, Precision
from tapetum.data.manifest import Manifest
from tapetum.errors import BundleError, DataError
from tapetum.evaluation.measure import measure
from tapetum.recipe import Gate
from tapetum.scores import by_chance, calibration_change, paired_difference, softmax

_LEVEL = 0.05  # of the test whether chance explains what a class lost, shared among the classes


@dataclass(frozen=True)
class Check:
    """One demand: what was found, what was demanded, in words."""

    name: str
    passed: bool
    found: str
    demanded: str

    def to_text(self) -> str:
        """The check on a line."""
        return f"{'pass' if self.passed else 'FAIL'}  {self.name}: {self.found}, demanded {self.demanded}"


@dataclass(frozen=True)
class Verdict:
    """All checks; the model may go on where each passed."""

    bundle: str
    version: str
    passed: bool
    checks: list[Check]


@dataclass(frozen=True)
class Answer:
    """To a test picture: its true label, and whether it got that, with which confidence."""

    truth: str
    is_right: bool
    confidence: float


@dataclass(frozen=True)
class Incumbent:
    """Whom to hold a candidate against, by what it answered to each picture, by SHA-256."""

    name: str
    answers: dict[str, Answer]


def decide(candidate: Bundle, incumbent: Incumbent | None = None) -> Verdict:
    """Hold an evaluated bundle to its recipe's gate and, where given, against an incumbent.

    Every precision that was evaluated must pass and be better than always
    naming the commonest class, and int8 may not cost more than the bounds that
    it was made with. The incumbent is compared on the same test pictures: the
    candidate may neither be worse beyond the bootstrap's doubt, nor lose more
    than the recipe allows; and no class may lose recall, nor calibration get
    worse, by more than the recipe allows and chance explains. Raises BundleError where the candidate was not evaluated,
    DataError where the pictures or their labels differ.
    """
    if not candidate.facts.scores:
        raise BundleError(f"{candidate.path} was not evaluated yet: run `tapetum evaluate {candidate.path}`")
    rules = Gate.model_validate(candidate.facts.recipe.get("gate", {}))
    checks = [check for precision in candidate.facts.scores for check in _floors(candidate, precision, rules)]
    if "int8" in candidate.facts.scores:
        checks += _quantised(candidate)
    if incumbent is not None:
        checks += _against(candidate, incumbent, rules)
    return Verdict(str(candidate.path), candidate.facts.version, all(check.passed for check in checks), checks)


def held_to(bundle: Bundle, rules: Gate) -> Bundle:
    """The same bundle under another gate than that of its recipe; on disk nothing changes."""
    recipe = bundle.facts.recipe | {"gate": rules.model_dump(mode="json")}
    return Bundle(bundle.path, bundle.facts.model_copy(update={"recipe": recipe}))


def recorded(bundle: Bundle) -> Incumbent:
    """A bundle as incumbent by its own evaluation, in fp32. Raises BundleError where it has none."""
    try:
        predictions = json.loads((bundle.path / PREDICTIONS).read_text(encoding="utf-8"))
        probabilities = np.array(predictions["probabilities"]["fp32"])
        return _incumbent(bundle, predictions["pictures"], np.array(predictions["truth"]), probabilities)
    except FileNotFoundError:
        raise BundleError(f"{bundle.path} has no {PREDICTIONS}: run `tapetum evaluate {bundle.path}`") from None
    except (OSError, ValueError, KeyError, IndexError) as error:
        raise BundleError(f"{bundle.path / PREDICTIONS} is damaged ({error}): evaluate the bundle again") from error


def measured(bundle: Bundle, manifest: Manifest) -> Incumbent:
    """A bundle as incumbent by what it answers now, in fp32, to the test part of a manifest."""
    test = measure(bundle, manifest, "test", "openvino", "fp32")
    # As evaluation writes them down.
    probabilities = softmax(test.logits, bundle.facts.temperature).round(6)
    return _incumbent(bundle, test.digests, test.truth, probabilities)


def _incumbent(bundle: Bundle, pictures: list[str], truth: np.ndarray, probabilities: np.ndarray) -> Incumbent:
    """`truth` (N,) of class numbers, `probabilities` (N, K)."""
    is_right = (probabilities.argmax(axis=1) == truth).tolist()
    confidence = probabilities.max(axis=1).tolist()
    labels = [bundle.facts.labels[number] for number in truth]
    answers = map(Answer, labels, is_right, confidence)
    return Incumbent(_title(bundle), dict(zip(pictures, answers, strict=True)))


def _floors(candidate: Bundle, precision: Precision, rules: Gate) -> list[Check]:
    scores = candidate.facts.scores[precision]
    # A recall that is no number is less than any.
    weakest, entry = min(scores.classes.items(), key=lambda item: np.nan_to_num(item[1].recall.value, nan=-1))
    commonest, most = max(scores.classes.items(), key=lambda item: item[1].samples)
    accuracy, error = scores.accuracy.value, scores.calibration_error.value
    return [
        Check(f"accuracy in {precision}", accuracy >= rules.accuracy, f"{accuracy:.4f}", f"≥ {rules.accuracy:.4f}"),
        Check(
            f"accuracy beyond chance in {precision}",
            scores.accuracy.low > most.samples / scores.samples,
            f"{scores.accuracy.low:.4f}",
            f"> {most.samples / scores.samples:.4f} (always {commonest})",
        ),
        Check(
            f"recall of the weakest class in {precision}",
            entry.recall.value >= rules.class_recall,
            f"{entry.recall.value:.4f} ({weakest})",
            f"≥ {rules.class_recall:.4f}",
        ),
        Check(
            f"calibration error in {precision}",
            error <= rules.calibration_error,
            f"{error:.4f}",
            f"≤ {rules.calibration_error:.4f}",
        ),
    ]


def _quantised(candidate: Bundle) -> list[Check]:
    quantised = candidate.facts.quantised
    assert quantised is not None, "scores in int8 come from its graph"
    assert quantised.agreement is not None, "and with how far it agrees"
    gain, changed, bounds = quantised.agreement.accuracy_change, quantised.agreement.changed, quantised.bounds
    return [
        Check(
            "accuracy in int8 against fp32",
            -gain <= bounds.accuracy_loss,
            f"{gain:+.4f}",
            f"≥ {-bounds.accuracy_loss:+.4f}",
        ),
        Check("other labels in int8", changed <= bounds.changed, f"{changed:.4f}", f"≤ {bounds.changed:.4f}"),
    ]


def _against(candidate: Bundle, incumbent: Incumbent, rules: Gate) -> list[Check]:
    ours, theirs = recorded(candidate).answers, incumbent.answers
    remedy = "name the candidate's manifest with --data, and the incumbent is measured on it"
    if ours.keys() != theirs.keys():
        raise DataError(
            f"{_title(candidate)} and the incumbent {incumbent.name} were tested on different pictures "
            f"({len(ours.keys() & theirs.keys())} of {len(ours)} in common): {remedy}"
        )
    if relabelled := sum(ours[key].truth != theirs[key].truth for key in ours):
        raise DataError(
            f"{relabelled} of {len(ours)} test pictures had another label when the incumbent {incumbent.name} was "
            f"tested than when {_title(candidate)} was: {remedy}"
        )
    # (2, N) each: how sure, and whether right.
    us, them = (np.array([[some[key].confidence, some[key].is_right] for key in ours]).T for some in (ours, theirs))
    truth = np.array([answer.truth for answer in ours.values()])
    gain, calibration = paired_difference(us[1], them[1]), calibration_change(us, them)
    return [
        Check(
            f"accuracy against {incumbent.name}",
            gain.high >= 0 and gain.value >= -rules.accuracy_loss,
            f"{gain.value:+.4f} [{gain.low:+.4f}, {gain.high:+.4f}]",
            f"≥ {-rules.accuracy_loss:+.4f}, its interval not all below 0",
        ),
        _by_class(incumbent.name, truth, us[1] - them[1], rules),
        Check(
            f"calibration error against {incumbent.name}",
            calibration.value <= rules.calibration_loss or calibration.low <= 0,
            f"{calibration.value:+.4f} [{calibration.low:+.4f}, {calibration.high:+.4f}]",
            f"≤ {rules.calibration_loss:+.4f}, or its interval not all above 0",
        ),
    ]


def _by_class(name: str, truth: np.ndarray, gain: np.ndarray, rules: Gate) -> Check:
    """The class that lost most, among those that fail where there are such; `gain` (N,) is 1, 0 or -1."""
    labels = np.unique(truth)
    found = []
    for label in labels:
        own = gain[truth == label]
        lost, won = int((own < 0).sum()), int((own > 0).sum())
        change = float(own.mean())
        is_fine = change >= -rules.recall_loss or by_chance(lost, won) >= _LEVEL / len(labels)
        found.append((is_fine, change, f"{change:+.4f} ({label}: {lost} lost, {won} won)"))
    passed, _, words = min(found)
    return Check(
        f"recall of each class against {name}", passed, words, f"≥ {-rules.recall_loss:+.4f}, unless by chance"
    )


def _title(bundle: Bundle) -> str:
    return f"{bundle.facts.name} {bundle.facts.version}"
