"""Tracking servers of MLflow, each a process group of its own that ends with the block."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx
from containers import ROOT
from ports import free_port
from rendered import TRACKING, container, one

READY_POLLS = 6000


class Server(NamedTuple):
    """Its address, its process group, and the folder of its artifacts."""

    address: str
    group: int
    artifacts: Path


@contextmanager
def of_the_manifest(folder: Path) -> Iterator[Server]:
    """As the cluster runs it, with a folder in place of the volume, and a port of its own."""
    port = free_port()
    found = container(one(TRACKING, "StatefulSet", "mlflow"))
    program, *words = [word.replace("/mlflow", str(folder)).replace("5000", str(port)) for word in found["command"]]
    variables = {entry["name"]: entry["value"] for entry in found["env"]}
    command = [str(Path(sys.prefix, "bin", program)), *words]
    with _serving(command, port, folder, **variables | {"HOME": str(folder)}) as server:
        yield server


@contextmanager
def mlflow_ui(folder: Path) -> Iterator[Server]:
    """`make mlflow-ui` in a folder."""
    port = free_port()
    given = ["INSTALLED=", f"BIN={Path(sys.executable).parent}", f"PORT={port}"]
    with _serving(["make", "--file", str(ROOT / "Makefile"), "mlflow-ui", *given], port, folder) as server:
        yield server


@contextmanager
def _serving(command: Sequence[str], port: int, folder: Path, **variables: str) -> Iterator[Server]:
    log = folder / "server.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            command, cwd=folder, env=os.environ | variables, stdout=stream, stderr=stream, start_new_session=True
        )
    server = Server(f"http://127.0.0.1:{port}", process.pid, folder / "artifacts")
    try:
        for _ in range(READY_POLLS):
            try:
                process.wait(0.02)
                raise AssertionError(log.read_text())
            except subprocess.TimeoutExpired:
                pass
            try:
                if httpx.get(f"{server.address}/health").status_code == httpx.codes.OK:
                    break
            except httpx.TransportError:
                pass
        yield server
    finally:
        if process.poll() is None:
            os.killpg(server.group, signal.SIGKILL)
        process.wait()
