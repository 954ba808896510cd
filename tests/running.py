"""A service process, started as a user starts it."""

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import httpx

READY_POLLS = 6000  # two minutes: a start takes seconds, and many where a machine is busy
ENDS_WITHIN_S = 60


class Service(NamedTuple):
    """A running `tapetum serve`, with a client for it and the file of its JSON log lines."""

    process: subprocess.Popen[bytes]
    client: httpx.Client
    log: Path

    def lines(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]

    def logged(self, number: int = 1, **facts: object) -> list[dict[str, object]]:
        """So many lines of these facts, once they are there: a line is written after what it tells of."""
        found: list[dict[str, object]] = []

        def are_there() -> bool:
            found[:] = [line for line in self.lines() if facts.items() <= line.items()]
            return len(found) >= number

        self.until(are_there)
        assert len(found) == number, found
        return found

    def workers(self) -> list[int]:
        """The process ids of the compute processes that live."""
        return sorted(pid for pid in map(int, filter(str.isdecimal, os.listdir("/proc"))) if self._is_worker(pid))

    def _is_worker(self, pid: int) -> bool:
        try:
            parent = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
            return (
                parent == self.process.pid and b"tapetum.inference.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()
            )
        except OSError:
            return False

    def until(self, is_done: Callable[[], bool]) -> None:
        """Return once a condition holds, or fail with the log."""
        _poll(self.process, self.log, is_done)


@contextmanager
def running(command: list[str], log: Path, **variables: str) -> Iterator[Service]:
    """Run a command that logs the address it listens on, from when it is ready until the block ends."""
    with listening(command, log, **variables) as service:
        service.until(lambda: service.client.get("/ready").status_code == 200)
        yield service


@contextmanager
def listening(command: list[str], log: Path, **variables: str) -> Iterator[Service]:
    """The same from when it listens."""
    environment = (
        os.environ | {"TAPETUM_LOG_FORMAT": "json", "TAPETUM_LOG_LEVEL": "debug", "TAPETUM_DRAIN_S": "0"} | variables
    )
    with log.open("wb") as stream:
        process = subprocess.Popen(command, stderr=stream, stdout=stream, env=environment)
    try:
        address = _address(process, log)
        with httpx.Client(base_url=address, timeout=120) as client:
            yield Service(process, client, log)
    finally:
        process.kill()
        process.wait()


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    found = ""

    def look() -> bool:
        nonlocal found
        lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
        found = next((line["address"] for line in lines if "address" in line), "")
        return bool(found)

    _poll(process, log, look)
    return found


def _poll(process: subprocess.Popen[bytes], log: Path, is_done: Callable[[], bool]) -> None:
    for _ in range(READY_POLLS):
        try:
            if is_done():
                return
        except httpx.TransportError:
            pass
        try:
            process.wait(0.02)
        except subprocess.TimeoutExpired:
            continue
        break
    raise AssertionError(f"the service did not get there:\n{log.read_text()}")


def ends(pid: int) -> bool:
    """Wait for the end of a process that need not be our child."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], ENDS_WITHIN_S)[0])
    finally:
        os.close(handle)


@contextmanager
def frozen(pids: list[int]) -> Iterator[None]:
    """Workers that stand still, as in an endless loop, until the block ends."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def post(service: Service, content: bytes, timeout: str = "20") -> httpx.Response:
    """A raw picture to /predict, with a deadline."""
    return service.client.post("/predict", content=content, headers={"X-Request-Timeout": timeout})


def slug(response: httpx.Response) -> str:
    """The last word of a problem's type."""
    return str(response.json()["type"]).rpartition(":")[2]


def ask_beyond_the_limit(
    callers: ThreadPoolExecutor, send: Callable[[], httpx.Response], limit: int
) -> set[Future[httpx.Response]]:
    """Two requests more than a service takes whose workers stand still: the two are refused, the rest surely wait."""
    waiting = {callers.submit(send) for _ in range(limit + 2)}
    refused: set[Future[httpx.Response]] = set()
    while len(refused) < 2:
        done, waiting = wait(waiting, timeout=60, return_when=FIRST_COMPLETED)
        assert done, "fewer were refused than should be"
        refused |= done
    responses = [future.result() for future in refused]
    assert [(answer.status_code, slug(answer)) for answer in responses] == [(503, "overloaded")] * 2
    assert [answer.headers["Retry-After"] for answer in responses] == ["1", "1"]
    return waiting


def serve_command(bundle: Path, python: str = sys.executable) -> list[str]:
    """`tapetum serve` on a free port."""
    return [python, "-m", "tapetum", "serve", str(bundle), "--port", "0"]
