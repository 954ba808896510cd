"""Every manifest, of the service and of monitoring: valid, and no pod with more than it needs."""

import re

import kubernetes_validate
import pytest
from rendered import (
    MONITORING,
    POD_OWNERS,
    SERVICE,
    TRACKING,
    Manifest,
    container,
    kubectl,
    manifests,
    matches,
    of_kind,
    pod,
    text,
)

EVERY = (*SERVICE, *MONITORING, TRACKING)
# Which hold what is ours, each once.
WHOLE = ("deploy/k8s/base", "deploy/monitoring", TRACKING)
# From the oldest that docs/deploy.md allows to the newest that is known.
VERSIONS = ("1.30", kubernetes_validate.latest_version())
# What asks the cluster's API.
WITH_TOKEN = {"prometheus", "kube-state-metrics", "metrics-server"}
# What must see its node, in a namespace of its own.
ON_THE_NODE = {"node-exporter"}


def containers(owner: Manifest) -> list[Manifest]:
    """The one of a pod, and those that run before it."""
    return [*pod(owner)["spec"].get("initContainers", []), container(owner)]


def owners() -> list[object]:
    """Each deployment, stateful set and daemon set of each kustomization, as parameters."""
    kubectl()
    return [
        pytest.param(owner, id=f"{folder.removeprefix('deploy/')}:{owner['metadata']['name']}")
        for folder in EVERY
        for owner in of_kind(folder, *POD_OWNERS)
    ]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "owner" in metafunc.fixturenames:
        metafunc.parametrize("owner", owners())


@pytest.mark.parametrize("folder", EVERY)
@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_knows_every_field(folder, version):
    """Strictly: a field or a kind that is unknown raises."""
    found = manifests(folder)

    for manifest in found:
        kubernetes_validate.validate(manifest, version, strict=True)
    assert found


@pytest.mark.parametrize("folder", EVERY)
def test_no_secret_is_in_the_repository(folder):
    assert of_kind(folder, "Secret") == []


@pytest.mark.parametrize("folder", EVERY)
def test_no_config_map_is_too_large_for_the_cluster(folder):
    sizes = {found["metadata"]["name"]: len(str(found["data"])) for found in of_kind(folder, "ConfigMap")}

    assert [name for name, size in sizes.items() if size > 1_000_000] == []


@pytest.mark.parametrize("folder", EVERY)
def test_what_a_pod_mounts_or_reads_is_there(folder):
    """Config maps and accounts of the same rendering; secrets are made outside."""
    made = {(found["kind"], found["metadata"]["name"]) for found in manifests(folder)}
    named = set(re.findall(r"configMap(?:Ref)?:\n(?: +defaultMode: \d+\n)? +name: (\S+)", text(folder)))
    accounts = {pod(owner)["spec"]["serviceAccountName"] for owner in of_kind(folder, *POD_OWNERS)}

    assert named or folder == TRACKING
    assert {("ConfigMap", name) for name in named} <= made
    assert {("ServiceAccount", name) for name in accounts} <= made


@pytest.mark.parametrize("folder", EVERY)
def test_every_service_leads_to_a_port_of_a_pod(folder):
    templates = [pod(owner) for owner in of_kind(folder, *POD_OWNERS)]
    services = of_kind(folder, "Service")

    for service in services:
        chosen = [
            template
            for template in templates
            if matches({"matchLabels": service["spec"]["selector"]}, template["metadata"]["labels"])
        ]
        assert len(chosen) == 1, service["metadata"]["name"]
        names = {port["name"] for port in chosen[0]["spec"]["containers"][0]["ports"]}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= names
    assert services


def test_selectors_choose_the_pods_that_they_make(owner):
    assert matches(owner["spec"]["selector"], pod(owner)["metadata"]["labels"])


