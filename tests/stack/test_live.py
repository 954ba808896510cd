"""The deployed configurations in real servers, minutes made seconds: a fault becomes a mail, and so does its end."""

import os
import re
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from mailserver import PASSWORD, USER, MailServer, mail_server
from ports import free_port
from running import frozen, post, running, serve_command
from tools import require

from tapetum.stack import recording
from tapetum.stack.alerts import AREAS

MONITORING = Path(__file__).parents[2] / "deploy" / "monitoring"
LABELS = {alert.name: alert.labels | alert.own_labels(area) for area, alerts in AREAS.items() for alert in alerts}

# What else this machine does is no matter of these tests.
OF_THE_MACHINE = {alert.name for alert in AREAS["node"]}


class Alertmanager(NamedTuple):
    """A running Alertmanager: its address, the mail server that it uses, and the files of its password and its log."""

    url: str
    mails: MailServer
    password: Path
    log: Path

    def send(self, *alerts: dict[str, str]) -> None:
        """Alerts as Prometheus sends them."""
        now = datetime.now(UTC).isoformat()
        body = [{"labels": labels, "startsAt": now} for labels in alerts]
        httpx.post(f"{self.url}/api/v2/alerts", json=body).raise_for_status()

    def states(self) -> dict[str, str]:
        """The state of each alert, by its name and what tells it from others of the same name."""
        found = httpx.get(f"{self.url}/api/v2/alerts").json()
        return {known(alert["labels"]): alert["status"]["state"] for alert in found}

    def failures(self) -> float:
        metrics = httpx.get(f"{self.url}/metrics").text
        name = "alertmanager_notification_requests_failed_total"
        found = re.findall(rf'^{name}{{integration="email"[^}}]*}} (\S+)$', metrics, flags=re.M)
        return float(found[0])

    def texts(self) -> list[str]:
        return [mail.get_body(("plain",)).get_content() for mail in self.mails.mails]


def known(labels: dict[str, str]) -> str:
    return " ".join([labels["alertname"], *filter(None, (labels.get("namespace"), labels.get("instance")))])


def named(name: str, **others: str) -> dict[str, str]:
    """An alert with the labels that it has in its own proof."""
    return {"alertname": name} | LABELS[name] | others


@pytest.fixture
def alertmanager(tmp_path: Path) -> Iterator[Alertmanager]:
    with ExitStack() as stack:
        yield stack.enter_context(alerting(tmp_path))


@contextmanager
def alerting(folder: Path) -> Iterator[Alertmanager]:
    """An Alertmanager with our configuration, which mails through a server like Gmail's."""
    require("prometheus-alertmanager")
    port, password, log = free_port(), folder / "gmail_pass", folder / "alertmanager.log"
    password.write_text(PASSWORD)
    with mail_server(folder) as mails:
        text = faster((MONITORING / "alertmanager" / "alertmanager.yml").read_text())
        for old, new in {
            "smtp.gmail.com:587": f"127.0.0.1:{mails.port}",
            "you@gmail.com": USER,
            "/etc/alertmanager/secrets/gmail_pass": str(password),
        }.items():
            assert old in text
            text = text.replace(old, new)
        (folder / "alertmanager.yml").write_text(text)
        command = [
            "prometheus-alertmanager",
            f"--config.file={folder / 'alertmanager.yml'}",
            f"--storage.path={folder / 'silences'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--cluster.listen-address=",
        ]
        with server(command, log, f"http://127.0.0.1:{port}", SSL_CERT_FILE=str(mails.ca_file)) as url:
            yield Alertmanager(url, mails, password, log)


