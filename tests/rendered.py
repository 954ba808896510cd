"""Manifests as `kubectl kustomize` renders them."""

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
# Those that serve what was promoted, and what they fetch it from.
FOLLOWING = ("deploy/k8s/overlays/kind-following", "deploy/k8s/overlays/production-following")
TRACKING = "deploy/k8s/tracking"
SERVICE = ("deploy/k8s/base", "deploy/k8s/overlays/kind", "deploy/k8s/overlays/production", *FOLLOWING)
MONITORING = ("deploy/monitoring", "deploy/k8s/overlays/kind/monitoring")
POD_OWNERS = {"Deployment", "StatefulSet", "DaemonSet"}

Manifest = dict[str, Any]


def require(*tools: str) -> None:
    """Skip, or under CI fail, where a tool is missing."""
    missing = [tool for tool in tools if shutil.which(tool) is None]
    if missing and os.environ.get("CI"):
        pytest.fail(f"missing: {', '.join(missing)}")
    if missing:
        pytest.skip(f"missing: {', '.join(missing)}; as root, `make test` installs the tools")


def kubectl() -> str:
    """The kubectl of this machine, or the one that `make test` installs where there is none."""
    found = shutil.which("kubectl", path=ROOT / ".venv" / "kubectl" / "bin")
    if found is None:
        require("kubectl")
    return found or shutil.which("kubectl") or "kubectl"


@cache
def text(folder: str) -> str:
    """All manifests of a kustomization, as kubectl prints them."""
    rendered = subprocess.run(
        [kubectl(), "kustomize", str(ROOT / folder)], capture_output=True, text=True, check=False, timeout=120
    )
    assert rendered.returncode == 0, rendered.stderr
    return rendered.stdout


@cache
def manifests(folder: str) -> list[Manifest]:
    """All manifests of a kustomization; not to be changed."""
    return list(yaml.load_all(text(folder), Loader=yaml.CSafeLoader))


def of_kind(folder: str, *kinds: str) -> list[Manifest]:
    """Those of some kinds."""
    return [manifest for manifest in manifests(folder) if manifest["kind"] in kinds]


def one(folder: str, kind: str, name: str) -> Manifest:
    """The one of a kind and a name; generated names end in a hash."""
    found = [
        manifest
        for manifest in of_kind(folder, kind)
        if manifest["metadata"]["name"] == name or manifest["metadata"]["name"].rpartition("-")[0] == name
    ]
    assert len(found) == 1, f"{len(found)} {kind} {name} in {folder}"
    return found[0]


def pod(owner: Manifest) -> Manifest:
    """The pod that a deployment, stateful set or daemon set makes."""
    return owner["spec"]["template"]


def container(owner: Manifest) -> Manifest:
    """The one container of that pod."""
    (found,) = pod(owner)["spec"]["containers"]
    return found


def matches(selector: Manifest, labels: dict[str, str]) -> bool:
    """Whether a selector of `matchLabels` and `matchExpressions` (In only) chooses these labels."""
    expressions = selector.get("matchExpressions", [])
    assert {expression["operator"] for expression in expressions} <= {"In"}
    return all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items()) and all(
        labels.get(expression["key"]) in expression["values"] for expression in expressions
    )
