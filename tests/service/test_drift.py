"""Drift in a service that runs: what it answers, exports and says of itself."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import encode
from inferring import client_of, of_files, of_pixels
from profiles import blobs, profiled
from running import Service, running, serve_command

from tapetum import bundle as bundles
from tapetum.metrics import CATALOGUE

BATCH = 32


@pytest.fixture(scope="module")
def watched(bundle_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service whose bundle has a profile, asked for 512 dim pictures, half of them by the Open Inference Protocol."""
    folder = tmp_path_factory.mktemp("watched")
    bundle = profiled(bundle_path, folder / "bundle")
    with running(serve_command(bundle), folder / "log", TAPETUM_DRIFT_WINDOW="500") as service:
        dim = [encode((pixels * 0.5).astype("uint8"), "PNG") for pixels in blobs(16 * BATCH, 5)]
        for start in range(0, len(dim), 2 * BATCH):
            files = [("files", content) for content in dim[start : start + BATCH]]
            service.client.post("/predict/batch", files=files).raise_for_status()
            with client_of(service) as client:
                client.infer("pictures", of_files(dim[start + BATCH : start + 2 * BATCH]))
        service.until(lambda: drift(service)["state"] == "watched")
        yield service


def drift(service: Service) -> dict:
    return service.client.get("/model-stats").json()["drift"]


def test_model_stats_have_the_verdict(watched):
    found = drift(watched)

    assert found["predictions"] == 500
    assert "brightness" in found["verdict"]["drifted"]
    assert found["verdict"]["grade"] in ("drift", "loss")


def test_metrics_have_all_that_a_verdict_tells(watched):
    text = watched.client.get("/metrics").text
    verdict = drift(watched)["verdict"]

    expected = {series.name for series in CATALOGUE if series.name.startswith("drift_")}
    missing = {name for name in expected if f"\n{name}" not in text}
    assert missing == set()
    assert "\ndrift_detected 1.0\n" in text
    assert 'drift_psi{statistic="brightness"}' in text
    assert "\nmodel_estimated_accuracy_high_ratio " in text
    assert ("\nmodel_estimated_accuracy_ratio " in text) is (verdict["accuracy"] is not None)


def test_an_answer_says_whether_its_picture_is_unlike_the_training_data(watched, rng):
    usual = watched.client.post("/predict", content=encode(blobs(1, 7)[0], "PNG")).json()
    stripes = encode((rng.random((24, 24, 3)) > 0.5).astype("uint8") * 255, "PNG")
    strange = watched.client.post("/predict", content=stripes).json()

    assert usual["unlike_training"] is False
    assert strange["unlike_training"] is True


def test_pixels_by_the_open_inference_protocol_are_watched_too(watched, bundle_path, rng):
    spec = bundles.load(bundle_path).facts.preprocess
    strange = (rng.random((2, spec.height, spec.width, 3)) > 0.5).astype("uint8") * 255
    before = drift(watched)["unlike_training"]

    with client_of(watched) as client:
        client.infer("pictures-tensor", of_pixels(strange))

    watched.until(lambda: drift(watched)["unlike_training"] == before + 2)


def test_without_a_profile_nothing_is_said(service, bright):
    assert "unlike_training" not in service.client.post("/predict", content=bright).json()
    assert drift(service) == {"state": "no profile", "predictions": 0, "unlike_training": 0, "verdict": None}
