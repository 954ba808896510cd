"""The gate opens at its bounds and not a hair below."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tapetum import bundle as bundles
from tapetum.bundle import PREDICTIONS, Bundle, Facts, write_draft
from tapetum.data import manifest as manifests
from tapetum.errors import BundleError, DataError
from tapetum.evaluation.gate import Answer, Check, Incumbent, Verdict, decide, measured, recorded
from tapetum.image import Preprocess
from tapetum.scores import ClassScores, Interval, Scores

RULES = {"accuracy": 0.9, "class_recall": 0.8, "calibration_error": 0.05, "accuracy_loss": 0.01}
PICTURES = 200


def scores(accuracy: float = 0.95, recall: float = 0.9, error: float = 0.01) -> Scores:
    """Scores of cat, at least 0.9, and of dog with the recall given."""
    at = [Interval(value, value - 0.01, value + 0.01) for value in (accuracy, error)]
    nine, own, best = (Interval(value, value, value) for value in (0.9, recall, max(0.9, recall)))
    classes = {"cat": ClassScores(nine, best, nine, 100), "dog": ClassScores(nine, own, nine, 100)}
    return Scores(PICTURES, at[0], at[0], at[0], at[0], at[1], at[1], classes, [[90, 10], [10, 90]])


def candidate(
    folder: Path, by_precision: dict[str, Scores], wrong: int = 0, name: str = "candidate", **rules: float
) -> Bundle:
    """A draft as evaluation leaves it, whose first `wrong` test pictures were answered wrongly."""
    facts = Facts(
        name="pets",
        title="Pets",
        version=name,
        labels=("cat", "dog"),
        preprocess=Preprocess(height=16, width=16),
        architecture="simple_cnn",
        feature_map="map",
        scores=by_precision,
        fingerprint="0",
        recipe={"gate": RULES | rules},
        code_version="0",
    )
    probabilities = [[0.1, 0.9]] * wrong + [[0.9, 0.1]] * (PICTURES - wrong)
    predictions = {
        "pictures": [f"digest {number}" for number in range(PICTURES)],
        "truth": [0] * PICTURES,
        "probabilities": {"fp32": probabilities},
    }
    return write_draft(folder / name, facts, {PREDICTIONS: json.dumps(predictions).encode()})


def failed(verdict: Verdict) -> list[str]:
    return [check.name for check in verdict.checks if not check.passed]


@pytest.mark.parametrize(
    ("change", "failures"),
    [
        ({}, []),
        ({"accuracy": 0.9}, []),
        ({"accuracy": 0.8999}, ["accuracy in fp32"]),
        ({"recall": 0.8}, []),
        ({"recall": 0.7999}, ["recall of the weakest class in fp32"]),
        ({"error": 0.05}, []),
        ({"error": 0.0501}, ["calibration error in fp32"]),
    ],
)
def test_a_floor_holds_at_its_bound_and_not_below(tmp_path, change, failures):
    verdict = decide(candidate(tmp_path, {"fp32": scores(**change)}))

    assert failed(verdict) == failures
    assert verdict.passed is not bool(failures)


@pytest.mark.parametrize(("accuracy", "failures"), [(0.52, []), (0.5099, ["accuracy beyond chance in fp32"])])
def test_a_coin_toss_does_not_pass(tmp_path, accuracy, failures):
    """Of 200 pictures 100 are cats, and the interval of accuracy begins 0.01 below it."""
    assert failed(decide(candidate(tmp_path, {"fp32": scores(accuracy)}, accuracy=0.5))) == failures


def test_a_recall_that_is_no_number_is_the_weakest_and_fails(tmp_path):
    (check,) = (
        check for check in decide(candidate(tmp_path, {"fp32": scores(recall=float("nan"))})).checks if not check.passed
    )

    assert check.found == "nan (dog)"


@pytest.mark.parametrize("weak", ["fp32", "bf16"])
def test_every_precision_must_pass(tmp_path, weak):
    by_precision = {"fp32": scores(), "bf16": scores()} | {weak: scores(accuracy=0.5)}

    assert failed(decide(candidate(tmp_path, by_precision))) == [
        f"accuracy in {weak}",
        f"accuracy beyond chance in {weak}",
    ]


def test_a_verdict_names_bundle_and_version(tmp_path):
    verdict = decide(candidate(tmp_path, {"fp32": scores()}))

    assert (verdict.bundle, verdict.version) == (str(tmp_path / "candidate"), "candidate")


def test_a_check_reads_as_a_line(tmp_path):
    verdict = decide(candidate(tmp_path, {"fp32": scores(recall=0.7)}))

    assert [check.to_text() for check in verdict.checks] == [
        "pass  accuracy in fp32: 0.9500, demanded ≥ 0.9000",
        "pass  accuracy beyond chance in fp32: 0.9400, demanded > 0.5000 (always cat)",
        "FAIL  recall of the weakest class in fp32: 0.7000 (dog), demanded ≥ 0.8000",
        "pass  calibration error in fp32: 0.0100, demanded ≤ 0.0500",
    ]


def test_a_bundle_that_was_not_evaluated_is_refused_with_the_remedy(tmp_path):
    with pytest.raises(BundleError, match=r"candidate was not evaluated yet: run `tapetum evaluate .*candidate`"):
        decide(candidate(tmp_path, {}))


@pytest.mark.parametrize(
    ("wrong", "accuracy_loss", "passed"),
    [
        pytest.param(20, 0.0, True, id="equal"),
        pytest.param(5, 0.0, True, id="better"),
        pytest.param(21, 0.01, True, id="slightly worse within the loss"),
        pytest.param(21, 0.004, False, id="slightly worse beyond the loss"),
        pytest.param(80, 0.01, False, id="clearly worse"),
        pytest.param(80, 0.5, False, id="clearly worse, beyond doubt"),
    ],
)
def test_a_candidate_is_held_against_an_incumbent(tmp_path, wrong, accuracy_loss, passed):
    incumbent = recorded(candidate(tmp_path, {"fp32": scores()}, wrong=20, name="incumbent"))
    verdict = decide(candidate(tmp_path, {"fp32": scores()}, wrong=wrong, accuracy_loss=accuracy_loss), incumbent)

    assert ("accuracy against pets incumbent" not in failed(verdict)) is passed


def test_the_difference_is_found_with_its_interval(tmp_path):
    incumbent = recorded(candidate(tmp_path, {"fp32": scores()}, wrong=20, name="incumbent"))

    check = decide(candidate(tmp_path, {"fp32": scores()}, wrong=60), incumbent).checks[-3]

    difference, low, high = (float(word.strip("[,]")) for word in check.found.split())
    assert difference == -0.2
    assert low < difference < high < 0
    assert check.demanded == "≥ -0.0100, its interval not all below 0"


def test_an_incumbent_tested_on_other_pictures_is_refused_with_the_remedy(tmp_path):
    incumbent = Incumbent("old", {f"digest {number}": Answer("cat", True, 0.9) for number in range(100, 400)})

    with pytest.raises(DataError, match=r"incumbent old .* different pictures \(100 of 200 in common\): .*--data"):
        decide(candidate(tmp_path, {"fp32": scores()}), incumbent)


def test_the_order_of_pictures_does_not_matter(tmp_path):
    ours = candidate(tmp_path, {"fp32": scores()}, wrong=20)
    turned = Incumbent("old", dict(reversed(recorded(ours).answers.items())))

    accuracy, recall, calibration = decide(ours, turned).checks[-3:]
    assert accuracy.found == calibration.found == "+0.0000 [+0.0000, +0.0000]"
    assert recall.found == "+0.0000 (cat: 0 lost, 0 won)"


def test_an_incumbent_tested_under_other_labels_is_refused_with_the_remedy(tmp_path):
    ours = candidate(tmp_path, {"fp32": scores()})
    answers = recorded(ours).answers
    corrected = answers | {"digest 7": replace(answers["digest 7"], truth="dog")}

    with pytest.raises(DataError, match=r"1 of 200 test pictures had another label .* incumbent old .*--data"):
        decide(ours, Incumbent("old", corrected))


def pair(folder: Path, lost: int, won: int, **rules: float) -> Check:
    """The check of recall: all pictures are cats; `lost` were answered rightly before, `won` not."""
    ours = candidate(folder, {"fp32": scores()}, wrong=lost, **rules)
    theirs = {
        key: Answer("cat", number < PICTURES - won, answer.confidence)
        for number, (key, answer) in enumerate(recorded(ours).answers.items())
    }
    return decide(ours, Incumbent("old", theirs)).checks[-2]


@pytest.mark.parametrize(
    ("lost", "won", "recall_loss", "passed"),
    [
        pytest.param(10, 0, 0.05, True, id="as much as may be lost"),
        pytest.param(11, 0, 0.05, False, id="more, and not by chance"),
        pytest.param(4, 0, 0.0, True, id="more, by chance one time in sixteen"),
        pytest.param(5, 0, 0.0, False, id="more, by chance one time in thirty-two"),
        pytest.param(20, 12, 0.0, True, id="more, but nearly as many were won"),
    ],
)
def test_no_class_loses_more_recall_than_is_allowed_and_chance_explains(tmp_path, lost, won, recall_loss, passed):
    check = pair(tmp_path, lost, won, recall_loss=recall_loss)

    assert check.passed is passed
    assert check.found == f"{(won - lost) / PICTURES:+.4f} (cat: {lost} lost, {won} won)"


@pytest.mark.parametrize(
    ("confidence", "calibration_loss", "passed"),
    [
        pytest.param(0.9, 0.0, True, id="the same"),
        pytest.param(0.93, 0.02, False, id="a little better before"),
        pytest.param(0.93, 0.05, True, id="a little better before, which is allowed"),
    ],
)
def test_answers_may_not_become_worse_calibrated(tmp_path, confidence, calibration_loss, passed):
    """All answers are right, so that how far confidence stays below 1 is the error."""
    ours = candidate(tmp_path, {"fp32": scores()}, calibration_loss=calibration_loss)
    theirs = {key: replace(answer, confidence=confidence) for key, answer in recorded(ours).answers.items()}

    check = decide(ours, Incumbent("old", theirs)).checks[-1]

    assert check.passed is passed
    assert check.found.startswith(f"{confidence - 0.9:+.4f}")


def test_an_incumbent_without_predictions_is_refused(tmp_path):
    bundle = candidate(tmp_path, {"fp32": scores()})
    (bundle.path / PREDICTIONS).unlink()

    with pytest.raises(BundleError, match=r"has no predictions\.json: run `tapetum evaluate"):
        recorded(bundle)


@pytest.mark.parametrize("content", ["{", "{}", '{"truth": []}'])
def test_damaged_predictions_are_named(tmp_path, content):
    bundle = candidate(tmp_path, {"fp32": scores()})
    (bundle.path / PREDICTIONS).write_text(content)

    with pytest.raises(BundleError, match=r"predictions\.json is damaged .*evaluate the bundle again"):
        recorded(bundle)


def test_an_incumbent_measured_now_answers_as_it_is_recorded(bundle_path, trained):
    bundle = bundles.load(bundle_path)

    now = measured(bundle, manifests.load(trained / "manifest.json"))

    assert now == recorded(bundle)
    assert np.mean([answer.is_right for answer in now.answers.values()]) == bundle.facts.scores["fp32"].accuracy.value
