"""What a cluster does to a service, on one machine: pods in network namespaces of their own behind a real haproxy.

haproxy stands in for the Service of Kubernetes twice: `HTTP` has a request after the other given to the next pod, `TCP`
gives out connections, as kube-proxy does. It learns of a pod by asking its /ready as often as the manifest says, and
by nothing else. A request is sent again only where no connection came about.
"""

import csv
import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from time import monotonic, time
from typing import IO, Any

HTTP, TCP = "http://127.0.0.1:8000", "http://127.0.0.1:8001"
PATIENCE_S = 180.0
_PAUSE_S = 0.02
_CONFIGURATION = """
global
    stats socket {folder}/admin level admin
    log stdout format raw local0
defaults
    mode http
    log global
    timeout connect 1s
    timeout client 60s
    timeout server 60s
    timeout check 2s
    retries 3
    option redispatch 1
    retry-on conn-failure
frontend requests
    bind 127.0.0.1:8000
    capture request header X-Request-ID len 64
    log-format "%[capture.req.hdr(0)] %s %ST %tsc"
    default_backend services
frontend connections
    mode tcp
    no log
    bind 127.0.0.1:8001
    default_backend lines
backend services
    balance roundrobin
    option httpchk GET /ready
    default-server check inter {inter} fall 2 rise 1
{services}
backend lines
    mode tcp
    balance roundrobin
{lines}
backend probes
    option httpchk GET /ready
    default-server check inter 100ms fall 1 rise 1
{probes}
"""

Command = Callable[["Place"], list[str]]


@dataclass(frozen=True)
class Timing:
    """How a pod leaves, and how often the balancer asks whether it is ready; as in deploy/k8s/base."""

    pre_stop_s: float = 3
    drain_s: float = 5
    ready_every_s: float = 2


@dataclass(frozen=True)
class Place:
    """Where a pod may be: a namespace with one address, under a name that haproxy knows."""

    name: str
    namespace: str
    address: str


def run(*command: str) -> str:
    """What a command prints; raises CalledProcessError."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def serve(bundle: Path) -> Command:
    """`tapetum serve` of this environment, as a pod of the base is set up."""
    own = [sys.executable, "-m", "tapetum", "serve", str(bundle), "--port", "8000", "--workers", "1", "--host"]
    return lambda place: ["ip", "netns", "exec", place.namespace, *own, place.address]


@dataclass
class Pod:
    """A service in its place; `process` is what was started, `front` the id of the process that owns HTTP."""

    place: Place
    process: "subprocess.Popen[bytes]"
    find_front: Callable[[], int]

    @property
    def front(self) -> int:
        return self.find_front()

    def workers(self) -> list[int]:
        """The ids of its processes that compute."""
        front = self.front
        return [int(pid) for pid in Path(f"/proc/{front}/task/{front}/children").read_text().split()]

    def end(self) -> int:
        """SIGTERM; the exit code, after what it had is answered."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_S)


@dataclass
class Load:
    """Callers from outside; `losses` is what `tapetum smoke --load` counted, once they have ended."""

    process: "subprocess.Popen[bytes]"
    losses: dict[str, Any] = field(default_factory=dict)


