"""A pod of the base, run by podman as it stands: its image, settings, user, root and limits."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from containers import Container
from played import play
from rendered import container, one

BASE = "deploy/k8s/base"


@pytest.fixture(scope="module")
def played(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Container]:
    with play(BASE, image, tmp_path_factory.mktemp("pod")) as started:
        yield started


def test_it_predicts_with_the_settings_of_the_config_map(played, trained: Path):
    picture = (trained / "pictures" / "bright" / "00.png").read_bytes()
    shown = dict(
        line.split()[:2] for line in played.execute("tapetum", "config", "show").splitlines() if "TAPETUM_" in line
    )

    assert played.client.post("/predict", content=picture).json()["prediction"] == "bright"
    given = one(BASE, "ConfigMap", "cats-dogs-api")["data"]
    assert {key: shown[key] for key in ("TAPETUM_WORKERS", "TAPETUM_HOST", "TAPETUM_LOG_FORMAT")} == {
        key: given[key] for key in ("TAPETUM_WORKERS", "TAPETUM_HOST", "TAPETUM_LOG_FORMAT")
    }


def test_it_is_confined_as_the_manifest_says(played):
    status = dict(
        line.split(":\t", 1) for line in played.execute("cat", "/proc/1/status").splitlines() if ":\t" in line
    )
    limits = container(one(BASE, "Deployment", "cats-dogs-api"))["resources"]["limits"]

    assert status["Uid"].split() == ["10001"] * 4
    assert int(status["CapEff"], 16) == int(status["CapBnd"], 16) == 0
    assert status["NoNewPrivs"] == "1"
    assert played.fact("{{.HostConfig.ReadonlyRootfs}}") == "true"
    assert int(played.fact("{{.HostConfig.Memory}}")) == int(limits["memory"].removesuffix("Gi")) * 2**30


def test_what_runs_before_it_stops_is_in_the_image(played):
    command = container(one(BASE, "Deployment", "cats-dogs-api"))["lifecycle"]["preStop"]["exec"]["command"]

    played.execute(command[0], "0")
