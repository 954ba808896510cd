"""Few pictures, a model that knows ImageNet, and one command: a bundle like any other."""

import json
from pathlib import Path

import commands

from tapetum import bundle as bundles
from tapetum.inference import golden
from tapetum.inference.engine import open_engine


def transfer(folder: Path, out: Path, *more: str) -> str:
    choices = ("image.height=64", "image.width=64", *more)
    variables = {"MLFLOW_TRACKING_URI": "none", "HF_HUB_OFFLINE": "1", "TAPETUM_CACHE_DIR": str(out / "cache")}
    ran = commands.run("train", folder, "--transfer", "--out", out, *choices, **variables)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_a_folder_becomes_a_bundle_that_every_engine_answers_for(folder, tmp_path):
    out = tmp_path / "run"

    said = transfer(folder, out)

    assert "a new last layer of efficientnet_lite0 at 64×64\n" in said
    sealed = bundles.load_sealed(out / "bundle")
    assert sealed.facts.scores["fp32"].accuracy.value == 1.0
    for engine in ("openvino", "onnxruntime", "torch"):
        golden.check(sealed, open_engine(engine, sealed, "fp32"))
    (epoch,) = json.loads((out / "history.json").read_text())
    assert (epoch["epoch"], epoch["val_accuracy"], epoch["is_kept"]) == (1, 1.0, True)
    assert "1 epoch in" in (out / "report.html").read_text()
    assert not list((out / "cache").glob("*.npy")), "nothing was decoded to disk"


def test_the_same_pictures_give_the_same_bundle_whether_features_are_kept_or_not(folder, tmp_path):
    out = tmp_path / "run"
    transfer(folder, out)
    first = bundles.load_sealed(out / "bundle").facts

    transfer(folder, out)

    again = bundles.load_sealed(out / "bundle").facts
    assert again.version == first.version
    assert again.parity < 1e-4
