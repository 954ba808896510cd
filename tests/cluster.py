"""As much of a cluster's API as `kubectl` needs to apply, patch, wait for and undo deployments, kept in memory.

What a deployment's controller does is done at once: each template is a replica set with a revision, and its pods are
there. Other objects are kept as they were applied.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import yaml

Thing = dict[str, Any]

REVISION = "deployment.kubernetes.io/revision"
# By version: name in addresses, kind, and whether it belongs to a namespace.
RESOURCES = {
    "v1": [
        ("configmaps", "ConfigMap", True),
        ("namespaces", "Namespace", False),
        ("serviceaccounts", "ServiceAccount", True),
        ("services", "Service", True),
    ],
    "apiregistration.k8s.io/v1": [("apiservices", "APIService", False)],
    "apps/v1": [("deployments", "Deployment", True), ("replicasets", "ReplicaSet", True)],
    "autoscaling/v2": [("horizontalpodautoscalers", "HorizontalPodAutoscaler", True)],
    "networking.k8s.io/v1": [("networkpolicies", "NetworkPolicy", True)],
    "policy/v1": [("poddisruptionbudgets", "PodDisruptionBudget", True)],
    "rbac.authorization.k8s.io/v1": [
        ("clusterroles", "ClusterRole", False),
        ("clusterrolebindings", "ClusterRoleBinding", False),
        ("rolebindings", "RoleBinding", True),
    ],
}
VERBS = ["create", "delete", "get", "list", "patch", "update", "watch"]


class Cluster:
    """What is there, by address; `refused` is a kind whose changes the server refuses."""

    def __init__(self) -> None:
        self.things: dict[str, Thing] = {}
        self.refused = ""
        self._lock = threading.Lock()

    def template(self, name: str = "cats-dogs-api") -> Thing:
        """The pods that a deployment has by now."""
        found: Thing = self.things[f"/apis/apps/v1/namespaces/mlops/deployments/{name}"]["spec"]["template"]
        return found

    def get(self, address: str) -> Thing | None:
        """What stands at an address; of a folder the list of it."""
        if address in ("/api", "/apis"):
            return _versions() if address == "/api" else _groups()
        if address.startswith("/openapi/v3"):
            return _schemas(address.removeprefix("/openapi/v3").removeprefix("/"))
        version = address.removeprefix("/apis/").removeprefix("/api/")
        if version in RESOURCES:
            return _resources(version)
        name = address.rpartition("/")[2]
        for version, kinds in RESOURCES.items():
            for plural, kind, _ in kinds:
                if name == plural:
                    with self._lock:
                        found = [each for place, each in self.things.items() if place.startswith(f"{address}/")]
                    return {"kind": f"{kind}List", "apiVersion": version, "metadata": {}, "items": found}
        return self.things.get(address)

    def patch(self, address: str, kind: str, patch: Any) -> Thing | None:
        """Change what is there, or with an applied manifest make it; None where it is refused."""
        with self._lock:
            before = self.things.get(address, {})
            if "json-patch" in kind:
                after = deepcopy(before)
                for step in patch:
                    _, outer, inner = step["path"].split("/")
                    after[outer][inner] = step["value"]
            else:
                after = _merged(before, patch)
                if "apply" in kind and "template" in after.get("spec", {}):
                    after["spec"]["template"] = patch["spec"]["template"]
            if after["kind"] == self.refused:
                return None
            after["metadata"].setdefault("uid", address)
            self.things[address] = after = _without_nulls(after)
            if after["kind"] == "Deployment":
                self._roll_out(address, after)
            return after

    def _roll_out(self, address: str, deployment: Thing) -> None:
        replica_sets = address.replace("/deployments/", "/replicasets/")
        template, own = deployment["spec"]["template"], deployment["metadata"].setdefault("annotations", {})
        ours = [each for place, each in self.things.items() if place.startswith(f"{replica_sets}-")]
        newest = max((int(each["metadata"]["annotations"][REVISION]) for each in ours), default=0)
        number = next((n for n, each in enumerate(ours) if _without_hash(each) == template), len(ours))
        if number == len(ours) or int(ours[number]["metadata"]["annotations"][REVISION]) < newest:
            newest += 1
        labels = template["metadata"]["labels"] | {"pod-template-hash": str(number)}
        held = deepcopy(template)
        held["metadata"]["labels"] = labels
        self.things[f"{replica_sets}-{number}"] = {
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "metadata": {
                "name": f"{deployment['metadata']['name']}-{number}",
                "namespace": "mlops",
                "uid": f"{address}-{number}",
                "labels": labels,
                "annotations": {REVISION: str(newest)},
                "ownerReferences": [
                    {
                        "apiVersion": "apps/v1",
                        "kind": "Deployment",
                        "name": deployment["metadata"]["name"],
                        "uid": deployment["metadata"]["uid"],
                        "controller": True,
                    }
                ],
            },
            "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": held},
        }
        own[REVISION] = str(newest)
        deployment["metadata"]["generation"] = 1
        counts = dict.fromkeys(("replicas", "updatedReplicas", "availableReplicas", "readyReplicas"), 1)
        deployment["status"] = {"observedGeneration": 1} | counts


@contextmanager
def serving(cluster: Cluster) -> Iterator[str]:
    """Its API, until the block ends: a configuration of kubectl with the context kind-mlops-cluster."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer(cluster.get(urlsplit(self.path).path), 404, "NotFound")

        def do_PATCH(self) -> None:
            # YAML is a superset of JSON.
            patch = yaml.safe_load(self.rfile.read(int(self.headers["Content-Length"])))
            changed = cluster.patch(urlsplit(self.path).path, self.headers["Content-Type"], patch)
            self._answer(changed, 403, "Forbidden")

        def _answer(self, found: Thing | None, status: int, reason: str) -> None:
            if found is None:
                found = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "code": status}
                found["message"] = f"{reason}: {self.path}"
            else:
                status = 200
            content = json.dumps(found).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *words: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "here", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
                "contexts": [{"name": "kind-mlops-cluster", "context": {"cluster": "here", "user": ""}}],
            }
        )
        server.shutdown()


