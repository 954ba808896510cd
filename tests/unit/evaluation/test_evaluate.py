"""A draft is measured on pictures it never saw, and says so in numbers and in words."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pages import Page, assert_asks_nobody

from tapetum import bundle as bundles
from tapetum import machine
from tapetum.bundle import Bundle
from tapetum.data import manifest as manifests
from tapetum.data.manifest import Manifest
from tapetum.data.sample import PARTS
from tapetum.errors import BundleError, DataError
from tapetum.evaluation import history
from tapetum.evaluation.evaluate import evaluate, regate
from tapetum.evaluation.measure import measure
from tapetum.recipe import Gate
from tapetum.scores import fit_temperature, score, softmax


@pytest.fixture(scope="module")
def manifest(trained: Path) -> Manifest:
    return manifests.load(trained / "manifest.json")


def to_draft(sealed: Path, path: Path) -> Bundle:
    """A copy of a sealed bundle as it was before it was evaluated."""
    shutil.copytree(sealed, path)
    for name in (bundles.PREDICTIONS, bundles.CARD, bundles.REPORT):
        (path / name).unlink()
    facts = bundles.load(sealed).facts.model_copy(update={"files": None, "scores": {}, "temperature": 1.0})
    (path / bundles.FACTS).write_text(facts.model_dump_json())
    return bundles.load(path)


@pytest.fixture(scope="module")
def evaluated(bundle_path: Path, manifest: Manifest, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return evaluate(to_draft(bundle_path, tmp_path_factory.mktemp("draft") / "bundle"), manifest)


def test_scores_are_taken_in_every_precision_of_this_machine(evaluated):
    assert list(evaluated.facts.scores) == (["fp32", "bf16"] if machine.has_bf16() else ["fp32"])


def test_other_engines_are_scored_in_fp32_alone(bundle_path, manifest, tmp_path):
    draft = to_draft(bundle_path, tmp_path / "draft")

    assert list(evaluate(draft, manifest, "onnxruntime").facts.scores) == ["fp32"]


def test_scores_are_of_the_test_part(evaluated, manifest):
    scores = evaluated.facts.scores["fp32"]

    assert scores.samples == len(manifest.part("test"))
    assert scores.accuracy.value > 0.8


def test_the_temperature_is_that_of_the_validation_part(evaluated, manifest):
    val = measure(evaluated, manifest, "val", "openvino", "fp32")

    assert evaluated.facts.temperature == pytest.approx(fit_temperature(val.logits, val.truth))
    assert evaluated.facts.temperature != 1


def test_what_was_found_is_on_disk(evaluated):
    assert bundles.load(evaluated.path) == evaluated


def test_predictions_name_pictures_with_truth_and_scaled_probabilities(evaluated, manifest):
    test = measure(evaluated, manifest, "test", "openvino", "fp32")
    predictions = json.loads((evaluated.path / bundles.PREDICTIONS).read_text())

    assert predictions["pictures"] == [sample.digest for sample in manifest.part("test")]
    assert predictions["truth"] == [("bright", "dark").index(sample.label) for sample in manifest.part("test")]
    assert list(predictions["probabilities"]) == list(evaluated.facts.scores)
    np.testing.assert_allclose(
        predictions["probabilities"]["fp32"], softmax(test.logits, evaluated.facts.temperature), atol=1e-5
    )


def test_scores_follow_from_the_predictions(evaluated):
    predictions = json.loads((evaluated.path / bundles.PREDICTIONS).read_text())

    for precision, scores in evaluated.facts.scores.items():
        again = score(
            np.array(predictions["probabilities"][precision]), np.array(predictions["truth"]), evaluated.facts.labels
        )
        assert again.confusion == scores.confusion
        assert again.log_loss.value == pytest.approx(scores.log_loss.value, abs=1e-5)


def test_the_card_tells_what_the_model_is_and_what_it_scored(evaluated, manifest):
    card = (evaluated.path / bundles.CARD).read_text()
    facts = evaluated.facts
    counts = [sum(sample.label == "dark" for sample in manifest.part(part)) for part in PARTS]

    assert card.startswith(f"# {facts.title}\n\n`{facts.name}` {facts.version}: simple_cnn, 16×16 pixels, 2 classes.")
    assert f"{facts.scores['fp32'].accuracy.value:.4f}" in card
    assert f"temperature of {facts.temperature:.3f}" in card
    assert facts.fingerprint in card
    assert ["dark", *map(str, counts)] in [line.replace("|", " ").split() for line in card.splitlines()]


def test_the_report_shows_the_scores_the_verdict_and_how_it_was_trained(evaluated):
    found = Page((evaluated.path / bundles.REPORT).read_text())
    accuracy = evaluated.facts.scores["fp32"].accuracy

    assert f"{accuracy.value:.4f} [{accuracy.low:.4f}, {accuracy.high:.4f}]" in found.text
    assert "Passed its gate" in found.text
    assert "4 epochs in" in found.text
    assert "processor" in found.text
    assert_asks_nobody(found)


def test_the_report_of_a_model_trained_elsewhere_has_no_curves(bundle_path, manifest, tmp_path):
    draft = to_draft(bundle_path, tmp_path / "draft")
    (draft.path / bundles.HISTORY).unlink()

    evaluate(draft, manifest, "onnxruntime")

    assert "its model was trained elsewhere" in (draft.path / bundles.REPORT).read_text()


@pytest.mark.parametrize("content", ["", "{}", '[{"epoch": 1}]'])
def test_a_damaged_history_is_named_with_the_remedy(own_bundle, content):
    bundle = bundles.load(own_bundle)
    (own_bundle / bundles.HISTORY).write_text(content)

    with pytest.raises(BundleError, match=r"history\.json is damaged: .* or remove it"):
        history.load(bundle)


def test_a_manifest_of_other_pictures_is_refused_with_the_remedy(evaluated, manifest):
    other = replace(manifest, fingerprint="0" * 64)

    with pytest.raises(DataError, match=r"made from other pictures than .* the manifest of its own training run"):
        evaluate(evaluated, other)


def test_a_sealed_bundle_is_refused_and_left_as_it_was(own_bundle, manifest):
    written = (own_bundle / bundles.PREDICTIONS).stat().st_mtime_ns

    with pytest.raises(BundleError, match="is sealed and cannot change"):
        evaluate(bundles.load(own_bundle), manifest, "onnxruntime")

    assert (own_bundle / bundles.PREDICTIONS).stat().st_mtime_ns == written


@pytest.mark.parametrize("part", ["train", "val", "test"])
def test_a_part_is_measured_picture_by_picture_in_its_order(evaluated, manifest, part):
    measured = measure(evaluated, manifest, part, "openvino", "fp32")
    samples = manifest.part(part)

    assert measured.digests == [sample.digest for sample in samples]
    assert measured.truth.tolist() == [sample.label == "dark" for sample in samples]
    assert measured.logits.shape == (len(samples), 2)


def test_labels_that_the_bundle_does_not_know_are_named(evaluated, manifest):
    strange = replace(manifest, labels=("bright", "dark", "fox"))

    with pytest.raises(DataError, match=r"has the class 'fox': .* knows bright, dark"):
        measure(evaluated, strange, "test", "openvino", "fp32")


def test_a_picture_that_changed_is_not_scored(bundle_path, trained, tmp_path):
    """Its score would be recorded under the digest of another picture."""
    moved = replace(
        manifests.load(trained / "manifest.json"), root=Path(shutil.copytree(trained / "pictures", tmp_path / "p"))
    )
    victim, other = moved.part("test")[:2]
    (moved.root / victim.path).write_bytes((moved.root / other.path).read_bytes())

    with pytest.raises(DataError, match=f"{victim.path} changed since the manifest was written"):
        measure(bundles.load(bundle_path), moved, "test", "openvino", "fp32")


def test_a_picture_that_is_gone_is_named_with_the_remedy(evaluated, manifest, tmp_path):
    moved = replace(manifest, root=tmp_path)

    with pytest.raises(
        DataError, match=rf"{moved.part('test')[0].path} cannot be read any more: No such file.*data split"
    ):
        measure(evaluated, moved, "test", "openvino", "fp32")


def test_progress_ends_at_the_number_of_pictures(evaluated, manifest):
    calls = []
    measure(evaluated, manifest, "val", "openvino", "fp32", lambda *call: calls.append(call))

    count = len(manifest.part("val"))
    assert {(stage, total) for stage, _, total in calls} == {("evaluate val in fp32", count)}
    assert [done for _, done, _ in calls] == [*range(4, count, 4), count]


def test_another_gate_changes_what_the_draft_says_of_it_and_nothing_else(evaluated, tmp_path):
    draft = bundles.copy(evaluated, tmp_path / "copy")
    page = (draft.path / bundles.REPORT).read_text()

    regated = regate(draft, Gate(accuracy=0.501, calibration_error=0.0))

    assert bundles.load(draft.path) == regated
    assert regated.facts.recipe["gate"]["calibration_error"] == 0
    assert regated.facts.model_copy(update={"recipe": draft.facts.recipe}) == draft.facts
    changed = (draft.path / bundles.REPORT).read_text()
    assert ("✓ Passed its gate" in page, "✗ Did not pass its gate" in changed) == (True, True)
    assert "≥ 0.5010" in changed
    assert "✓ Passed its gate" not in changed
    assert (
        page.split('id="scores"')[1].split('id="recipe"')[0] == changed.split('id="scores"')[1].split('id="recipe"')[0]
    )


def test_the_same_gate_changes_nothing(evaluated):
    assert regate(evaluated, Gate.model_validate(evaluated.facts.recipe["gate"])) is evaluated


def test_a_report_that_does_not_show_the_gate_before_is_refused(evaluated, tmp_path):
    draft = bundles.copy(evaluated, tmp_path / "copy")
    (draft.path / bundles.REPORT).write_text("<p>Passed</p>")

    with pytest.raises(BundleError, match="evaluate the draft again"):
        regate(draft, Gate(accuracy=0.6))
    assert bundles.load(draft.path).facts == evaluated.facts
