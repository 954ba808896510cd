"""Programs that Tapetum works with, and the ports that they and the service listen on."""

import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from tapetum.doctor.finding import Finding

_AREA = "programs"
# A program that does not say its version by then is there, and hangs.
_PATIENCE_S = 1.5


class Program(NamedTuple):
    """What it is called by those who packed it, how it is asked for its version, what for, and where it comes from.

    Without a question it is a package of Python, which would take seconds to answer.
    """

    names: tuple[str, ...]
    question: tuple[str, ...]
    purpose: str
    remedy: str


_DEBIAN = "apt-get install"
PROGRAMS = (
    Program(
        ("docker",),
        ("version", "--format", "{{.Server.Version}}"),
        "`make docker-build`",
        "https://docs.docker.com/get-started/get-docker, or podman",
    ),
    Program(("podman",), ("--version",), "`make docker-build`", f"{_DEBIAN} podman, or docker"),
    Program(
        ("kind",),
        ("version",),
        "`make kind-full`, a cluster on this machine",
        "https://kind.sigs.k8s.io/docs/user/quick-start/#installation",
    ),
    Program(
        ("kubectl",),
        ("version", "--client"),
        "`make kind-full` and deploying",
        "https://kubernetes.io/docs/tasks/tools",
    ),
    Program(("prometheus",), ("--version",), "`make monitoring-local`", f"{_DEBIAN} prometheus"),
    Program(("promtool",), ("--version",), "the tests of the alert rules", f"{_DEBIAN} prometheus"),
    Program(
        ("alertmanager", "prometheus-alertmanager"),
        ("--version",),
        "`make monitoring-local`",
        f"{_DEBIAN} prometheus-alertmanager",
    ),
    Program(
        ("node_exporter", "prometheus-node-exporter"),
        ("--version",),
        "`make monitoring-local`",
        f"{_DEBIAN} prometheus-node-exporter",
    ),
    Program(
        ("grafana-server", "grafana"),
        ("-v",),
        "dashboards outside of containers; `make compose-up` brings one",
        "https://grafana.com/grafana/download",
    ),
    Program(("haproxy",), ("-v",), "the test of a rolling update", f"{_DEBIAN} haproxy"),
    Program(("mlflow",), (), "`make mlflow-ui`", "pip install 'tapetum[train]'"),
    Program(("dvc",), (), "`dvc repro`", "pip install 'tapetum[dvc]'"),
    Program(("git",), ("--version",), "DVC and the pipelines", f"{_DEBIAN} git"),
    Program(("make",), ("--version",), "the shortcuts of `make help`", f"{_DEBIAN} make"),
)
PORTS = {
    8000: "the service",
    9090: "Prometheus",
    9093: "Alertmanager",
    9100: "node exporter",
    3000: "Grafana",
    5000: "MLflow",
}


def look(programs: tuple[Program, ...] = PROGRAMS, beside: Path | None = None) -> Iterator[Finding]:
    """Each program, all asked at once; `beside` is a folder to look into before PATH, such as that of this Python."""
    with ThreadPoolExecutor(len(programs)) as pool:
        yield from pool.map(lambda program: _program(program, beside), programs)


def ports(known: dict[int, str] = PORTS) -> Iterator[Finding]:
    """Whether each port of this machine is free."""
    for port, name in known.items():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                remedy = "`tapetum serve --port` takes another" if port == 8000 else "something listens there"
                yield Finding("ports", str(port), "warning", "in use", f"{name} here? {remedy}")
            else:
                yield Finding("ports", str(port), "ok", "free", f"for {name}")


def _program(program: Program, beside: Path | None) -> Finding:
    name = program.names[0]
    path = next(filter(None, (_which(each, beside) for each in program.names)), None)
    if path is None:
        return Finding(_AREA, name, "missing", "not found", f"for {program.purpose}: {program.remedy}")
    if not program.question:
        return Finding(_AREA, name, "ok", _packaged(name) or path, f"for {program.purpose}")
    try:
        ran = subprocess.run(
            [path, *program.question],
            capture_output=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            timeout=_PATIENCE_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Finding(_AREA, name, "warning", f"{path} does not answer", f"for {program.purpose}")
    except OSError as error:
        return Finding(_AREA, name, "warning", f"{path}: {error.strerror}", f"for {program.purpose}")
    if ran.returncode != 0:
        lines = (ran.stderr or ran.stdout).strip().splitlines() or [f"exit code {ran.returncode}"]
        return Finding(_AREA, name, "warning", lines[-1][:120], f"for {program.purpose}; it is installed: start it")
    version = re.search(r"\d+(\.\d+)+\S*", ran.stdout + ran.stderr)
    return Finding(_AREA, name, "ok", version[0].rstrip(",") if version else str(path), f"for {program.purpose}")


def _packaged(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _which(name: str, beside: Path | None) -> str | None:
    return (shutil.which(name, path=str(beside)) if beside else None) or shutil.which(name)
