"""The service in a cluster: its settings, probes, patience and numbers fit the code and one another."""

import re

import pytest
import yaml
from rendered import FOLLOWING, ROOT, SERVICE, container, matches, of_kind, one, pod

from tapetum import __version__
from tapetum.inference import workers
from tapetum.logs import journal
from tapetum.serving import alarm, spans
from tapetum.serving.app import create_app
from tapetum.settings import PREFIX, Settings, unknown_variables
from tapetum.watch import keeper

API = "cats-dogs-api"
UNITS = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30}


def configured(folder: str) -> Settings:
    """The settings that the pods of an overlay run with."""
    given = one(folder, "ConfigMap", API)["data"]
    own = {key.removeprefix(PREFIX).lower(): value for key, value in given.items() if key.startswith(PREFIX)}
    return Settings(_env_file=None, **own)


def size(quantity: str) -> int:
    return int(quantity[:-2]) * UNITS[quantity[-2:]]


@pytest.mark.parametrize("folder", SERVICE)
def test_every_key_of_the_config_map_is_a_setting(folder):
    given = one(folder, "ConfigMap", API)["data"]

    assert all(key.startswith((PREFIX, "MLFLOW_")) for key in given)
    assert unknown_variables(given) == []
    assert configured(folder).host == "0.0.0.0"  # noqa: S104 - in a pod that is the pod


@pytest.mark.parametrize("folder", SERVICE)
def test_probes_ask_routes_that_answer_without_a_key(folder):
    settings = configured(folder)
    routes = set(create_app(Settings(_env_file=None)).openapi()["paths"])
    found = container(one(folder, "Deployment", API))
    paths = {kind: found[f"{kind}Probe"]["httpGet"]["path"] for kind in ("startup", "readiness", "liveness")}

    assert paths == {"startup": "/ready", "readiness": "/ready", "liveness": "/health"}
    assert set(paths.values()) <= routes
    assert not settings.probes_need_key
    assert found["ports"] == [{"name": "http", "containerPort": settings.port}]


def leaving_s(settings: Settings) -> float:
    """The longest that a service takes from SIGTERM to its end, where all that it waits for takes all its time.

    Requests, mails, workers, then the challenger's, kept pictures, spans and the log, one after another.
    """
    requests_s = int(settings.body_timeout_s + settings.request_timeout_s) + 1
    return (
        settings.drain_s
        + requests_s
        + alarm.CLOSE_S
        + 2 * workers.END_S
        + keeper.CLOSING_S
        + spans.CLOSE_S
        + journal.CLOSE_S
    )


@pytest.mark.parametrize("folder", SERVICE)
def test_the_cluster_waits_longer_than_the_service_takes_to_leave(folder):
    deployment = one(folder, "Deployment", API)
    command = container(deployment)["lifecycle"]["preStop"]["exec"]["command"]

    assert command[0] == "sleep"
    waits_s = pod(deployment)["spec"]["terminationGracePeriodSeconds"]
    assert waits_s > int(command[1]) + leaving_s(configured(folder))


def test_engines_wait_longer_than_the_service_takes_to_leave():
    """As compose.yaml, `make docker-stop` and the document have it."""
    service = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"][API]
    makefile, document = (ROOT / "Makefile").read_text(), (ROOT / "docs" / "docker.md").read_text()
    stops = re.findall(r"stop -t (\d+)", makefile + document)

    assert float(service["stop_grace_period"].removesuffix("s")) > leaving_s(Settings(_env_file=None))
    assert len(stops) == 2
    assert all(float(stop) > leaving_s(Settings(_env_file=None)) for stop in stops)


@pytest.mark.parametrize("folder", SERVICE)
def test_a_leaving_pod_is_noticed_while_it_still_takes_requests(folder):
    probe = container(one(folder, "Deployment", API))["readinessProbe"]

    assert probe["periodSeconds"] * probe["failureThreshold"] < configured(folder).drain_s


@pytest.mark.parametrize("folder", SERVICE)
def test_the_memory_limit_holds_what_the_settings_allow(folder):
    """The front, bodies, a worker with the largest picture, and its successor; MiB and bytes a pixel as measured."""
    settings = configured(folder)
    limit = size(container(one(folder, "Deployment", API))["resources"]["limits"]["memory"])
    front, worker, bytes_a_pixel = 90 * 2**20, 180 * 2**20, 20

    assert settings.workers == 1
    assert front + settings.max_held_bytes + 2 * worker + bytes_a_pixel * settings.max_pixels < limit
    assert settings.alerts == "off"