def _merged(before: Thing, patch: Thing) -> Thing:
    after = deepcopy(before)
    for name, value in patch.items():
        after[name] = _merged(after[name], value) if isinstance(value, dict) and name in after else value
    return after


def _without_nulls(thing: Any) -> Any:
    """As a server keeps it: kubectl writes `creationTimestamp: null` into what it takes from a revision."""
    if isinstance(thing, dict):
        return {name: _without_nulls(value) for name, value in thing.items() if value is not None}
    return [_without_nulls(each) for each in thing] if isinstance(thing, list) else thing


def _without_hash(replica_set: Thing) -> Thing:
    template: Thing = deepcopy(replica_set["spec"]["template"])
    template["metadata"]["labels"].pop("pod-template-hash")
    return template


def _versions() -> Thing:
    return {"kind": "APIVersions", "versions": ["v1"]}


def _groups() -> Thing:
    names = [version for version in RESOURCES if "/" in version]
    groups = [
        {"name": version.partition("/")[0], "versions": [which], "preferredVersion": which}
        for version in names
        for which in [{"groupVersion": version, "version": version.partition("/")[2]}]
    ]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def _resources(version: str) -> Thing:
    found = [
        {"name": plural, "singularName": kind.lower(), "kind": kind, "namespaced": namespaced, "verbs": VERBS}
        for plural, kind, namespaced in RESOURCES[version]
    ]
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": found}


def _schemas(address: str) -> Thing:
    """That this server itself checks the fields of what is applied, so that kubectl need not."""
    if not address:
        places = [f"apis/{version}" if "/" in version else f"api/{version}" for version in RESOURCES]
        return {"paths": {place: {"serverRelativeURL": f"/openapi/v3/{place}"} for place in places}}
    group, _, version = address.removeprefix("apis/").removeprefix("api/").rpartition("/")
    checks = {"name": "fieldValidation", "in": "query", "schema": {"type": "string"}}
    paths = {
        f"/{kind}": {
            "patch": {
                "parameters": [checks],
                "responses": {},
                "x-kubernetes-group-version-kind": {"group": group, "version": version, "kind": kind},
            }
        }
        for _, kind, _ in RESOURCES["/".join(filter(None, (group, version)))]
    }
    return {"openapi": "3.0.0", "info": {"title": "", "version": ""}, "paths": paths}
