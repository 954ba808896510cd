"""Foreign weights become a bundle that answers as the model did where it came from."""

import json
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import commands
import foreign
import numpy as np
import pytest
import torch

from tapetum import bundle as bundles
from tapetum import image, pipeline, recipe
from tapetum.errors import DataError
from tapetum.image import Preprocess
from tapetum.inference import golden
from tapetum.inference.engine import open_engine
from tapetum.inference.predictor import Picture, Predictor
from tapetum.progress import silent

CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def run() -> Run:
    """`tapetum import` with arguments."""

    def runner(*arguments: object, command: str = "import") -> subprocess.CompletedProcess[str]:
        return commands.run(*command.split(), *arguments)

    return runner


def probabilities(bundle: Path, pictures: Sequence[Picture], engine: str = "openvino") -> np.ndarray:
    sealed = bundles.load_sealed(bundle)
    predictor = Predictor(sealed, open_engine(engine, sealed, "fp32"))
    return np.stack([prediction.probabilities for prediction in predictor.predict(pictures)])


@pytest.mark.parametrize("size", [32, 224])
def test_a_resnet50_of_torchvision_answers_as_it_did(size, run, tmp_path):
    model, pictures = foreign.resnet50(10, size), foreign.jpegs(12)
    torch.save({"epoch": 9, "model_state_dict": model.state_dict()}, tmp_path / "best_model.pth")
    (tmp_path / "labels.txt").write_text("\n".join(CIFAR10) + "\n")

    imported = run(
        *(tmp_path / "best_model.pth", "--arch", "resnet50", "--labels", tmp_path / "labels.txt"),
        *("--preprocess", f"size={size}", "--out", tmp_path / "out"),
    )

    assert imported.returncode == 0, imported.stderr
    expected = foreign.answers(model, pictures, size)
    assert expected.max(axis=1).mean() < 0.9  # answers that saturate would hide a difference
    assert len(set(expected.argmax(axis=1))) > 1
    theirs = [foreign.pixels(picture, size) for picture in pictures]
    np.testing.assert_allclose(probabilities(tmp_path / "out" / "bundle", theirs), expected, atol=1e-4)


@pytest.fixture(scope="module")
def simple_cnn(tmp_path_factory: pytest.TempPathFactory, run: Run) -> Path:
    """The folder of an import without pictures; beside it stands the file, wrapped by DataParallel."""
    out = tmp_path_factory.mktemp("import")
    state = foreign.simple_cnn(2, 224).state_dict()
    torch.save({f"module.{name}": value for name, value in state.items()}, out / "Model 1.pt")
    usual = ("--arch", "simple_cnn", "--labels", "cat, dog", "--title", "Cats and dogs")
    ran = run(out / "Model 1.pt", *usual, "--out", out)
    assert ran.returncode == 0, ran.stderr
    (out / "said.txt").write_text(ran.stdout)
    return out


def test_the_simple_cnn_of_the_reference_answers_as_it_did(simple_cnn):
    pictures = foreign.jpegs(12)
    expected = foreign.answers(foreign.simple_cnn(2, 224), pictures, 224)

    for engine in ("openvino", "onnxruntime", "torch"):
        found = probabilities(simple_cnn / "bundle", [foreign.pixels(picture, 224) for picture in pictures], engine)
        np.testing.assert_allclose(found, expected, atol=1e-4)
    assert expected.std(axis=0).mean() > 0.1


@pytest.mark.parametrize("size", [32, 224])
def test_pixels_are_those_that_a_foreign_model_learned_from(size):
    """But for rounding, far less than what golden pictures may differ by."""
    spec = Preprocess(height=size, width=size)

    gaps = [image.read(one, spec)[0].astype(int) - foreign.pixels(one, size) for one in foreign.jpegs(12)]

    assert np.abs(gaps).mean() < 0.01
    assert np.abs(gaps).max() <= 1


