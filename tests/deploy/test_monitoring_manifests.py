"""Monitoring in a cluster: every file is taken along, every target exists, and rights end where they must."""

import json
import re
import subprocess
from pathlib import Path
from threading import Event
from time import monotonic
from typing import Any

import httpx
import yaml
from ports import free_port
from rendered import ROOT, Manifest, container, of_kind, one, pod, require

FOLDER = ROOT / "deploy" / "monitoring"
SCRAPES = yaml.safe_load((FOLDER / "prometheus" / "kubernetes.yml").read_text())
NAMESPACES = ("mlops", "mlops-nodes")
# What kube-state-metrics calls its series, and what the cluster calls the resources.
RESOURCES = {
    "kube_pod_": "pods",
    "kube_deployment_": "deployments",
    "kube_horizontalpodautoscaler_": "horizontalpodautoscalers",
}


def mounted(owner: Manifest, path: str) -> list[str]:
    """Names of the files in a folder that a config map fills."""
    mount = next(mount for mount in container(owner)["volumeMounts"] if mount["mountPath"] == path)
    volume = next(volume for volume in pod(owner)["spec"]["volumes"] if volume["name"] == mount["name"])
    return sorted(one("deploy/monitoring", "ConfigMap", volume["configMap"]["name"])["data"])


def option(owner: Manifest, name: str) -> str:
    return next(word.partition("=")[2] for word in container(owner)["args"] if word.startswith(f"--{name}="))


def owner_of(name: str) -> Manifest:
    kind = {"prometheus": "StatefulSet", "alertmanager": "StatefulSet", "node-exporter": "DaemonSet"}
    return one("deploy/monitoring", kind.get(name, "Deployment"), name)


def test_every_rule_reaches_prometheus():
    written = sorted(path.name for path in (FOLDER / "rules").glob("*.rules.yml"))
    (pattern,) = SCRAPES["rule_files"]

    assert written
    assert mounted(owner_of("prometheus"), str(Path(pattern).parent)) == written


def test_prometheus_reads_the_file_of_the_cluster():
    path = Path(option(owner_of("prometheus"), "config.file"))

    assert mounted(owner_of("prometheus"), str(path.parent)) == [path.name]
    given = one("deploy/monitoring", "ConfigMap", "prometheus")["data"][path.name]
    assert given == (FOLDER / "prometheus" / "kubernetes.yml").read_text()


def test_every_dashboard_reaches_grafana():
    grafana = owner_of("grafana")
    written = sorted(path.name for path in (FOLDER / "grafana" / "dashboards").glob("*.json"))
    providers = yaml.safe_load(next((FOLDER / "grafana" / "provisioning" / "dashboards").iterdir()).read_text())
    (path,) = {provider["options"]["path"] for provider in providers["providers"]}

    assert written
    assert mounted(grafana, path) == written
    for part in ("dashboards", "datasources"):
        names = sorted(path.name for path in (FOLDER / "grafana" / "provisioning" / part).iterdir())
        assert mounted(grafana, f"/etc/grafana/provisioning/{part}") == names


def test_grafana_knows_prometheus_by_the_variables_of_its_data_source():
    wanted = set(re.findall(r"\$\{(\w+)\}", (FOLDER / "grafana/provisioning/datasources/prometheus.yml").read_text()))
    given = {variable["name"]: variable["value"] for variable in container(owner_of("grafana"))["env"]}
    service = one("deploy/monitoring", "Service", "prometheus")

    assert wanted <= set(given)
    assert given["PROMETHEUS_URL"] == f"http://prometheus:{service['spec']['ports'][0]['port']}"


def test_the_mail_password_lies_where_alertmanager_looks():
    """From the secret that secrets.sh makes; without it the pod starts all the same."""
    wanted = re.search(
        r"^ +smtp_auth_password_file: (\S+)", (FOLDER / "alertmanager/alertmanager.yml").read_text(), re.M
    )
    (volume,) = pod(owner_of("alertmanager"))["spec"]["volumes"]
    (mount,) = [
        mount for mount in container(owner_of("alertmanager"))["volumeMounts"] if mount["name"] == volume["name"]
    ]
    (secret,) = [source["secret"] for source in volume["projected"]["sources"] if "secret" in source]
    (item,) = secret["items"]

    assert wanted
    assert f"{mount['mountPath']}/{item['path']}" == wanted[1]
    assert secret["optional"] is True
    assert f"$folder/{secret['name']}/{item['key']}" in (ROOT / "deploy" / "k8s" / "secrets.sh").read_text()