@pytest.mark.parametrize("folder", SERVICE)
def test_an_update_adds_before_it_takes_away(folder):
    assert one(folder, "Deployment", API)["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}


@pytest.mark.parametrize("folder", SERVICE)
def test_the_autoscaler_owns_the_number_of_pods(folder):
    scaler = one(folder, "HorizontalPodAutoscaler", API)["spec"]
    deployment = one(folder, "Deployment", API)

    assert scaler["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": API}
    assert "replicas" not in deployment["spec"]
    assert "cpu" in container(deployment)["resources"]["requests"]  # else there is nothing to be a share of
    assert scaler["maxReplicas"] == 5
    assert scaler["minReplicas"] == (2 if "production" in folder else 1)


@pytest.mark.parametrize("folder", SERVICE)
def test_emptying_a_node_is_never_blocked_and_in_production_leaves_a_pod(folder):
    budget = one(folder, "PodDisruptionBudget", API)["spec"]
    least = one(folder, "HorizontalPodAutoscaler", API)["spec"]["minReplicas"]

    assert budget["maxUnavailable"] == 1
    assert matches(budget["selector"], pod(one(folder, "Deployment", API))["metadata"]["labels"])
    assert least - budget["maxUnavailable"] >= (1 if "production" in folder else 0)


@pytest.mark.parametrize("folder", SERVICE)
def test_pods_spread_over_nodes_and_zones(folder):
    spread = pod(one(folder, "Deployment", API))["spec"]["topologySpreadConstraints"]

    assert [constraint["topologyKey"].rpartition("/")[2] for constraint in spread] == ["hostname", "zone"]
    assert all(constraint["labelSelector"]["matchLabels"] == {"app": API} for constraint in spread)


@pytest.mark.parametrize("folder", SERVICE)
def test_the_service_may_send_nothing_but_for_its_model(folder):
    policy = one(folder, "NetworkPolicy", API)["spec"]

    asked = [peer["podSelector"]["matchLabels"] for rule in policy["egress"] for peer in rule["to"]]
    # Which a pod that fetches its model must find, by its name.
    tracking = [{"app.kubernetes.io/name": "mlflow"}, {"k8s-app": "kube-dns"}]
    assert asked == (tracking if folder in FOLLOWING else [])
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    everything = one(folder, "NetworkPolicy", "default-deny")["spec"]
    assert everything == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


@pytest.mark.parametrize("folder", SERVICE)
def test_the_cluster_enforces_the_strictest_level(folder):
    (namespace,) = of_kind(folder, "Namespace")

    assert namespace["metadata"]["name"] == "mlops"
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


@pytest.mark.parametrize("folder", SERVICE)
def test_the_version_is_that_of_the_code(folder):
    image = container(one(folder, "Deployment", API))["image"]

    assert one(folder, "Deployment", API)["metadata"]["labels"]["app.kubernetes.io/version"] == __version__
    assert folder.endswith("base") or image.endswith(f"{API}:{__version__}")


def test_production_asks_for_keys_from_a_secret():
    deployment = one("deploy/k8s/overlays/production", "Deployment", API)
    settings = configured("deploy/k8s/overlays/production")
    (volume,) = pod(deployment)["spec"]["volumes"]
    (mount,) = container(deployment)["volumeMounts"]

    assert mount["name"] == volume["name"]
    assert {settings.api_keys_file, settings.operator_keys_file} == {
        type(ROOT)(mount["mountPath"], name) for name in ("api-keys", "operator-keys")
    }
    made = (ROOT / "deploy" / "k8s" / "secrets.sh").read_text()
    assert f"$folder/{volume['secret']['secretName']}/api-keys" in made
    assert f"$folder/{volume['secret']['secretName']}/operator-keys" in made


def test_nothing_is_written_so_nothing_is_mounted_to_write_to():
    assert "volumes" not in pod(one("deploy/k8s/base", "Deployment", API))["spec"]


def test_ports_of_the_machine_lead_to_ports_of_services():
    """kind's port mappings, and the NodePorts behind them."""
    mappings = dict(
        re.findall(r"hostPort: (\d+), containerPort: (\d+)", (ROOT / "deploy" / "k8s" / "kind-config.yaml").read_text())
    )
    overlays = ("deploy/k8s/overlays/kind", "deploy/k8s/overlays/kind/monitoring")
    services = {
        str(port["port"]): str(port["nodePort"])
        for folder in overlays
        for service in of_kind(folder, "Service")
        for port in service["spec"]["ports"]
        if service["spec"].get("type") == "NodePort"
    }

    assert mappings == services
    assert set(mappings) == {"8000", "9090", "9093", "3000"}


def test_outside_kind_nothing_is_open_to_the_nodes_network():
    for folder in ("deploy/k8s/overlays/production", "deploy/monitoring"):
        assert {service["spec"].get("type", "ClusterIP") for service in of_kind(folder, "Service")} == {"ClusterIP"}


def test_kind_has_the_metrics_that_the_autoscaler_needs():
    server = one("deploy/k8s/overlays/kind", "Deployment", "metrics-server")
    offered = one("deploy/k8s/overlays/kind", "APIService", "v1beta1.metrics.k8s.io")

    assert offered["spec"]["service"]["name"] == "metrics-server"
    assert "--kubelet-insecure-tls" in container(server)["args"]