def test_nothing_runs_as_root_or_may_become_it(owner):
    security = pod(owner)["spec"]["securityContext"]

    assert security["runAsNonRoot"] is True
    assert security["runAsUser"] > 0
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    for found in containers(owner):
        assert found["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


def test_only_what_asks_the_cluster_has_a_token(owner):
    has_token = pod(owner)["spec"]["automountServiceAccountToken"]

    assert has_token is (owner["metadata"]["name"] in WITH_TOKEN)


def test_only_the_node_exporter_sees_its_node(owner):
    spec = pod(owner)["spec"]
    reaches = {key for key in ("hostNetwork", "hostPID", "hostIPC") if spec.get(key)}
    reaches |= {"hostPath" for volume in spec.get("volumes", []) if "hostPath" in volume}

    if owner["metadata"]["name"] in ON_THE_NODE:
        assert owner["metadata"]["namespace"] == "mlops-nodes"
        mounts = [mount for mount in container(owner)["volumeMounts"] if mount["name"] in ("sys", "root")]
        assert len(mounts) == 2
        assert all(mount["readOnly"] for mount in mounts)
    else:
        assert reaches == set()


def test_resources_are_asked_for_and_bounded(owner):
    for found in containers(owner):
        assert set(found["resources"]["requests"]) == {"cpu", "memory"}
        assert set(found["resources"]["limits"]) == {"cpu", "memory"}


def test_images_are_pinned(owner):
    """By tag or digest, never by what is newest today; the base leaves it to its overlays."""
    for found in containers(owner):
        name, _, tag = found["image"].partition(":")
        assert re.fullmatch(r"v?\d+\.\d+\.\d+", tag) or (name == "cats-dogs-api" and not tag), found["image"]


def test_the_three_probes_ask_a_port_that_there_is(owner):
    found = container(owner)
    names = {port["name"] for port in found["ports"]}

    for kind in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert found[kind]["httpGet"]["port"] in names


@pytest.mark.parametrize("folder", EVERY)
def test_policies_name_pods_and_ports_that_there_are(folder):
    """Pods of the service, of monitoring and of tracking may be named in any; ports are those of the pods."""
    ours = [owner for whole in WHOLE for owner in of_kind(whole, *POD_OWNERS)]
    policies = of_kind(folder, "NetworkPolicy")

    def ports_of(selector: dict) -> set:
        chosen = [owner for owner in ours if matches(selector, pod(owner)["metadata"]["labels"])]
        assert chosen, selector
        found = [port for owner in chosen for port in container(owner)["ports"]]
        return {port["name"] for port in found} | {port["containerPort"] for port in found}

    for policy in policies:
        spec = policy["spec"]
        own = ports_of(spec["podSelector"])
        for rule in spec.get("ingress", []):
            assert {port["port"] for port in rule["ports"]} <= own
            for peer in rule.get("from", []):
                ports_of(peer["podSelector"])
        for rule in spec.get("egress", []):
            for peer in rule.get("to", []):
                if "namespaceSelector" not in peer:
                    assert {port["port"] for port in rule["ports"]} <= ports_of(peer["podSelector"])
    assert policies


def test_every_pod_of_the_namespace_is_closed_in_both_directions(owner):
    """But for the node exporters, whose network is that of their node, and what belongs to the cluster."""
    if owner["metadata"]["namespace"] != "mlops":
        return
    policies = [policy for whole in WHOLE for policy in of_kind(whole, "NetworkPolicy")]
    labels = pod(owner)["metadata"]["labels"]
    own = [
        policy
        for policy in policies
        if policy["spec"]["podSelector"] and matches(policy["spec"]["podSelector"], labels)
    ]

    assert [policy["spec"]["policyTypes"] for policy in own] == [["Ingress", "Egress"]]


def test_recommended_labels_are_on_what_is_ours(owner):
    labels = owner["metadata"]["labels"]

    if owner["metadata"]["namespace"] != "kube-system":
        assert {"name", "component", "part-of", "managed-by"} <= {
            key.removeprefix("app.kubernetes.io/") for key in labels
        }