def test_what_must_survive_is_on_a_volume_of_its_own():
    for name, argument in (("prometheus", "storage.tsdb.path"), ("alertmanager", "storage.path")):
        owner = owner_of(name)
        claims = [claim["metadata"]["name"] for claim in owner["spec"]["volumeClaimTemplates"]]
        mount = next(
            mount for mount in container(owner)["volumeMounts"] if mount["mountPath"] == option(owner, argument)
        )

        assert [mount["name"]] == claims


def test_samples_fit_on_their_volume():
    owner = owner_of("prometheus")
    (claim,) = owner["spec"]["volumeClaimTemplates"]
    volume = int(claim["spec"]["resources"]["requests"]["storage"].removesuffix("Gi")) * 2**30

    assert int(option(owner, "storage.tsdb.retention.size").removesuffix("GB")) * 2**30 <= 0.85 * volume


def test_kube_state_metrics_sees_what_rules_and_dashboards_ask_and_no_more():
    texts = [
        path.read_text() for path in [*FOLDER.glob("rules/*.rules.yml"), *FOLDER.glob("grafana/dashboards/*.json")]
    ]
    series = {name for text in texts for name in re.findall(r"\bkube_\w+", text)}
    needed = {resource for prefix, resource in RESOURCES.items() if any(name.startswith(prefix) for name in series)}
    role = one("deploy/monitoring", "Role", "kube-state-metrics")

    assert [name for name in series if not name.startswith(tuple(RESOURCES))] == []
    assert set(option(owner_of("kube-state-metrics"), "resources").split(",")) == needed
    assert {resource for rule in role["rules"] for resource in rule["resources"]} == needed


def test_rights_are_read_only_and_within_our_namespaces():
    roles = of_kind("deploy/monitoring", "Role", "ClusterRole")

    assert {role["kind"] for role in roles} == {"Role"}
    assert {role["metadata"]["namespace"] for role in roles} <= set(NAMESPACES)
    assert {verb for role in roles for rule in role["rules"] for verb in rule["verbs"]} == {"list", "watch"}
    assert of_kind("deploy/monitoring", "ClusterRoleBinding") == []


def test_prometheus_may_look_where_it_searches():
    searched = {
        name
        for job in SCRAPES["scrape_configs"]
        for found in job.get("kubernetes_sd_configs", [])
        for name in found["namespaces"]["names"]
    }
    allowed = {
        binding["metadata"]["namespace"]
        for binding in of_kind("deploy/monitoring", "RoleBinding")
        if binding["subjects"] == [{"kind": "ServiceAccount", "name": "prometheus", "namespace": "mlops"}]
    }

    assert searched == allowed == set(NAMESPACES)


def test_what_is_scraped_by_name_is_a_port_of_a_service():
    ports = {
        f"{service['metadata']['name']}:{port['port']}"
        for service in of_kind("deploy/monitoring", "Service")
        for port in service["spec"]["ports"]
    }
    targets = {
        target
        for job in [*SCRAPES["scrape_configs"], *SCRAPES["alerting"]["alertmanagers"]]
        for static in job.get("static_configs", [])
        for target in static["targets"]
    }

    assert targets - {"localhost:9090"} <= ports


def test_versions_are_those_of_compose():
    """One table of versions: what is tried on one machine is what runs in the cluster."""
    tagged = re.findall(r"image: \S*?([\w-]+):v?([\d.]+)", (ROOT / "compose.yaml").read_text())
    composed = {
        name: version for name, version in tagged if name in {"prometheus", "alertmanager", "grafana", "node-exporter"}
    }
    images = [
        container(owner)["image"] for owner in of_kind("deploy/monitoring", "Deployment", "StatefulSet", "DaemonSet")
    ]
    deployed = dict(re.findall(r"([\w-]+):v?([\d.]+)", image)[0] for image in images)

    assert composed
    assert composed.items() <= deployed.items()
    assert set(deployed) - set(composed) == {"kube-state-metrics"}