class Stage:
    """haproxy and the places behind it."""

    def __init__(self, folder: Path, stack: ExitStack, places: int, timing: Timing) -> None:
        self.folder = folder
        self.timing = timing
        self._stack = stack
        self._name = f"tapetum-{os.getpid()}"
        self._door = self._namespace("door")
        run("ip", "-n", self._door, "link", "set", "lo", "up")
        self.places = [self._connect(number) for number in range(1, places + 1)]
        self._busy: set[str] = set()
        (folder / "haproxy.cfg").write_text(self._configuration())
        self.haproxy_log = folder / "haproxy.log"
        with self.haproxy_log.open("wb") as log:
            self.spawn(["haproxy", "-db", "-f", str(folder / "haproxy.cfg")], stdout=log)
        self.until(lambda: (folder / "admin").exists() and bool(self.tell("show stat")))

    def _namespace(self, room: str) -> str:
        name = f"{self._name}-{room}"
        run("ip", "netns", "add", name)
        self._stack.callback(run, "ip", "netns", "delete", name)
        return name

    def _connect(self, number: int) -> Place:
        place = Place(f"pod-{number}", self._namespace(f"pod-{number}"), f"10.77.{number}.2")
        near, far = ["ip", "-n", self._door], ["ip", "-n", place.namespace]
        run(*near, "link", "add", f"to-{number}", "type", "veth", "peer", "name", "out", "netns", place.namespace)
        run(*near, "address", "add", f"10.77.{number}.1/24", "dev", f"to-{number}")
        run(*near, "link", "set", f"to-{number}", "up")
        run(*far, "address", "add", f"{place.address}/24", "dev", "out")
        run(*far, "link", "set", "out", "up")
        return place

    def _configuration(self) -> str:
        def servers(option: str) -> str:
            named = ((place, option.format(name=place.name)) for place in self.places)
            return "\n".join(f"    server {place.name} {place.address}:8000 {words}" for place, words in named)

        return _CONFIGURATION.format(
            folder=self.folder,
            inter=f"{self.timing.ready_every_s * 1000:.0f}ms",
            services=servers("disabled"),
            lines=servers("track services/{name}"),
            probes=servers(""),
        )

    def spawn(self, command: list[str], stdout: int | IO[bytes] | None = None) -> "subprocess.Popen[bytes]":
        """Run a command at the door, from where the callers ask."""
        return self.keep(["ip", "netns", "exec", self._door, *command], stdout)

    def keep(
        self, command: list[str], stdout: int | IO[bytes] | None = None, env: dict[str, str] | None = None
    ) -> "subprocess.Popen[bytes]":
        """Run a command until the stage ends at the latest; what it says elsewhere stands in `log`."""
        log = self._stack.enter_context((self.folder / "log").open("ab"))
        process = subprocess.Popen(command, stdout=log if stdout is None else stdout, stderr=log, env=env)
        self._stack.callback(process.wait)
        self._stack.callback(process.kill)
        return process

    def start(
        self, command: Command, find_front: Callable[[Place], int] | None = None, where: Place | None = None
    ) -> Pod:
        """Start a pod in a free place, or where one was before."""
        place = where or next(each for each in self.places if each.name not in self._busy)
        self._busy.add(place.name)
        process = self.keep(command(place), env=os.environ | {"TAPETUM_DRAIN_S": str(self.timing.drain_s)})
        return Pod(place, process, (lambda: find_front(place)) if find_front else (lambda: process.pid))

    def is_ready(self, pod: Pod) -> bool:
        """Whether its /ready is 200 now."""
        return self.fact("probes", pod.place, "check_status") == "L7OK"

    def admit(self, pod: Pod) -> Pod:
        """Let haproxy send it requests once it is ready."""
        # haproxy believes in a server that it has not looked at yet, so look first.
        self.until(lambda: self.is_ready(pod))
        self.tell(f"set server services/{pod.place.name} state ready")
        self.until(lambda: self.fact("services", pod.place, "status") == "UP")
        return pod

    def forget(self, pod: Pod) -> None:
        """A pod that has ended: its place is free."""
        self.tell(f"set server services/{pod.place.name} state maint")
        self.until(lambda: not self.is_ready(pod))
        self._busy.discard(pod.place.name)

    def cut(self, place: Place) -> None:
        """The network of a pod is gone; one that comes there finds it again."""
        run("ip", "-n", place.namespace, "link", "set", "out", "down")

    def mend(self, place: Place) -> None:
        """The network is there again."""
        run("ip", "-n", place.namespace, "link", "set", "out", "up")

    def fact(self, backend: str, place: Place, name: str) -> str:
        """What haproxy knows of a place."""
        rows = csv.DictReader(self.tell("show stat").removeprefix("# ").splitlines())
        return next(row[name] for row in rows if (row["pxname"], row["svname"]) == (backend, place.name))

    def come(self, url: str) -> int:
        """How many requests, or connections, came to an address."""
        name, column = ("requests", "req_tot") if url == HTTP else ("connections", "stot")
        rows = csv.DictReader(self.tell("show stat").removeprefix("# ").splitlines())
        return next(int(row[column]) for row in rows if (row["pxname"], row["svname"]) == (name, "FRONTEND"))

    def tell(self, words: str) -> str:
        """Say something to haproxy; its answer."""
        with socket.socket(socket.AF_UNIX) as admin:
            try:
                admin.connect(str(self.folder / "admin"))
            except ConnectionRefusedError:
                return ""
            admin.sendall(words.encode() + b"\n")
            return admin.makefile().read()

    def until(self, is_done: Callable[[], bool]) -> None:
        """Return once a condition holds; raises AssertionError with the log."""
        deadline = monotonic() + PATIENCE_S
        while not is_done():
            assert monotonic() < deadline, (self.folder / "log").read_text()
            pause(_PAUSE_S)

    @contextmanager
    def loaded(self, rates: dict[str, float], *options: str) -> Iterator[list[Load]]:
        """Callers of each address, at so many requests a second, from the first answers until the block ends."""
        # Beyond what a look at the deployment makes, which comes before its load.
        enough = {url: self.come(url) + (30 if url == HTTP else 12) for url in rates}
        loads = []
        for url, rate in rates.items():
            asked = ["smoke", url, "--json", "--load", str(rate), "--seconds", "600", *options]
            loads.append(Load(self.spawn([sys.executable, "-m", "tapetum", *asked], stdout=subprocess.PIPE)))
        self.until(lambda: all(self.come(url) > number for url, number in enough.items()))
        try:
            yield loads
        finally:
            for load in loads:
                load.process.send_signal(signal.SIGINT)
            for load in loads:
                said, _ = load.process.communicate(timeout=PATIENCE_S)
                document = json.loads(said)
                failed = [check for check in document if not check["is_kept"]]
                assert "sent" in document[-1], failed
                load.losses = document[-1]


def pause(seconds: float) -> None:
    """Let time pass in which pods are asked."""
    Event().wait(seconds)


def kill(*pids: int) -> tuple[float, float]:
    """End processes by kill -9; from when until when, by the clock, the processes may have had requests."""
    handles = [os.pidfd_open(pid) for pid in pids]
    begun = time()
    try:
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        for handle in handles:
            select.select([handle], [], [], PATIENCE_S)
        return begun, time()
    finally:
        for handle in handles:
            os.close(handle)
