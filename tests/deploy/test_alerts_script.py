"""deploy/alerts.py against servers that answer as Prometheus and Alertmanager do."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from rendered import ROOT

ALERT = {
    "labels": {"alertname": "PodNotReady", "severity": "warning", "pod": "cats-dogs-api-1", "area": "kubernetes"},
    "state": "firing",
    "activeAt": "2026-11-22T08:00:00.123Z",
}
RULES = {
    "data": {
        "groups": [
            {
                "rules": [
                    {"name": "Watchdog", "state": "inactive", "labels": {"severity": "none"}, "alerts": []},
                    {"name": "PodNotReady", "state": "firing", "labels": {"severity": "warning"}, "alerts": [ALERT]},
                    {
                        "name": "GpuHot",
                        "state": "inactive",
                        "labels": {"severity": "warning"},
                        "alerts": [],
                        "lastError": "many-to-many matching",
                    },
                ]
            }
        ]
    }
}


@contextmanager
def server(get: dict[str, Any], taken: list[Any]) -> Iterator[str]:
    """The address of one that answers GET by the path without its query, and keeps what is posted."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = get.get(self.path.partition("?")[0])
            self._answer(404 if found is None else 200, b"" if found is None else json.dumps(found).encode())

        def do_POST(self) -> None:
            taken.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self._answer(200, b"")

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{listening.server_port}"
        listening.shutdown()


def run(*words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, str(ROOT / "deploy" / "alerts.py"), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_status_shows_what_fires_first_and_which_rules_fail():
    with server({"/api/v1/rules": RULES}, []) as address:
        ran = run("status", "--prometheus", address)

    lines = ran.stdout.splitlines()
    assert ran.returncode == 0
    assert lines[0] == "3 alert rules: 1 firing, 0 pending, 1 failing"
    assert lines[1].split() == ["firing", "warning", "PodNotReady"]
    assert lines[2].strip() == "pod=cats-dogs-api-1 since 2026-11-22T08:00:00Z"
    assert lines[-1] == "GpuHot: many-to-many matching"


def test_a_test_alert_goes_to_alertmanager_and_is_seen_there():
    taken: list[Any] = []
    with server({"/api/v2/alerts": [{"receivers": [{"name": "mail"}]}]}, taken) as address:
        ran = run("test", "--alertmanager", address)

    ((alert,),) = taken
    assert ran.returncode == 0
    assert alert["labels"]["alertname"] == "TestAlert"
    assert alert["startsAt"] < alert["endsAt"]
    assert "sends it to: mail" in ran.stdout


def test_an_alert_that_is_taken_and_lost_is_a_failure():
    with server({"/api/v2/alerts": []}, []) as address:
        ran = run("test", "--alertmanager", address)

    assert ran.returncode == 1
    assert "does not list it" in ran.stderr


def test_where_nothing_answers_it_says_what_starts_it():
    ran = run("status", "--prometheus", "http://127.0.0.1:9")

    assert ran.returncode == 1
    assert "make monitoring-deploy or make monitoring-local starts it" in ran.stderr
    assert "Traceback" not in ran.stderr
