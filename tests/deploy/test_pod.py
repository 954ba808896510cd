"""A pod of the base, run by podman as it stands: its image, settings, user, root and limits."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml
from containers import Container, call, podman
from rendered import container, one, pod

BASE = "deploy/k8s/base"
# What only a cluster has a use for, or podman 4 has no way to do: it runs probes with a curl that the image lacks,
# and publishes every port that is named.
OF_CLUSTERS = ("startupProbe", "readinessProbe", "livenessProbe", "ports")


@pytest.fixture(scope="module")
def played(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Container]:
    deployment, settings = one(BASE, "Deployment", "cats-dogs-api"), one(BASE, "ConfigMap", "cats-dogs-api")
    spec = json.loads(json.dumps(pod(deployment)["spec"]))
    (own,) = spec["containers"]
    own |= {"image": f"localhost/{image}:latest"}
    for name in OF_CLUSTERS:
        del own[name]
    name = f"{image}-pod"
    manifest = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": pod(deployment)["metadata"]["labels"]},
    }
    file = tmp_path_factory.mktemp("pod") / "pod.yaml"
    file.write_text(yaml.safe_dump_all([settings, manifest | {"spec": spec}]))
    podman("kube", "play", str(file))
    try:
        started = Container(f"{name}-api", 8000)
        infra = json.loads(podman("pod", "inspect", name))["InfraContainerID"]
        networks = json.loads(podman("inspect", infra))[0]["NetworkSettings"]["Networks"]
        (address,) = (network["IPAddress"] for network in networks.values())
        started.client.close()
        started.client = httpx.Client(base_url=f"http://{address}:8000", timeout=60)
        started.until_ready()
        yield started
        started.client.close()
    finally:
        call("podman", "kube", "down", str(file), must=False)
        call("podman", "pod", "rm", "--force", "--time", "0", name, must=False)


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
