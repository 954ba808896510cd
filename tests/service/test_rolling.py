"""A rolling replacement behind haproxy, each server in a network namespace of its own, under POST load."""

import csv
import os
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from time import monotonic

import httpx
import pytest
from running import serve_command

CONFIGURATION = """
global
    stats socket {folder}/admin level admin
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    timeout check 10s
frontend door
    bind unix@{folder}/door
    default_backend services
backend services
    balance roundrobin
    option httpchk GET /ready
    default-server check inter 100ms fall 1 rise 1
    server a 10.77.1.2:8000 disabled
    server b 10.77.2.2:8000 disabled
backend probes
    option httpchk GET /ready
    default-server check inter 100ms fall 1 rise 1
    server a 10.77.1.2:8000
    server b 10.77.2.2:8000
"""


def require(*tools: str) -> None:
    """Skip, or under CI fail, where a tool or root is missing."""
    missing = [tool for tool in tools if shutil.which(tool) is None] + (["root"] if os.geteuid() else [])
    if missing and os.environ.get("CI"):
        pytest.fail(f"missing: {', '.join(missing)}")
    if missing:
        pytest.skip(f"missing: {', '.join(missing)}; as root, `make test` installs the tools")


def run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def namespaces() -> Iterator[dict[str, str]]:
    """Three networks: one of haproxy's, with a cable to each of `a` and `b`."""
    require("haproxy", "ip")
    names = {room: f"tapetum-{os.getpid()}-{room}" for room in ("door", "a", "b")}
    with ExitStack() as stack:
        for name in names.values():
            run("ip", "netns", "add", name)
            stack.callback(run, "ip", "netns", "delete", name)
        for number, room in enumerate(("a", "b"), start=1):
            near = ["ip", "-n", names["door"]]
            run(*near, "link", "add", f"to-{room}", "type", "veth", "peer", "name", "out", "netns", names[room])
            run(*near, "address", "add", f"10.77.{number}.1/24", "dev", f"to-{room}")
            run(*near, "link", "set", f"to-{room}", "up")
            run("ip", "-n", names[room], "address", "add", f"10.77.{number}.2/24", "dev", "out")
            run("ip", "-n", names[room], "link", "set", "out", "up")
        yield names


class Stage:
    """haproxy and the services behind it."""

    def __init__(self, namespaces: dict[str, str], bundle: Path, folder: Path, stack: ExitStack) -> None:
        self.namespaces = namespaces
        self.bundle = bundle
        self.folder = folder
        self._stack = stack
        (folder / "haproxy.cfg").write_text(CONFIGURATION.format(folder=folder))
        self._spawn("door", ["haproxy", "-db", "-f", str(folder / "haproxy.cfg")])
        self.until(lambda: (folder / "admin").exists() and (folder / "door").exists())

    def serve(self, room: str) -> "subprocess.Popen[bytes]":
        """Start a service, and let haproxy send it requests once it is ready."""
        address = {"a": "10.77.1.2", "b": "10.77.2.2"}[room]
        command = [*serve_command(self.bundle)[:-1], "8000", "--host", address, "--workers", "1"]
        process = self._spawn(room, command)
        # haproxy believes in a server that it has not looked at yet, so look first.
        self.until(lambda: self.fact("probes", room, "check_status") == "L7OK")
        self.tell(f"set server services/{room} state ready")
        self.until(lambda: self.fact("services", room, "status") == "UP")
        return process

    def fact(self, backend: str, room: str, name: str) -> str:
        rows = csv.DictReader(self.tell("show stat").removeprefix("# ").splitlines())
        return next(row[name] for row in rows if (row["pxname"], row["svname"]) == (backend, room))

    def tell(self, words: str) -> str:
        with socket.socket(socket.AF_UNIX) as admin:
            admin.connect(str(self.folder / "admin"))
            admin.sendall(words.encode() + b"\n")
            return admin.makefile().read()

    def until(self, is_done: Callable[[], bool]) -> None:
        deadline = monotonic() + 60
        pause = threading.Event()
        while not is_done():
            assert monotonic() < deadline, (self.folder / "log").read_text()
            pause.wait(0.02)

    def _spawn(self, room: str, command: list[str]) -> "subprocess.Popen[bytes]":
        log = self._stack.enter_context((self.folder / "log").open("ab"))
        process = subprocess.Popen(
            ["ip", "netns", "exec", self.namespaces[room], *command],
            stdout=log,
            stderr=log,
            env=os.environ | {"TAPETUM_DRAIN_S": "3"},
        )
        self._stack.callback(process.wait)
        self._stack.callback(process.kill)
        return process


def test_a_rolling_replacement_loses_no_request(namespaces, bundle_path, bright, tmp_path_factory):
    folder = tmp_path_factory.mktemp("roll")
    statuses: list[int] = []
    leave = threading.Event()

    def keep_posting() -> None:
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(folder / "door")), timeout=60) as client:
            while not leave.is_set():
                statuses.append(client.post("http://service/predict", content=bright).status_code)

    with ExitStack() as stack, ThreadPoolExecutor(4) as callers:
        stage = Stage(namespaces, bundle_path, folder, stack)
        services = {"a": stage.serve("a")}
        posting = [callers.submit(keep_posting) for _ in range(4)]
        try:
            for fresh, old in (("b", "a"), ("a", "b")):
                services[fresh] = stage.serve(fresh)
                before = len(statuses)
                stage.until(lambda before=before: len(statuses) > before + 50)
                services[old].send_signal(signal.SIGTERM)
                assert services[old].wait(60) == 0
            before = len(statuses)
            stage.until(lambda: len(statuses) > before + 50)
        finally:
            leave.set()
        for future in posting:
            future.result()

    assert {status: statuses.count(status) for status in statuses} == {200: len(statuses)}