@contextmanager
def prometheus(folder: Path, service: str, node: str, alertmanager: str) -> Iterator[str]:
    """Our Prometheus with our rules, which looks every second, until the block ends."""
    require("prometheus")
    address = f"127.0.0.1:{free_port()}"
    text = (MONITORING / "prometheus" / "prometheus.yml").read_text()
    text = faster(text.replace("localhost:9090", address))
    (folder / "prometheus.yml").write_text(text)
    (folder / "rules").mkdir()
    for path in (MONITORING / "rules").glob("*.rules.yml"):
        (folder / "rules" / path.name).write_text(faster(path.read_text()))
    (folder / "targets").mkdir()
    for name, target in {"ml-api-monitoring": service, "node-exporter": node, "alertmanager": alertmanager}.items():
        (folder / "targets" / f"{name}.yml").write_text(f'- targets: ["{target}"]')
    command = [
        "prometheus",
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'tsdb'}",
        f"--web.listen-address={address}",
        "--rules.alert.resend-delay=1s",
    ]
    with server(command, folder / "prometheus.log", f"http://{address}") as url:
        yield url


def faster(text: str) -> str:
    """A configuration with seconds for minutes, minutes for hours, and a second for what was seconds."""

    def faster_one(found: re.Match[str]) -> str:
        count = int(found[2])
        return (
            found[1] + {"s": f"{min(count, 1)}s", "m": f"{count}s", "h": f"{count}m", "d": f"{24 * count}m"}[found[3]]
        )

    return re.sub(r"(: |\[|offset )(\d+)([smhd])(?=$|[\] ])", faster_one, text, flags=re.M)


@contextmanager
def server(command: list[str], log: Path, url: str, **variables: str) -> Iterator[str]:
    """A server from when it is ready until the block ends."""
    with log.open("wb") as stream:
        process = subprocess.Popen(command, stdout=stream, stderr=stream, env=os.environ | variables)
    try:
        until(lambda: process.poll() is not None or httpx.get(f"{url}/-/ready").status_code == 200)
        assert process.poll() is None, log.read_text()
        yield url
    finally:
        process.terminate()
        process.wait()


def until(is_done: Callable[[], bool]) -> None:
    """Return once a condition holds; minutes are enough for all that takes seconds."""
    pause = threading.Event()
    for _ in range(2400):
        try:
            if is_done():
                return
        except httpx.TransportError:
            pass  # it does not listen yet
        pause.wait(0.1)
    raise AssertionError("it did not come to that")


def get(url: str, **parameters: str) -> dict[str, Any]:
    """What Prometheus answers; an error fails the test."""
    answer = httpx.get(url, params=parameters).json()
    assert answer["status"] == "success", answer
    found = answer["data"]
    assert isinstance(found, dict)
    return found


def test_a_fault_of_the_service_is_mailed_and_so_is_its_repair(bundle_path, tmp_path):
    """And where Prometheus itself falls silent, that is mailed too."""
    require("prometheus-node-exporter")
    bright = (bundle_path.parent / "pictures" / "bright" / "00.png").read_bytes()
    node = f"127.0.0.1:{free_port()}"
    with ExitStack() as stack:
        told = stack.enter_context(alerting(tmp_path))
        service = stack.enter_context(
            running([*serve_command(bundle_path), "--workers", "1"], tmp_path / "log", TAPETUM_REQUEST_TIMEOUT_S="600")
        )
        address = service.client.base_url.netloc.decode()
        command = ["prometheus-node-exporter", f"--web.listen-address={node}"]
        stack.enter_context(server(command, tmp_path / "node.log", f"http://{node}"))
        watching = stack.enter_context(ExitStack())
        url = watching.enter_context(prometheus(tmp_path, address, node, told.url.removeprefix("http://")))

        def value(query: str) -> str:
            found = get(f"{url}/api/v1/query", query=query)["result"]
            return found[0]["value"][1] if found else ""

        def is_said(what: str) -> bool:
            return any(what in text for text in told.texts())

        until(lambda: value("sum(up)") == "4")
        until(lambda: "Monitoring is alive" in told.mails.subjects)
        until(lambda: post(service, bright).status_code == 200 and value("namespace:predictions:rate5m") > "0")
        until(lambda: {name.split()[0] for name in told.states()} - OF_THE_MACHINE == {"Watchdog"})

        with frozen(service.workers()):
            until(
                lambda: post(service, bright, "20ms").status_code == 504 and is_said("FIRING: HighPredictionErrorRate")
            )
        assert any(subject.startswith("[critical] service: ") for subject in told.mails.subjects)
        assert is_said("What to do: docs/runbooks.md#highpredictionerrorrate")

        until(lambda: post(service, bright).status_code == 200 and is_said("RESOLVED: HighPredictionErrorRate"))

        rules = [rule for group in get(f"{url}/api/v1/rules")["groups"] for rule in group["rules"]]
        assert {rule["name"]: rule["lastError"] for rule in rules if rule["health"] != "ok"} == {}
        names = [rule.name for rule in (*recording.NODE, *recording.SERVICE)]
        names.append("alertmanager_notification_requests_failed_total")
        until(lambda: all(value(f"count({name})") for name in names))

        watching.close()
        until(lambda: "Monitoring has fallen silent" in told.mails.subjects)


