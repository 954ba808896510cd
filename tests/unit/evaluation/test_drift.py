"""`tapetum drift`: a folder beside a profile, as text, JSON and HTML."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from conftest import encode
from profiles import blobs, profiled

from tapetum.cli import main
from tapetum.errors import BundleError, DataError
from tapetum.evaluation import drift


@pytest.fixture(scope="module")
def bundle(bundle_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return profiled(bundle_path, tmp_path_factory.mktemp("profiled") / "bundle")


def fill(folder: Path, count: int, seed: int = 9, factor: float = 1.0) -> Path:
    folder.mkdir()
    for number, pixels in enumerate(blobs(count, seed)):
        (folder / f"{number:03}.png").write_bytes(encode((pixels * factor).astype("uint8"), "PNG"))
    return folder


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fill(tmp_path_factory.mktemp("clean") / "pictures", 500)


@pytest.fixture(scope="module")
def dim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = fill(tmp_path_factory.mktemp("dim") / "pictures", 500, factor=0.6)
    (folder / "notes.txt").write_text("no picture")
    return folder


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main.tapetum, ["drift", *map(str, arguments)], catch_exceptions=False)


def test_a_clean_folder_is_clean(bundle, clean):
    result = run(bundle, clean)

    assert result.exit_code == 0
    assert result.output.startswith("No drift")
    assert "500 pictures" in result.output


def test_a_dim_folder_has_drifted_and_says_how(bundle, dim, tmp_path):
    report = tmp_path / "report.html"
    result = run(bundle, dim, "--html", report)

    assert result.exit_code == 1
    assert "Brightness: pictures are darker" in result.output
    assert "1 files could not be read" in result.output
    page = report.read_text()
    assert page.count("data:image/jpeg;base64,") == 24
    assert "<svg" in page
    assert "Brightness: pictures are darker" in page


def test_a_number_that_is_withheld_is_said_to_be(bundle, tmp_path):
    """As text, in JSON and on the page: noise is nothing that this model was measured on."""
    noise = tmp_path / "noise"
    noise.mkdir()
    rng = np.random.default_rng(0)
    for number in range(120):
        pixels = rng.integers(0, 2, (24, 24, 3), np.uint8) * 255
        (noise / f"{number:03}.png").write_bytes(encode(pixels, "PNG"))
    report = tmp_path / "report.html"

    text, told = run(bundle, noise, "--html", report).output, json.loads(run(bundle, noise, "--json").output)

    assert told["accuracy"] is None
    assert "no estimate is given: " + told["doubt"] in text
    assert "Right ones are not estimated: " + told["doubt"] in report.read_text()


def test_json_is_the_verdict_of_the_service(bundle, dim):
    result = run(bundle, dim, "--json")

    verdict = json.loads(result.output)
    assert verdict["pictures"] == 500
    assert verdict["distances"]["brightness"]["is_drifted"]
    assert verdict["grade"] in ("drift", "loss")


def test_the_pictures_that_moved_it_come_first(bundle, clean, tmp_path):
    mixed = fill(tmp_path / "mixed", 300)
    for number, pixels in enumerate(blobs(60, 3)):
        (mixed / f"dim{number}.png").write_bytes(encode((pixels * 0.3).astype("uint8"), "PNG"))
    found = drift.measure(bundle, sorted(mixed.iterdir()))

    assert "brightness" in found.verdict.drifted
    assert all(file.name.startswith("dim") for file in found.files[:10])
    assert any("more frequent" in line for line in drift.conclusions(found))


def test_without_a_profile_the_remedy_is_named(bundle_path, clean):
    with pytest.raises(BundleError, match="tapetum evaluate"):
        drift.measure(bundle_path, sorted(clean.iterdir()))


def test_too_few_pictures_decide_nothing(bundle, clean):
    with pytest.raises(DataError, match="99 of 99 files"):
        drift.measure(bundle, sorted(clean.iterdir())[:99])