def test_what_was_assumed_is_said(simple_cnn):
    said = (simple_cnn / "said.txt").read_text()

    assert "height 224, width 224, fit squash" in said
    assert "kernel bilinear, mean 0.485/0.456/0.406, std 0.229/0.224/0.225" in said
    assert "Nobody measured this model" in said


def test_a_bundle_that_nobody_measured_says_so_and_is_served_in_fp32(simple_cnn, run):
    sealed = bundles.load_sealed(simple_cnn / "bundle")
    shown = run(sealed.path, "--json", command="bundle show")

    assert (sealed.facts.name, sealed.facts.title, sealed.facts.labels) == ("model-1", "Cats and dogs", ("cat", "dog"))
    assert (sealed.facts.scores, sealed.facts.fingerprint, sealed.facts.imported.file) == ({}, None, "Model 1.pt")
    assert "train" not in sealed.facts.recipe
    assert open_engine("openvino", sealed).precision == "fp32"
    assert "Nobody measured this model" in (sealed.path / "MODEL_CARD.md").read_text()
    assert "Nobody measured this model" in shown.stderr
    assert json.loads(shown.stdout)["imported"] == {"file": "Model 1.pt", "sha256": sealed.facts.imported.sha256}


def test_golden_pictures_are_generated_and_hold(simple_cnn):
    sealed = bundles.load_sealed(simple_cnn / "bundle")

    golden.check(sealed, open_engine("openvino", sealed))

    assert len(sealed.golden().pictures) == 16
    assert len(np.unique(sealed.golden().probabilities.round(4), axis=0)) > 8


def imported_with(folder: Path, labels: tuple[str, ...], out: Path) -> tuple[bundles.Bundle, object]:
    choices = recipe.build({"name": "x", "title": "X", "image": {"height": 32, "width": 32}})
    manifest, _ = pipeline.divide(folder, choices.parts, out, silent)
    file = foreign.save(foreign.simple_cnn(2), out / "x.pt")
    return pipeline.import_model(file, choices, labels, manifest, out, silent)


def test_with_pictures_it_is_measured_and_held_to_the_gate(folder, tmp_path):
    """Labels keep the model's order, whatever that of the alphabet is; what always names one class does not pass."""
    outcomes = {
        order: imported_with(folder, order, tmp_path / order[0]) for order in (("dark", "bright"), ("bright", "dark"))
    }

    accuracies = [bundle.facts.scores["fp32"].accuracy.value for bundle, _ in outcomes.values()]
    assert sum(accuracies) == pytest.approx(1)
    for labels, (bundle, verdict) in outcomes.items():
        assert bundle.facts.labels == labels
        scores = bundle.facts.scores["fp32"]
        most = max(entry.samples for entry in scores.classes.values()) / scores.samples
        assert bundle.is_sealed == verdict.passed == (scores.accuracy.value >= 0.5 and scores.accuracy.low > most)
        card = (bundle.path / "MODEL_CARD.md").read_text()
        assert "whether its training saw them is not known" in card
        assert "Imported from `x.pt`" in card


def test_pictures_of_other_classes_are_a_data_error(folder, tmp_path):
    with pytest.raises(DataError, match="has the classes bright, dark, and the model's labels are cat, dog"):
        imported_with(folder, ("cat", "dog"), tmp_path)


@pytest.mark.parametrize(
    ("labels", "complaint"),
    [
        ("cat", "--labels 'cat' names 1: expected two or more"),
        ("cat,dog,cat", "--labels names cat more than once"),
        (
            ",".join(f"class {number}" for number in range(300)),
            "answers with 2 classes (fc.4.weight, fc.4.bias) and 300",
        ),
    ],
)
def test_labels_that_cannot_be_are_refused_on_a_line(labels, complaint, simple_cnn, run, tmp_path):
    ran = run(simple_cnn / "Model 1.pt", "--arch", "simple_cnn", "--labels", labels, "--out", tmp_path / "out")

    assert ran.returncode == 2
    assert ran.stderr.startswith("tapetum: ")
    assert complaint in ran.stderr
    assert ran.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()