def test_alerts_on_one_thing_come_in_one_mail(alertmanager):
    names = ("HighPredictionErrorRate", "AvailabilityBudgetBurn1h", "PodCrashLooping")

    alertmanager.send(*map(named, names), named("HighPredictionErrorRate", namespace="other"))
    until(lambda: len(alertmanager.mails.mails) == 3)

    assert sorted(alertmanager.mails.subjects) == [
        "[critical] kubernetes in mlops: 1 firing, 0 resolved (PodCrashLooping)",
        "[critical] service in mlops: 2 firing, 0 resolved",
        "[critical] service in other: 1 firing, 0 resolved (HighPredictionErrorRate)",
    ]


def test_what_follows_from_a_worse_alert_is_not_said(alertmanager):
    inhibited = {
        "CriticalPredictionLatency": "HighPredictionLatency",
        "LatencyBudgetBurn1h": "LatencyBudgetBurn3d",
        "CriticalCPUUsage": "HighCPUUsage",
        "CriticalMemoryUsage": "HighMemoryUsage",
        "PodCrashLooping": "PodNotReady",
    }
    elsewhere = named("HighCPUUsage", instance="a:9100"), named("HighPredictionLatency", namespace="other")

    alertmanager.send(*map(named, inhibited), *map(named, inhibited.values()), *elsewhere)
    expect_suppressed(alertmanager, *map(named, inhibited.values()))


def test_where_no_replica_is_ready_its_failures_are_not_said(alertmanager):
    alertmanager.send(*map(named, ("ServiceNotReady", "HighPredictionErrorRate", "NoPredictions", "RequestsShed")))

    expect_suppressed(alertmanager, named("HighPredictionErrorRate"), named("NoPredictions"))


def test_where_no_replica_answers_only_that_is_said(alertmanager):
    follow = ("HighPredictionErrorRate", "NoPredictions", "TrafficDropped", "LowConfidence", "AvailabilityBudgetBurn3d")
    target = named("TargetDown", job="ml-api-monitoring", instance="10.0.0.1:8000")
    free = named("TargetDown"), named("PodNotReady"), named("HighDiskUsage")

    alertmanager.send(named("ServiceAbsent"), *map(named, follow), target, *free)
    expect_suppressed(alertmanager, target, *map(named, follow))


def expect_suppressed(alertmanager: Alertmanager, *alerts: dict[str, str]) -> None:
    """Exactly these, of all that were sent."""

    def suppressed() -> set[str]:
        return {name for name, state in alertmanager.states().items() if state == "suppressed"}

    until(lambda: len(suppressed()) >= len(alerts))  # it learns of one after the other
    assert suppressed() == set(map(known, alerts))


def test_a_wrong_password_is_visible_and_a_right_one_is_taken_without_a_restart(alertmanager):
    alertmanager.password.write_text("wrong")

    alertmanager.send(named("PodCrashLooping"))
    until(lambda: alertmanager.failures() > 0 and "535" in alertmanager.log.read_text())
    assert alertmanager.mails.mails == []

    alertmanager.password.write_text(PASSWORD)
    until(lambda: len(alertmanager.mails.mails) == 1)
