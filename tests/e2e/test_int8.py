"""From the command line: a bundle gets a graph in int8, is served in it, and gives the same labels."""

import json
import os
import subprocess
from pathlib import Path

import commands
from running import running, serve_command

from tapetum import bundle as bundles
from tapetum.data import manifest as manifests


def export(*arguments: object) -> subprocess.CompletedProcess[str]:
    return commands.run("export", *arguments, "--precision", "int8")


def test_a_bundle_is_quantised_served_in_int8_and_gives_the_same_labels(trained, own_bundle, tmp_path):
    made = own_bundle.with_name("bundle-int8")

    ran = export(own_bundle, "--data", trained / "pictures")

    assert ran.returncode == 0, ran.stderr
    assert "pass  every layer, test part: accuracy" in ran.stdout
    assert "other labels" in ran.stdout
    assert bundles.load_sealed(made).facts.quantised is not None
    labels = {}
    for path in (own_bundle, made):
        with running(serve_command(path), tmp_path / "log", TAPETUM_WORKERS="1") as service:
            ready = service.client.get("/ready").json()
            labels[ready["precision"] == "int8"] = [
                service.client.post("/predict", content=content).json()["prediction"] for content in held_out(trained)
            ]
            assert (ready["precision"] == "int8") == (path == made)
            assert f'precision="{ready["precision"]}"' in service.client.get("/metrics").text
    assert labels[True] == labels[False]
    assert set(labels[True]) == {"bright", "dark"}


def held_out(trained: Path) -> list[bytes]:
    manifest = manifests.load(trained / "manifest.json")
    return [(manifest.root / sample.path).read_bytes() for sample in manifest.part("test")]


def test_fp32_can_still_be_asked_of_it(int8_path, tmp_path):
    with running(serve_command(int8_path), tmp_path / "log", TAPETUM_PRECISION="fp32", TAPETUM_WORKERS="0") as service:
        assert service.client.get("/ready").json()["precision"] == "fp32"


def test_int8_of_a_bundle_that_has_none_ends_the_service_with_the_remedy(bundle_path):
    command = [*serve_command(bundle_path), "--precision", "int8", "--workers", "0"]
    ran = subprocess.run(command, env=os.environ, capture_output=True, text=True, timeout=120, check=False)

    assert ran.returncode == 2
    assert "has no graph in int8: `tapetum export" in ran.stdout + ran.stderr


def test_the_bundle_itself_is_never_overwritten(trained, own_bundle):
    ran = export(own_bundle, "--data", trained / "manifest.json", "--out", own_bundle)

    assert ran.returncode == 2
    assert "is the bundle itself" in ran.stderr
    assert bundles.load_sealed(own_bundle).facts.quantised is None


def test_json_says_what_was_tried_and_what_was_sealed(trained, bundle_path, tmp_path):
    ran = export(bundle_path, "--data", trained / "manifest.json", "--out", tmp_path / "made", "--json")

    found = json.loads(ran.stdout)
    assert found["sealed"] == str(tmp_path / "made")
    assert [entry["part"] for entry in found["tries"]] == ["val", "test"]
