"""The main job as users type it: a folder in, a verdict, a bundle, and answers out."""

import json
import os
import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import commands
import pytest
from ports import free_port

from tapetum import bundle as bundles

Run = Callable[..., subprocess.CompletedProcess[str]]
QUICK = ["image.height=16", "image.width=16", "train.epochs=3", "augment.flip=false"]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """`tapetum` with arguments, in an empty folder, recording nothing in MLflow unless told to."""

    def runner(*arguments: object, **variables: str) -> subprocess.CompletedProcess[str]:
        return commands.run(*arguments, folder=tmp_path, **{"MLFLOW_TRACKING_URI": "none"} | variables)

    return runner


@pytest.fixture(scope="module")
def rival(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another run on the manifest of `trained`, which has learned next to nothing."""
    out = tmp_path_factory.mktemp("rival")
    command = ["train", "digits", *QUICK, "train.epochs=1", "train.lr=1e-7", "gate.accuracy=1"]
    arguments = [*command, "--data", trained / "manifest.json", "--out", out]
    commands.run(*arguments, MLFLOW_TRACKING_URI="none", TAPETUM_CACHE_DIR=str(out / "cache"))
    return out


def test_train_says_each_stage_and_leaves_what_it_names(run, folder, tmp_path):
    ran = run("train", folder, "--out", "runs/x", *QUICK)

    assert ran.returncode == 0, ran.stderr
    stages = [line.split()[0] for line in ran.stdout.splitlines() if line[:1].isalpha()]
    assert list(dict.fromkeys(stages)) == ["recipe", "check", "split", "train", "evaluate", "gate", "seal", "tracked"]
    for name in (
        "manifest.json",
        "recipe.yaml",
        "history.json",
        "scores.txt",
        "scores.json",
        "verdict.json",
        "report.html",
    ):
        assert (tmp_path / "runs" / "x" / name).exists()
    bundle = bundles.load_sealed(tmp_path / "runs" / "x" / "bundle")
    assert {"history.json", "report.html"} <= set(bundle.facts.files or ())
    assert (bundle.path / "report.html").read_bytes() == (tmp_path / "runs" / "x" / "report.html").read_bytes()
    scores = json.loads((tmp_path / "runs" / "x" / "scores.json").read_text())
    assert 0 <= scores["fp32"]["accuracy"]["low"] <= scores["fp32"]["accuracy"]["value"] <= 1


def test_the_same_seed_trains_the_same_version_twice(run, folder, tmp_path):
    versions = set()
    for out in ("a", "b"):
        assert run("train", folder, "--out", out, *QUICK).returncode == 0
        versions.add(json.loads((tmp_path / out / "bundle" / "bundle.json").read_text())["version"])

    assert len(versions) == 1


def test_a_model_below_its_floor_stays_a_draft_that_is_not_served(run, folder, tmp_path):
    trained = run("train", folder, "--out", "x", *QUICK, "train.epochs=1", "train.lr=1e-7", "gate.accuracy=1.0")
    served = run("serve", "x/draft", "--port", "0")

    assert trained.returncode == 1
    assert "gate      FAIL" in trained.stdout
    assert json.loads((tmp_path / "x" / "verdict.json").read_text())["passed"] is False
    assert served.returncode == 2
    assert "is a draft and cannot be served" in served.stderr


def test_the_stages_can_be_run_one_by_one_on_files(run, folder, tmp_path):
    divided = json.loads(run("data", "split", folder, "--out", "manifest.json", "--json").stdout)
    strict = ("gate.calibration_error=0",)
    trained = run("train", "digits", "--data", "manifest.json", "--out", "x", "--draft", "--json", *QUICK, *strict)
    draft = {path.name: path.read_bytes() for path in (tmp_path / "x" / "draft").iterdir() if path.is_file()}
    evaluated = run("evaluate", "x/draft", "--data", "manifest.json", "--to", "x/seen", "--metrics", "m.json", "--json")
    gated = run("gate", "x/seen", "--out", "verdict.json")
    refused = run("bundle", "seal", "x/seen", "--to", "x/bundle")
    (tmp_path / "easy.yaml").write_text("name: easy\ntitle: Easy\nimage: {height: 16, width: 16}\n")
    passed = run("gate", "x/seen", "--recipe", "easy.yaml", "--json")
    sealed = run("bundle", "seal", "x/seen", "--to", "x/bundle", "--recipe", "easy.yaml", "--json")
    verified = run("bundle", "verify", "x/bundle", "--json")
    validated = run("gate", "x/bundle")
    in_place = run("bundle", "seal", "x/seen", "--recipe", "easy.yaml")

    assert trained.returncode == 0, trained.stderr
    assert sum(divided["parts"]["train"].values()) > 0
    assert "draft     x/draft, for `tapetum evaluate`" in trained.stderr
    summary = json.loads(trained.stdout)
    assert (summary["bundle"], summary["sealed"], summary["passed"]) == ("x/draft", False, None)
    assert json.loads(sealed.stdout)["digest"] == json.loads(verified.stdout)["digest"]
    assert {path.name: path.read_bytes() for path in (tmp_path / "x" / "draft").iterdir() if path.is_file()} == draft
    scores = json.loads(evaluated.stdout)["fp32"]
    assert json.loads((tmp_path / "m.json").read_text())["fp32"]["accuracy"] == scores["accuracy"]["value"]
    assert (gated.returncode, json.loads((tmp_path / "verdict.json").read_text())["passed"]) == (1, False)
    assert (refused.returncode, refused.stdout) == (1, gated.stdout)
    assert (passed.returncode, json.loads(passed.stdout)["passed"]) == (0, True)
    assert (sealed.returncode, verified.returncode) == (0, 0), sealed.stderr + verified.stderr
    assert validated.returncode == 0, validated.stdout
    assert in_place.returncode == 0, in_place.stderr
    assert bundles.digest(bundles.load(tmp_path / "x" / "seen")) == bundles.digest(
        bundles.load(tmp_path / "x" / "bundle")
    )


def test_a_model_that_fails_leaves_the_bundle_before_it_alone(run, folder, tmp_path):
    assert run("train", folder, "--out", "x", *QUICK).returncode == 0
    before = (tmp_path / "x" / "bundle" / "bundle.json").read_bytes()

    failed = run("train", folder, "--out", "x", *QUICK, "gate.calibration_error=0")

    assert failed.returncode == 1
    assert (tmp_path / "x" / "bundle" / "bundle.json").read_bytes() == before
    assert (tmp_path / "x" / "draft" / "bundle.json").exists()


def test_a_worse_model_does_not_pass_against_a_better_one(run, trained, rival):
    better = run("gate", trained / "bundle", "--against", rival / "draft", "--json")
    worse = run("gate", rival / "draft", "--against", trained / "bundle", "--json")

    assert better.returncode == 0
    assert worse.returncode == 1
    failed = [check["name"] for check in json.loads(worse.stdout)["checks"] if not check["passed"]]
    assert any(name.startswith("accuracy against") for name in failed)


def test_an_incumbent_of_other_pictures_is_measured_where_a_manifest_is_named(run, trained, folder):
    assert run("train", folder, "--out", "other", *QUICK, "parts.seed=3").returncode == 0

    blind = run("gate", trained / "bundle", "--against", "other/bundle")
    measured = run("gate", trained / "bundle", "--against", "other/bundle", "--data", trained / "manifest.json")

    assert blind.returncode == 2
    assert "--data" in blind.stderr
    assert "accuracy against" in measured.stdout


def test_predict_prints_a_line_for_each_file_and_goes_on_after_a_bad_one(run, trained, tmp_path):
    (tmp_path / "note.txt").write_text("no picture")
    pictures = trained / "pictures" / "bright"

    ran = run("predict", trained / "bundle", pictures, "note.txt", "missing.jpg", "--json")

    entries = [json.loads(line) for line in ran.stdout.splitlines()]
    assert ran.returncode == 1
    assert len(entries) == 42
    assert entries[0].keys() == {"path", "prediction", "probability", "confidence", "probabilities"}
    assert sum(entry.get("prediction") == "bright" for entry in entries) >= 38
    assert "look like text" in entries[40]["error"]
    assert "cannot be read" in entries[41]["error"]


def test_a_manifest_of_another_tapetum_does_not_stop_the_next_run(run, folder, tmp_path):
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "manifest.json").write_text('{"schema_version": 99}')

    assert run("train", folder, "--out", "x", *QUICK).returncode == 0
    assert json.loads((tmp_path / "x" / "manifest.json").read_text())["schema_version"] == 1


def test_a_broken_picture_is_named_and_left_out(run, folder, tmp_path):
    victim = folder / "dark" / "07.png"
    victim.write_bytes(victim.read_bytes()[:200])

    checked = run("data", "check", folder, "--json")
    trained = run("train", folder, "--out", "x", *QUICK)

    assert checked.returncode == 1
    findings = json.loads(checked.stdout)["findings"]
    assert [finding["paths"] for finding in findings if finding["kind"] == "broken"] == [["dark/07.png"]]
    assert trained.returncode == 0
    assert "dark/07.png" in trained.stdout
    assert "left out 1" in trained.stdout


@pytest.mark.parametrize("name", ["pets.csv", "pets.jsonl"])
def test_a_listing_is_taken_wherever_a_folder_is(run, folder, tmp_path, name):
    """Its parts and labels count, not those of the folders that its pictures lie in."""
    rows = [
        {"path": file.relative_to(tmp_path).as_posix(), "label": f"{file.parent.name}er", "part": part}
        for label in ("bright", "dark")
        for file, part in zip(sorted((folder / label).iterdir()), ["train", "val", "test", "train"] * 10, strict=True)
    ]
    lines = [f"{row['path']},{row['label']},{row['part']}" for row in rows]
    table = ["path,label,part", *lines] if name.endswith("csv") else [json.dumps(row) for row in rows]
    (tmp_path / name).write_text("\n".join(table))

    checked = run("data", "check", name, "--json")
    split = run("data", "split", name, "--out", "manifest.json")
    trained = run("train", name, *QUICK)
    floors = ["gate.accuracy=0.5", "gate.class_recall=0", "gate.calibration_error=1"]
    again = run("train", "digits", "--data", "manifest.json", "--out", "again", *QUICK, *floors)

    assert json.loads(checked.stdout)["classes"] == {"brighter": 40, "darker": 40}
    assert "train 40, val 20, test 20; 0 left out" in split.stdout
    assert trained.returncode == 0, trained.stderr
    facts = [json.loads((tmp_path / out / "bundle" / "bundle.json").read_text()) for out in ("runs/pets", "again")]
    assert [entry["labels"] for entry in facts] == [["brighter", "darker"]] * 2, again.stderr
    assert facts[0]["fingerprint"] == facts[1]["fingerprint"]


def test_faulty_rows_of_a_listing_are_named_with_their_lines(run, folder, tmp_path):
    (tmp_path / "labels.csv").write_text("path,label\npictures/bright/00.png,bright\nnone.png,dark\n../x.png,dark\n")

    checked, trained = run("data", "check", "labels.csv"), run("train", "labels.csv")

    assert (checked.returncode, trained.returncode) == (2, 2)
    assert checked.stderr == trained.stderr
    assert checked.stderr.splitlines() == [
        "tapetum: labels.csv: rows to be mended or removed: 2; paths start at ./",
        "  line 3: none.png is not there",
        "  line 4: ../x.png leads out of the folder: move the picture into it",
    ]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ("train", "nowhere"),
            "there is no recipe nowhere: expected a file, or one of cats-dogs-transfer, cats-dogs, cifar10, digits",
        ),
        (("train", "cats-dogs", "source=null"), "name a folder of pictures with --data"),
        (("train", "digits", "train.epoch=3"), "unknown key train.epoch (did you mean 'epochs'?)"),
        (("train", "digits", "train.lr=fast"), "train.lr is 'fast': expected a valid number"),
        (("train", "digits", "image.height=8"), "pictures of 32×8 are too small for simple_cnn"),
        (("data", "check", "nowhere"), "nowhere is not a folder"),
        (("data", "check", "nowhere.csv"), "nowhere.csv cannot be read: No such file"),
        (("train", "nowhere.csv"), "nowhere.csv cannot be read: No such file"),
        (("data", "check", __file__), "test_main_job.py is not a folder: expected one of labelled pictures, or a .csv"),
        (("train", "digits", "--data", __file__), "test_main_job.py is not a manifest"),
        (("data", "fetch", "digitz", "--to", "x"), "unknown source 'digitz' (did you mean 'digits'?)"),
        (("evaluate", "nowhere", "--data", "m.json"), "nowhere is not a bundle"),
        (("predict", "nowhere", "a.jpg"), "nowhere is not a bundle"),
        (("predict", "http://127.0.0.1:1", __file__), "http://127.0.0.1:1 does not answer"),
    ],
)
def test_an_error_is_one_line_with_the_remedy(run, arguments, words):
    ran = run(*arguments)

    assert ran.returncode == 2
    assert words in ran.stderr
    assert "Traceback" not in ran.stderr
    assert len(ran.stderr.splitlines()) == 1


def test_the_demo_names_a_port_in_use_before_it_trains(run, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ran = run("demo", "--port", port)

    assert ran.returncode == 2
    assert f"port {port} on 127.0.0.1 cannot be had; it is in use" in ran.stderr
    assert not (tmp_path / "runs").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk takes root")
def test_a_full_disk_is_named_and_the_next_run_succeeds(run, folder, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(disk)], check=True)
    try:
        full = run("train", folder, "--out", disk / "x", *QUICK)
        filled = run("data", "fetch", "digits", "--to", disk / "digits")
        left = sorted(path.name for path in disk.iterdir())
        subprocess.run(["mount", "-o", "remount,size=200m", str(disk)], check=True)
        again = run("train", folder, "--out", disk / "x", *QUICK)
    finally:
        subprocess.run(["umount", str(disk)], check=True)

    assert full.returncode == 2
    assert "needs 50 MB and its disk has 4 MB left: free some space, or choose another folder" in full.stderr
    assert (filled.returncode, filled.stderr.count("\n")) == (2, 1)
    assert "No space left on device" in filled.stderr
    assert left == []
    assert again.returncode == 0


def test_a_service_that_the_demo_keeps_answers_after_it_and_can_be_stopped(run, tmp_path):
    port = free_port()

    ran = run("demo", "--keep", "--port", port, MLFLOW_TRACKING_URI="sqlite:///mlruns/mlflow.db")

    assert ran.returncode == 0, ran.stderr
    number = int(ran.stdout.split("kill ")[1].split()[0])
    try:
        assert (tmp_path / "mlruns" / "mlflow.db").exists()
        asked = run("predict", f"http://127.0.0.1:{port}", "runs/digits/pictures/3", "--json")
        answers = [json.loads(line)["prediction"] for line in asked.stdout.splitlines()]
        assert asked.returncode == 0
        assert answers.count("3") / len(answers) > 0.95
    finally:
        os.kill(number, signal.SIGTERM)
