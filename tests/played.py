"""A pod of a kustomization, run by podman as it stands: its image, settings, user, root and limits."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import yaml
from containers import Container, call, podman
from rendered import Manifest, one, pod

# What only a cluster has a use for, or podman 4 has no way to do: it runs probes with a curl that the image lacks,
# and publishes every port that is named.
OF_CLUSTERS = ("startupProbe", "readinessProbe", "livenessProbe", "ports")


@contextmanager
def play(
    kustomization: str,
    image: str,
    folder: Path,
    change: Callable[[Manifest, Manifest], None] = lambda pod, settings: None,
) -> Iterator[Container]:
    """The service of a kustomization, once it is ready; `change` may fill in pod and config map before."""
    deployment = one(kustomization, "Deployment", "cats-dogs-api")
    name = f"{image}-{folder.name}"
    made = json.loads(json.dumps(pod(deployment)))
    settings = json.loads(json.dumps(one(kustomization, "ConfigMap", "cats-dogs-api")))
    for container in (*made["spec"].get("initContainers", []), *made["spec"]["containers"]):
        container["image"] = f"localhost/{image}:latest"
        for needless in OF_CLUSTERS:
            container.pop(needless, None)
    made |= {"apiVersion": "v1", "kind": "Pod", "metadata": made["metadata"] | {"name": name}}
    change(made, settings)
    _expand(made, settings)
    made["spec"]["restartPolicy"] = "Never"  # podman 4 starts a first container again that has ended well
    file = folder / "pod.yaml"
    file.write_text(yaml.safe_dump_all([settings, made]))
    try:
        ran = call("podman", "kube", "play", str(file), must=False)
        first = [
            call("podman", "logs", f"{name}-{one['name']}", must=False)
            for one in made["spec"].get("initContainers", [])
        ]
        assert ran.returncode == 0, f"{ran.stderr}\n{first}"
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


def _expand(made: Manifest, settings: Manifest) -> None:
    """Fill in what commands say of the environment, as a kubelet does and podman 4 does not.

    It also takes no annotation of more than 63 letters.
    """
    annotations = made["metadata"].pop("annotations", {})
    for container in made["spec"].get("initContainers", []):
        values = dict(settings["data"])
        for variable in container["env"]:
            variable["value"] = annotations[variable.pop("valueFrom")["fieldRef"]["fieldPath"].split("'")[1]]
            values[variable["name"]] = variable["value"]
        container["command"] = [
            re.sub(r"\$\((\w+)\)", lambda found, known=values: known[found[1]], word) for word in container["command"]
        ]
