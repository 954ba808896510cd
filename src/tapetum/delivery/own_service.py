"""A service of one's own for a while: a bundle served by a process that ends with the block."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from tapetum import machine
from tapetum.errors import ResourceError

START_S = 90.0
_END_S = 30.0
_PAUSE_S = 0.02
# Its log is where the address stands; nobody waits behind a balancer for it to drain.
_SETTINGS = {"TAPETUM_LOG_FORMAT": "json", "TAPETUM_LOG_LEVEL": "info", "TAPETUM_DRAIN_S": "0"}


@dataclass(frozen=True)
class OwnService:
    """Where it answers, and its process."""

    url: str
    pid: int

    def cpu_s(self) -> float:
        """Processor time so far, of the service and of its workers."""
        front = psutil.Process(self.pid)
        total = 0.0
        for process in (front, *front.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                total += times.user + times.system
        return total


@contextmanager
def own_service(bundle: Path, **variables: str) -> Iterator[OwnService]:
    """A ready service of a bundle on a free port; `variables` are further settings.

    Raises ResourceError with its reason where it does not get ready.
    """
    # -P: a file of the working folder must not be imported in place of a library.
    command = [sys.executable, "-P", "-m", "tapetum", "serve", str(bundle), "--host", "127.0.0.1", "--port", "0"]
    with tempfile.TemporaryDirectory(prefix="tapetum-bench-") as folder:
        log = Path(folder) / "service.log"
        with log.open("wb") as stream:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                env=machine.environment() | _SETTINGS | variables,
            )
        try:
            yield OwnService(_ready(process, log), process.pid)
        finally:
            process.terminate()
            try:
                process.wait(_END_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _ready(process: "subprocess.Popen[bytes]", log: Path) -> str:
    """The address of a service, once it is ready."""
    deadline = time.monotonic() + START_S
    url = ""
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise ResourceError(f"the service ended with exit code {process.returncode}: {_last_words(log)}")
        url = url or _address(log)
        with suppress(httpx.TransportError):
            # 401 where probes need a key; who has none will be told so by /predict.
            if url and httpx.get(f"{url}/ready").status_code != httpx.codes.SERVICE_UNAVAILABLE:
                return url
        time.sleep(_PAUSE_S)  # between two looks: asking without a pause would slow the start
    raise ResourceError(f"the service was not ready within {START_S:.0f} s: {_last_words(log)}")


def _address(log: Path) -> str:
    with log.open("rb") as stream:
        for line in stream:
            with suppress(ValueError, KeyError, TypeError):
                return str(json.loads(line)["address"])
    return ""


def _last_words(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1].removeprefix("tapetum: ") if lines else "it said nothing"