class Prometheus:
    """A real one, which is told of pods by a file in place of a cluster."""

    def __init__(self, folder: Path) -> None:
        self.address = f"127.0.0.1:{free_port()}"
        command = [
            "prometheus",
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'samples'}",
        ]
        self.log = (folder / "log").open("w+")
        self.process = subprocess.Popen(
            [*command, f"--web.listen-address={self.address}"], stdout=self.log, stderr=self.log
        )

    def targets(self, jobs: set[str]) -> list[dict[str, Any]]:
        """Those in use, once there are some of each job."""
        deadline = monotonic() + 120
        pause = Event()
        while monotonic() < deadline and self.process.poll() is None:
            try:
                answer = httpx.get(f"http://{self.address}/api/v1/targets?state=active")
            except httpx.TransportError:
                found = []
            else:
                # It answers 503 until it is ready.
                found = answer.json()["data"]["activeTargets"] if answer.is_success else []
            if {target["labels"]["job"] for target in found} == jobs:
                return list(found)
            pause.wait(0.1)
        self.log.seek(0)
        raise AssertionError(self.log.read())


def discovered(folder: str, namespace: str, selector: str) -> list[dict[str, Any]]:
    """Pods of a rendering as Prometheus's discovery describes them: a target for each port of each container."""
    key, _, value = selector.partition("=")
    targets = []
    for owner in of_kind(folder, "Deployment", "DaemonSet", "StatefulSet"):
        labels = pod(owner)["metadata"]["labels"]
        if owner["metadata"]["namespace"] != namespace or labels.get(key) != value:
            continue
        for phase in ("Running", "Succeeded"):
            name = f"{owner['metadata']['name']}-{phase.lower()}"
            targets += [
                {
                    "targets": [f"127.0.0.1:{port['containerPort']}"],
                    "labels": {
                        "__meta_kubernetes_namespace": namespace,
                        "__meta_kubernetes_pod_name": name,
                        "__meta_kubernetes_pod_phase": phase,
                        "__meta_kubernetes_pod_node_name": "node-1",
                        "__meta_kubernetes_pod_container_port_name": port["name"],
                    },
                }
                for port in container(owner)["ports"]
            ]
    return targets


def test_prometheus_finds_each_pod_once_by_its_namespace_and_name(tmp_path):
    """Debian's Prometheus knows no Kubernetes; the rest of the file is given to it as it is."""
    require("prometheus", "promtool")
    given = json.loads(json.dumps(SCRAPES))
    for job in given["scrape_configs"]:
        for search in job.pop("kubernetes_sd_configs", []):
            (namespace,) = search["namespaces"]["names"]
            folder = "deploy/k8s/base" if job["job_name"] == "ml-api-monitoring" else "deploy/monitoring"
            found = discovered(folder, namespace, search["selectors"][0]["label"])
            (tmp_path / f"{job['job_name']}.json").write_text(json.dumps(found))
            job["file_sd_configs"] = [{"files": [f"{job['job_name']}.json"]}]
    given["rule_files"] = [f"{FOLDER}/rules/*.rules.yml"]
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(given))
    subprocess.run(["promtool", "check", "config", str(tmp_path / "prometheus.yml")], check=True, capture_output=True)

    prometheus = Prometheus(tmp_path)
    try:
        targets = prometheus.targets({job["job_name"] for job in given["scrape_configs"]})
    finally:
        prometheus.process.kill()
        prometheus.process.wait()
        prometheus.log.close()

    labels = {target["labels"].pop("job"): target["labels"] for target in targets}
    assert len(labels) == len(targets)
    assert labels["ml-api-monitoring"] == {
        "instance": "127.0.0.1:8000",
        "namespace": "mlops",
        "pod": "cats-dogs-api-running",
        "node": "node-1",
    }
    assert labels["node-exporter"] == {
        "instance": "127.0.0.1:9100",
        "namespace": "mlops-nodes",
        "pod": "node-exporter-running",
        "node": "node-1",
    }
    assert labels["kube-state-metrics"] == {"instance": "kube-state-metrics:8080"}
