"""compose.yaml: its form, its names, and its commands, run by the programs of this machine."""

import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

import httpx
import pytest
import yaml
from containers import ROOT
from ports import free_port
from tools import installed, require

from tapetum import __version__
from tapetum.settings import unknown_variables

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
OURS = "cats-dogs-api"
PROGRAMS = {
    "prometheus": "prometheus",
    "alertmanager": "prometheus-alertmanager",
    "node-exporter": "prometheus-node-exporter",
}


def mounts(service: str) -> dict[str, str]:
    """Targets in the container, and where each comes from."""
    found = {}
    for volume in SERVICES[service].get("volumes", []):
        source, target = (volume["source"], volume["target"]) if isinstance(volume, dict) else volume.split(":")[:2]
        found[target] = source
    return found


def command(service: str, folder: Path, port: int) -> list[str]:
    """What compose would run, on a free port, with the mounts laid out under `folder` instead of /."""
    given = " ".join(SERVICES[service]["command"])
    for target, source in mounts(service).items():
        here = folder / target[1:]
        here.parent.mkdir(parents=True, exist_ok=True)
        if source.startswith("./"):
            here.symlink_to(ROOT / source)
        elif source == "/":
            here.symlink_to("/")
        else:
            here.mkdir(exist_ok=True)
        given = re.sub(rf"(?<![\w.]){target}\b", str(here), given)
    words = [word for word in given.split() if not word.startswith("--web.listen-address")]
    require(PROGRAMS[service])
    return [PROGRAMS[service], *words, f"--web.listen-address=127.0.0.1:{port}"]


def until(is_done: Callable[[], bool], process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline, pause = monotonic() + 120, threading.Event()
    while True:
        try:
            if is_done():
                return
        except httpx.TransportError:
            pass
        assert process.poll() is None, log.read_text()
        assert monotonic() < deadline, log.read_text()
        pause.wait(0.1)


@pytest.fixture
def started(tmp_path):
    """Start a service as compose would; returns a client once it is ready, and a way to wait for more."""
    with ExitStack() as stack:

        def start(service: str) -> tuple[httpx.Client, Callable[[Callable[[], bool]], None]]:
            port = free_port()
            stream = stack.enter_context((tmp_path / "log").open("wb"))
            process = subprocess.Popen(command(service, tmp_path, port), stdout=stream, stderr=stream)
            stack.callback(process.wait, 30)
            stack.callback(process.terminate)
            client = stack.enter_context(httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30))
            path = re.search(r"http://[\d.]+:\d+([\w/-]+)", " ".join(SERVICES[service]["healthcheck"]["test"]))
            assert path
            wait = partial(until, process=process, log=tmp_path / "log")
            wait(lambda: client.get(path[1]).status_code == 200)
            return client, wait

        yield start


