"""May this model go on? A verdict with every check that led to it."""

import json
from dataclasses import dataclass

import numpy as np

from tapetum.bundle import PREDICTIONS, Bundle, Precision
from tapetum.data.manifest import Manifest
from tapetum.errors import BundleError, DataError
from tapetum.evaluation.measure import measure
from tapetum.recipe import Gate
from tapetum.scores import paired_difference


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
class Incumbent:
    """Whom to hold a candidate against: `right` says, by SHA-256 of the picture, what it answered rightly."""

    name: str
    right: dict[str, bool]


def decide(candidate: Bundle, incumbent: Incumbent | None = None) -> Verdict:
    """Hold an evaluated bundle to its recipe's gate and, where given, against an incumbent.

    Every precision that was evaluated must pass, and int8 may not cost more than the bounds that it was made with. The
    incumbent is compared on
    the same test pictures: the candidate may neither be worse beyond the
    bootstrap's doubt, nor lose more than the recipe allows. Raises BundleError
    where the candidate was not evaluated, DataError where the pictures differ.
    """
    if not candidate.facts.scores:
        raise BundleError(f"{candidate.path} was not evaluated yet: run `tapetum evaluate {candidate.path}`")
    rules = Gate.model_validate(candidate.facts.recipe.get("gate", {}))
    checks = [check for precision in candidate.facts.scores for check in _floors(candidate, precision, rules)]
    if "int8" in candidate.facts.scores:
        checks += _quantised(candidate)
    if incumbent is not None:
        checks.append(_against(candidate, incumbent, rules))
    return Verdict(str(candidate.path), candidate.facts.version, all(check.passed for check in checks), checks)


def held_to(bundle: Bundle, rules: Gate) -> Bundle:
    """The same bundle under another gate than that of its recipe; on disk nothing changes."""
    recipe = bundle.facts.recipe | {"gate": rules.model_dump(mode="json")}
    return Bundle(bundle.path, bundle.facts.model_copy(update={"recipe": recipe}))


def recorded(bundle: Bundle) -> Incumbent:
    """A bundle as incumbent by its own evaluation, in fp32. Raises BundleError where it has none."""
    try:
        predictions = json.loads((bundle.path / PREDICTIONS).read_text(encoding="utf-8"))
        right = np.array(predictions["probabilities"]["fp32"]).argmax(axis=1) == np.array(predictions["truth"])
    except FileNotFoundError:
        raise BundleError(f"{bundle.path} has no {PREDICTIONS}: run `tapetum evaluate {bundle.path}`") from None
    except (OSError, ValueError, KeyError) as error:
        raise BundleError(f"{bundle.path / PREDICTIONS} is damaged ({error}): evaluate the bundle again") from error
    return Incumbent(_title(bundle), dict(zip(predictions["pictures"], right.tolist(), strict=True)))


def measured(bundle: Bundle, manifest: Manifest) -> Incumbent:
    """A bundle as incumbent by what it answers now, in fp32, to the test part of a manifest."""
    test = measure(bundle, manifest, "test", "openvino", "fp32")
    right = test.logits.argmax(axis=1) == test.truth
    return Incumbent(_title(bundle), dict(zip(test.digests, right.tolist(), strict=True)))


def _floors(candidate: Bundle, precision: Precision, rules: Gate) -> list[Check]:
    scores = candidate.facts.scores[precision]
    weakest, entry = min(scores.classes.items(), key=lambda item: item[1].recall.value)
    accuracy, error = scores.accuracy.value, scores.calibration_error.value
    return [
        Check(f"accuracy in {precision}", accuracy >= rules.accuracy, f"{accuracy:.4f}", f"≥ {rules.accuracy:.4f}"),
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


def _against(candidate: Bundle, incumbent: Incumbent, rules: Gate) -> Check:
    ours, theirs = recorded(candidate).right, incumbent.right
    if ours.keys() != theirs.keys():
        raise DataError(
            f"{candidate.path} and the incumbent {incumbent.name} were tested on different pictures "
            f"({len(ours.keys() & theirs.keys())} of {len(ours)} in common): name the candidate's manifest "
            "with --data, and the incumbent is measured on it"
        )
    difference = paired_difference(np.array([ours[key] for key in ours]), np.array([theirs[key] for key in ours]))
    return Check(
        f"accuracy against {incumbent.name}",
        difference.high >= 0 and difference.value >= -rules.accuracy_loss,
        f"{difference.value:+.4f} [{difference.low:+.4f}, {difference.high:+.4f}]",
        f"≥ {-rules.accuracy_loss:+.4f}, its interval not all below 0",
    )


def _title(bundle: Bundle) -> str:
    return f"{bundle.facts.name} {bundle.facts.version}"
