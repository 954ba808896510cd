"""`dvc repro` from pictures to a sealed bundle: real DVC, real git, a model of six short epochs."""

import json
import shutil
from pathlib import Path

import pytest
from checkout import lay_out, run_in, stages_of

from tapetum import bundle

RECIPE = """
name: pets
title: Pets
source: photos
parts: {val: 0.2, test: 0.2, seed: 0}
image: {height: 16, width: 16}
model: {architecture: simple_cnn}
augment: {}
train: {epochs: 6, lr: 0.003}
gate: {accuracy: 0.5}
"""
STAGES = ["fetch", "check", "split", "train", "evaluate", "gate", "package"]
RUN = Path("runs") / "pets"


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A committed checkout where `dvc repro` ran once, and the stages that it ran."""
    place = lay_out(tmp_path_factory.mktemp("first"), RECIPE)
    parameters = place / "params.yaml"
    parameters.write_text(parameters.read_text().replace("dataset: cats-dogs", "dataset: pets"))
    run_in(place, "git", "init", "--quiet")
    ran = stages_of(run_in(place, "dvc", "repro"))
    run_in(place, "git", "add", ".")
    identity = ("-c", "user.name=Tester", "-c", "user.email=tester@example.org")
    assert run_in(place, "git", *identity, "commit", "--quiet", "--message", "Pets").returncode == 0
    return place, ran


@pytest.fixture
def checkout(first: tuple[Path, object], tmp_path: Path) -> Path:
    """A copy of it, to be changed at will."""
    return Path(shutil.copytree(first[0], tmp_path / "checkout", symlinks=True))


def change(place: Path, before: str, after: str) -> None:
    recipe = place / "recipes" / "pets.yaml"
    recipe.write_text(recipe.read_text().replace(before, after))


def test_every_stage_runs_once_and_the_last_leaves_a_sealed_bundle(first):
    place, ran = first

    assert sorted(ran) == sorted(STAGES)
    assert bundle.load(place / RUN / "bundle").is_sealed
    assert not bundle.load(place / RUN / "evaluated").is_sealed
    assert not bundle.load(place / RUN / "draft").facts.scores


def test_a_second_time_nothing_runs(first):
    assert stages_of(run_in(first[0], "dvc", "repro")) == []


def test_another_gate_decides_and_packages_anew_and_the_bundle_says_which_it_passed(checkout):
    change(checkout, "gate: {accuracy: 0.5}", "gate: {accuracy: 0.51}")

    assert stages_of(run_in(checkout, "dvc", "repro")) == ["gate", "package"]

    sealed = bundle.load(checkout / RUN / "bundle")
    assert sealed.facts.recipe["gate"]["accuracy"] == 0.51
    assert "≥ 0.5100" in (checkout / RUN / "bundle" / "report.html").read_text()
    assert "≥ 0.5000" not in (checkout / RUN / "bundle" / "report.html").read_text()


def test_a_gate_that_says_no_ends_it_and_leaves_the_bundle_before(checkout):
    before = bundle.digest(bundle.load(checkout / RUN / "bundle"))
    change(checkout, "gate: {accuracy: 0.5}", "gate: {accuracy: 0.5, calibration_error: 0.0}")

    ran = run_in(checkout, "dvc", "repro")

    assert ran.returncode != 0
    assert "FAIL  calibration error in fp32" in ran.stdout
    assert "failed to reproduce 'gate'" in ran.stderr
    assert bundle.digest(bundle.load(checkout / RUN / "bundle")) == before


def test_other_training_is_compared_by_its_scores(checkout):
    change(checkout, "epochs: 6", "epochs: 8")

    ran = stages_of(run_in(checkout, "dvc", "repro"))
    shown = json.loads(run_in(checkout, "dvc", "metrics", "show", "--json").stdout)
    changed = json.loads(run_in(checkout, "dvc", "metrics", "diff", "--json").stdout)
    parameters = json.loads(run_in(checkout, "dvc", "params", "diff", "--json").stdout)
    experiments = run_in(checkout, "dvc", "exp", "show", "--csv").stdout
    plots = run_in(checkout, "dvc", "plots", "diff", "HEAD")

    metrics = str(RUN / "metrics.json")
    scores = json.loads((checkout / metrics).read_text())
    assert ran == ["train", "evaluate", "gate", "package"]
    assert shown[""]["data"][metrics]["data"] == scores
    assert changed[metrics]["fp32.log_loss"]["new"] == scores["fp32"]["log_loss"]
    assert changed[metrics]["fp32.log_loss"]["old"] != scores["fp32"]["log_loss"]
    assert parameters[str(Path("recipes") / "pets.yaml")]["train.epochs"] == {"old": 6, "new": 8, "diff": 2}
    assert "fp32.accuracy" in experiments.splitlines()[0]
    assert plots.returncode == 0, plots.stderr