def test_it_is_of_the_form_of_the_compose_specification():
    check = [installed("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", "compose.yaml"]

    ran = subprocess.run(check, cwd=ROOT, capture_output=True, text=True, check=False)

    assert ran.returncode == 0, ran.stdout


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_is_confined_pinned_and_watched(service):
    facts = SERVICES[service]

    assert re.search(r":v?\d+\.\d+\.\d+$", facts["image"])
    assert facts["read_only"] is True
    assert facts["cap_drop"] == ["ALL"]
    assert facts["security_opt"] == ["no-new-privileges:true"]
    assert {"memory", "pids"} <= facts["deploy"]["resources"]["limits"].keys()
    assert "healthcheck" in facts or service == OURS  # whose image brings it along
    assert all(port.startswith("127.0.0.1:") for port in facts.get("ports", []))


def test_the_ports_are_those_that_the_documents_name():
    published = {port.rpartition(":")[2] for facts in SERVICES.values() for port in facts.get("ports", [])}

    assert published == {"8000", "9090", "9093", "3000", "5000"}


def test_our_versions_are_the_code_s_and_the_lock_s():
    locked = re.search(r"^mlflow==(.*)$", (ROOT / "lock.txt").read_text(), flags=re.MULTILINE)

    assert SERVICES[OURS]["image"] == f"{OURS}:{__version__}"
    assert locked
    assert SERVICES["mlflow"]["image"].endswith(f":v{locked[1]}")


def test_the_other_versions_are_those_of_the_table_of_monitoring():
    rows = re.findall(r"^\| ([\w ]+) \| (v?[\d.]+) \|", (ROOT / "docs/monitoring.md").read_text(), flags=re.MULTILINE)
    table = {name.lower().replace(" ", "-"): version for name, version in rows}
    others = SERVICES.keys() - {OURS, "mlflow"}

    assert {name: SERVICES[name]["image"].rpartition(":")[2] for name in others} == {
        name: table[name] for name in others
    }


def test_the_service_is_given_settings_that_exist():
    assert unknown_variables(SERVICES[OURS]["environment"]) == []


@pytest.mark.parametrize("service", SERVICES)
def test_every_file_that_is_mounted_exists(service):
    sources = [source for source in mounts(service).values() if source.startswith("./")]

    assert [source for source in sources if not (ROOT / source).exists()] == []


def test_prometheus_starts_with_its_flags_and_scrapes_services_by_their_names(started):
    client, wait = started("prometheus")

    def addresses() -> dict[str, str]:
        targets = client.get("/api/v1/targets").json()["data"]["activeTargets"]
        return {target["labels"]["job"]: target["discoveredLabels"]["__address__"] for target in targets}

    expected = {
        "ml-api-monitoring": "cats-dogs-api:8000",
        "alertmanager": "alertmanager:9093",
        "node-exporter": "node-exporter:9100",
        "prometheus": "localhost:9090",
    }
    wait(lambda: len(addresses()) == len(expected))
    assert addresses() == expected
    assert client.get("/api/v1/rules").json()["data"]["groups"]


def test_alertmanager_starts_with_its_flags_and_finds_its_password(started):
    client, _ = started("alertmanager")

    secrets = {secret["target"] for secret in SERVICES["alertmanager"]["secrets"]}
    configured = client.get("/api/v2/status").json()["config"]["original"]
    assert set(re.findall(r"smtp_auth_password_file: (\S+)", configured)) == secrets


def test_node_exporter_starts_with_its_flags_at_the_address_that_prometheus_asks(started):
    client, _ = started("node-exporter")

    gateway = COMPOSE["networks"]["monitoring"]["ipam"]["config"][0]["gateway"]
    assert "node_filesystem_avail_bytes" in client.get("/metrics").text
    assert f"--web.listen-address={gateway}:9100" in SERVICES["node-exporter"]["command"]
    assert SERVICES["prometheus"]["extra_hosts"] == [f"node-exporter:{gateway}"]


def test_mlflow_knows_its_flags():
    """tests/e2e/test_tracking_server.py starts one; here the words are read as mlflow reads them."""
    program, *words = SERVICES["mlflow"]["command"]
    reading = "import sys; from mlflow.cli import cli; cli.commands['server'].make_context('server', sys.argv[1:])"

    ran = subprocess.run([sys.executable, "-c", reading, *words[1:]], capture_output=True, text=True, check=False)

    assert (program, words[0]) == ("mlflow", "server")
    assert ran.returncode == 0, ran.stderr


def test_grafana_finds_its_dashboards_and_prometheus():
    provisioning = ROOT / "deploy/monitoring/grafana/provisioning"
    (provider,) = yaml.safe_load((provisioning / "dashboards/tapetum.yml").read_text())["providers"]
    (source,) = yaml.safe_load((provisioning / "datasources/prometheus.yml").read_text())["datasources"]
    variable = re.fullmatch(r"\$\{(\w+)\}", source["url"])

    assert provider["options"]["path"] in mounts("grafana")
    assert variable
    assert SERVICES["grafana"]["environment"][variable[1]] == "http://prometheus:9090"


def test_secrets_are_made_where_only_their_owner_looks(tmp_path):
    shutil.copy(ROOT / "Makefile", tmp_path)
    shutil.copytree(ROOT / "deploy", tmp_path / "deploy")
    (tmp_path / ".env").write_text('GMAIL_PASS="an app password"\n')
    files = [Path(secret["file"]) for secret in COMPOSE["secrets"].values()]
    plain = {name: value for name, value in os.environ.items() if name != "GMAIL_PASS"}

    for _ in range(2):
        subprocess.run(["make", *(str(file) for file in files)], cwd=tmp_path, env=plain, check=True)
    passwords = [(tmp_path / file).read_text() for file in files]

    assert passwords[0] == "an app password"
    assert len(passwords[1]) >= 24
    assert (tmp_path / ".secrets").stat().st_mode & 0o777 == 0o700
    assert "/.secrets/" in (ROOT / ".gitignore").read_text().splitlines()
