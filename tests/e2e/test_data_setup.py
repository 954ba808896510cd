"""`make data-setup` and `dvc repro` as users type them: real DVC, real git, small pictures."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from checkout import ROOT, lay_out, run_in, stages_of

from tapetum.data import manifest

RECIPE = """
name: pets
title: Pets
source: photos
parts: {val: 0.2, test: 0.2, seed: 0}
image: {height: 16, width: 16}
"""
STAGES = {"fetch", "check", "split"}
MANIFEST, REPORT = "data/pets.manifest.json", "data/pets.report.json"


def data_setup(place: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    # -o: the environment is the one that runs the tests, however old it looks.
    return run_in(place, "make", "-o", ".venv/installed", "data-setup", *arguments)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """A checkout in git where `make data-setup` ran once, and what it said."""
    place = lay_out(tmp_path_factory.mktemp("first"), RECIPE)
    run_in(place, "git", "init", "--quiet")
    return place, data_setup(place, "DATASET=pets")


@pytest.fixture
def checkout(first: tuple[Path, object], tmp_path: Path) -> Path:
    """A copy of it, to be changed at will."""
    return Path(shutil.copytree(first[0], tmp_path / "checkout", symlinks=True))


def reproduce(place: Path, *arguments: str) -> list[str]:
    return stages_of(run_in(place, "dvc", "repro", *(arguments or ("check", "split"))))


def test_three_stages_run_and_a_broken_picture_is_named_and_stops_nothing(first):
    place, ran = first

    report = json.loads((place / REPORT).read_text())

    assert set(stages_of(ran)) == STAGES
    assert "broken: dark/00.png" in ran.stdout
    assert report["kinds"]["broken"] == 1
    assert report["classes"] == {"bright": 40, "dark": 39}
    assert "dark/00.png" in (place / "data" / "pets.report.html").read_text()
    assert len(manifest.load(place / MANIFEST).samples) == 79


def test_pictures_are_tracked_as_one_file(first):
    place, _ = first

    lock = (place / "dvc.lock").read_text()

    assert "data/pets.tar" in lock
    assert ".dir" not in lock


def test_what_was_chosen_is_written_down(first):
    assert (first[0] / "params.yaml").read_text().endswith("\ndataset: pets\nlimit: 0\n")


def test_a_second_time_nothing_runs(checkout):
    assert stages_of(data_setup(checkout)) == []
    assert reproduce(checkout) == []


def test_other_parts_in_the_recipe_divide_anew_and_nothing_else(checkout):
    before = manifest.load(checkout / MANIFEST)
    (checkout / "recipes" / "pets.yaml").write_text(RECIPE.replace("seed: 0", "seed: 1"))

    ran = reproduce(checkout)

    assert ran == ["split"]
    assert manifest.load(checkout / MANIFEST).parts.seed == 1
    assert manifest.load(checkout / MANIFEST).fingerprint != before.fingerprint


@pytest.mark.parametrize("way", ["DVC=", "DVC=no"])
def test_a_correction_holds_in_check_and_split(checkout, way):
    chosen = (checkout / "params.yaml").read_text()
    (checkout / "params.yaml").write_text(chosen.replace("recipes/no-corrections.csv", "pets.csv"))
    (checkout / "pets.csv").write_text("path,label\ndark/00.png,\ndark/01.png,bright\n")

    ran = data_setup(checkout, way)

    assert ran.returncode == 0, ran.stderr
    assert json.loads((checkout / REPORT).read_text())["classes"] == {"bright": 41, "dark": 38}
    labels = {sample.path: sample.label for sample in manifest.load(checkout / MANIFEST).samples}
    assert labels["dark/01.png"] == "bright"


def test_another_choice_in_the_recipe_runs_nothing(checkout):
    (checkout / "recipes" / "pets.yaml").write_text(RECIPE + "train: {epochs: 3}\n")

    assert reproduce(checkout) == []


def test_another_source_or_limit_runs_everything(checkout):
    assert set(stages_of(data_setup(checkout, "DATASET=pets", "LIMIT=60"))) == STAGES
    report = json.loads((checkout / REPORT).read_text())
    assert sum(report["classes"].values()) + report["kinds"].get("broken", 0) == 60

    (checkout / "photos").rename(checkout / "others")
    (checkout / "recipes" / "pets.yaml").write_text(RECIPE.replace("photos", "others"))
    (checkout / "others" / "dark" / "00.png").unlink()

    assert set(reproduce(checkout)) == STAGES


def test_fetched_anew_only_other_pictures_run_the_rest(checkout):
    """DVC cannot see behind a source: `--force` asks it."""
    (checkout / "photos" / "dark" / "01.png").touch()
    same = reproduce(checkout, "--force", "fetch"), reproduce(checkout)
    (checkout / "photos" / "dark" / "01.png").unlink()

    changed = reproduce(checkout, "--force", "fetch"), reproduce(checkout)

    assert same == (["fetch"], [])
    assert (changed[0], set(changed[1])) == (["fetch"], {"check", "split"})


def test_an_archive_that_was_lost_comes_back_from_the_cache(checkout):
    (checkout / "data" / "pets.tar").unlink()

    assert reproduce(checkout) == []
    assert (checkout / "data" / "pets.tar").is_file()


def test_without_dvc_the_same_comes_out(first, tmp_path):
    place = lay_out(tmp_path, RECIPE)

    ran = data_setup(place, "DATASET=pets", "DVC=no")
    again = data_setup(place, "DATASET=pets", "DVC=no")

    assert ran.returncode == 0, ran.stderr
    assert again.returncode == 0
    assert "pictures" not in again.stdout
    assert not (place / "dvc.lock").exists()
    for name in ("pets.tar", "pets.report.json", "pets.report.html", "pets.manifest.json"):
        assert (place / "data" / name).read_bytes() == (first[0] / "data" / name).read_bytes()


def test_outside_of_git_and_without_settings_dvc_is_set_up(tmp_path):
    place = lay_out(tmp_path, RECIPE)
    shutil.rmtree(place / ".dvc")

    ran = data_setup(place, "DATASET=pets")

    assert set(stages_of(ran)) == STAGES
    assert "analytics = false" in (place / ".dvc" / "config").read_text()


def test_the_settings_of_the_repository_send_nothing_home():
    settings = (ROOT / ".dvc" / "config").read_text()

    assert "analytics = false" in settings
    assert "check_update = false" in settings


@pytest.mark.parametrize("way", ["DVC=", "DVC=no"])
def test_pictures_that_cannot_be_checked_end_it(tmp_path, way):
    place = lay_out(tmp_path, RECIPE)
    shutil.rmtree(place / "photos" / "dark")

    ran = data_setup(place, "DATASET=pets", way)

    assert ran.returncode != 0
    assert "holds pictures of bright alone" in ran.stderr
    assert (place / "data" / "pets.tar").is_file()
    assert not (place / MANIFEST).exists()
