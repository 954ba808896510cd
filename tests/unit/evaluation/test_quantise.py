"""A bundle that also computes in int8 is made where that costs little, and else nothing is."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from pages import Page
from safetensors.torch import load_file

from tapetum import bundle as bundles
from tapetum import machine, pipeline, recipe
from tapetum.bundle import Bundle
from tapetum.data import manifest as manifests
from tapetum.data.manifest import Manifest
from tapetum.errors import BundleError, DataError
from tapetum.evaluation import in_int8
from tapetum.evaluation.gate import decide
from tapetum.evaluation.measure import measure
from tapetum.evaluation.quantise import quantise
from tapetum.inference import golden
from tapetum.inference.engine import open_engine
from tapetum.progress import silent
from tapetum.quantised import Bounds
from tapetum.scores import softmax

CHOICES = {"name": "x", "title": "X", "image": {"height": 16, "width": 16}}


@pytest.fixture(scope="module")
def manifest(trained: Path) -> Manifest:
    return manifests.load(trained / "manifest.json")


@pytest.fixture(scope="module")
def made(int8_path: Path) -> Bundle:
    return bundles.load_sealed(int8_path)


def with_outliers(trained: Path, blocks: tuple[str, ...], out: Path) -> Bundle:
    """The trained model where one channel behind each block is very large and read by nobody.

    In fp32 that changes nothing but the loss of the channel. In int8 the one scale of all channels has to span it,
    and the others round to nothing.
    """
    weights = load_file(trained / "bundle" / "weights.safetensors")
    for block in blocks:
        weights[f"{block}.1.weight"][0] = 0
        weights[f"{block}.1.bias"][0] = 1e5
        weights[f"conv{int(block[-1]) + 1}.0.weight"][:, 0] = 0
    torch.save(weights, out / "weights.pt")
    manifest = manifests.load(trained / "manifest.json")
    bundle, _ = pipeline.import_model(
        out / "weights.pt", recipe.build(CHOICES, []), manifest.labels, manifest, out, silent
    )
    assert bundle.is_sealed
    return bundle


def test_it_is_sealed_with_both_graphs_and_the_source_stays_as_it_was(made, bundle_path):
    source = bundles.load_sealed(bundle_path)

    assert "model.int8.onnx" in (made.facts.files or {})
    assert made.graph.read_bytes() == source.graph.read_bytes()
    assert made.facts.version == source.facts.version
    assert source.facts.quantised is None


def test_scores_stand_by_precision(made, manifest):
    assert list(made.facts.scores) == (["fp32", "bf16", "int8"] if machine.has_bf16() else ["fp32", "int8"])
    predictions = json.loads((made.path / bundles.PREDICTIONS).read_text())["probabilities"]
    test = measure(made, manifest, "test", "openvino", "int8")
    np.testing.assert_allclose(predictions["int8"], softmax(test.logits, made.facts.temperature), atol=1e-5)


def test_what_it_costs_and_brings_is_recorded(made, manifest):
    quantised = made.facts.quantised

    assert quantised.agreement.samples == len(manifest.part("test"))
    assert quantised.agreement.changed == 0
    assert 0 < quantised.agreement.max_shift < 0.2
    assert (quantised.kept, quantised.layers) == ((), 4)
    assert quantised.pictures == len(manifest.part("train"))
    assert quantised.graph_bytes["int8"] < 0.5 * quantised.graph_bytes["fp32"]
    assert quantised.pictures_per_s.keys() == made.facts.scores.keys()


def test_card_and_report_show_it(made):
    card = (made.path / bundles.CARD).read_text()
    report = Page((made.path / bundles.REPORT).read_text())

    assert in_int8.text(made.facts.quantised) in card
    assert "answers in int8 unless it is told another precision" in card
    for line in in_int8.cost(made.facts.quantised).splitlines():
        assert line in report.text


def test_its_golden_bound_is_what_was_found_here_and_some_rounding(made):
    engines = [open_engine(name, made, "int8") for name in ("openvino", "onnxruntime")]
    found = max(golden.shift(made.golden(), engine) for engine in engines)

    assert made.facts.quantised.golden_bound == pytest.approx(found + 0.03)


@pytest.mark.parametrize("engine", ["openvino", "onnxruntime"])
def test_the_golden_pictures_hold_in_both_engines(made, engine):
    opened = open_engine(engine, made)

    assert opened.precision == "int8"
    golden.check(made, opened)


def test_the_gate_holds_it_to_its_bounds(made):
    checks = {check.name: check for check in decide(made).checks}

    assert checks["accuracy in int8 against fp32"].demanded == "≥ -0.0050"
    assert checks["other labels in int8"].demanded == "≤ 0.0200"
    assert "accuracy in int8" in checks


def test_layers_that_int8_harms_stay_in_fp32(trained, manifest, tmp_path):
    source = with_outliers(trained, ("conv1",), tmp_path)

    outcome = quantise(source, manifest, tmp_path / "made", Bounds())

    assert [len(entry.kept) for entry in outcome.tries] == [0, 1, 2, 2]
    assert [entry.passed for entry in outcome.tries] == [False, False, True, True]
    assert [entry.part for entry in outcome.tries] == ["val", "val", "val", "test"]
    assert outcome.bundle is not None
    assert set(outcome.bundle.facts.quantised.kept) == {"conv1.0", "conv2.0"}
    assert "2 of 4 layers stay in fp32: conv" in (outcome.bundle.path / bundles.CARD).read_text()


def test_where_too_many_layers_would_have_to_stay_nothing_is_written(trained, manifest, tmp_path):
    source = with_outliers(trained, ("conv1", "conv2", "conv3"), tmp_path)
    before = sorted(path.name for path in tmp_path.iterdir())

    outcome = quantise(source, manifest, tmp_path / "made", Bounds())

    assert outcome.bundle is None
    assert not any(entry.passed for entry in outcome.tries)
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_a_draft_is_refused(own_bundle, manifest, tmp_path):
    facts = bundles.load(own_bundle).facts.model_copy(update={"files": None})
    (own_bundle / bundles.FACTS).write_text(facts.model_dump_json())

    with pytest.raises(BundleError, match=r"is a draft: .* seal it first"):
        quantise(bundles.load(own_bundle), manifest, tmp_path / "made", Bounds())


def test_other_pictures_are_refused_with_the_remedy(bundle_path, manifest, tmp_path):
    other = replace(manifest, fingerprint="0" * 64)

    with pytest.raises(DataError, match=r"other pictures or parts .* the manifest of its own training run"):
        quantise(bundles.load(bundle_path), other, tmp_path / "made", Bounds())


def test_a_bundle_that_nobody_measured_is_refused_with_the_remedy(trained, manifest, tmp_path):
    torch.save(load_file(trained / "bundle" / "weights.safetensors"), tmp_path / "weights.pt")
    source, _ = pipeline.import_model(
        tmp_path / "weights.pt", recipe.build(CHOICES, []), manifest.labels, None, tmp_path, silent
    )

    with pytest.raises(DataError, match=r"nobody measured .*: import it once more with --data"):
        quantise(source, manifest, tmp_path / "made", Bounds())
