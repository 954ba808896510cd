"""The promise to a hostile world: one service takes all of it, and every answer to it is a plain problem."""

import json
import re
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
import schemathesis
from hostile import pictures, requests
from hypothesis import HealthCheck, given, settings
from running import Service, running, serve_command

CALLERS = 4
MOST_FRONT_BYTES = 400_000_000
MOST_WORKER_BYTES = 700_000_000
# Of a file system, of Python's tracebacks, of where objects lie.
LEAKS = re.compile(r"Traceback|File \\?\"|/(usr|root|home|tmp|lib)/|site-packages|\.py\b|0x[0-9a-f]{6}| object at ")
STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) [^\r]*\r\n(.*?)\r\n\r\n", re.DOTALL)


@pytest.fixture(scope="module")
def service(bundle_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One service for all of it, which waits a second only for those who do not finish what they say."""
    log = tmp_path_factory.mktemp("hostile") / "log"
    waits = dict.fromkeys(("TAPETUM_HEAD_TIMEOUT_S", "TAPETUM_BODY_TIMEOUT_S", "TAPETUM_KEEP_ALIVE_S"), "1")
    # What takes seconds here takes many where others compute too, and is no hang.
    short = {**waits, "TAPETUM_WORKERS": "2", "TAPETUM_REQUEST_TIMEOUT_S": "120"}
    with running(serve_command(bundle_path), log, **short) as started:
        yield started


def complaint(path: str, status: int, content_type: str, body: bytes) -> str | None:
    """What is wrong with an answer; None where it is as promised."""
    if status < 400:
        return None
    if status >= 500:
        return f"status {status}: {body[:300]!r}"
    if f"{path}/".startswith("/v2/") and content_type == "application/json":  # the Open Inference Protocol's form
        failure = json.loads(body)
        leak = LEAKS.search(failure.get("error", ""))
        return f"no plain error: {failure}" if leak or failure.keys() != {"error"} else None
    if content_type != "application/problem+json":
        return f"{status} is of type {content_type!r}: {body[:100]!r}"
    problem = json.loads(body)
    if problem["status"] != status or not problem["request_id"]:
        return f"an incomplete problem: {problem}"
    leak = LEAKS.search(problem["detail"] + problem["title"])
    return f"it tells {leak[0]!r}: {problem['detail']}" if leak else None


def test_every_hostile_picture_is_answered_or_refused(service, bright):
    def ask(named: tuple[str, bytes]) -> tuple[str, str | None]:
        name, content = named
        response = service.client.post("/predict", content=content)
        return name, complaint("/predict", response.status_code, response.headers["Content-Type"], response.content)

    workers = workers_of(service)
    with ThreadPoolExecutor(CALLERS) as callers:
        answers = list(callers.map(ask, pictures.corpus()))

    assert len(answers) >= 200
    assert {name: wrong for name, wrong in answers if wrong} == {}
    assert workers_of(service) == workers, "a worker was lost"
    assert service.client.post("/predict", content=bright).json()["prediction"] == "bright"
    assert peak_bytes(service.process.pid) < MOST_FRONT_BYTES
    assert max(peak_bytes(worker) for worker in workers) < MOST_WORKER_BYTES


def test_every_hostile_request_is_answered_or_hung_up_on(service, bright):
    host, port = service.client.base_url.host, service.client.base_url.port

    def send(named: tuple[str, bytes]) -> tuple[str, str | None]:
        name, sent = named
        with socket.create_connection((host, port), timeout=20) as connection:
            with suppress(ConnectionError):
                connection.sendall(sent)
            received = bytearray()
            try:
                while block := connection.recv(65_536):
                    received += block
            except ConnectionError:
                pass  # hung up on while there was more to say
            except TimeoutError:
                return name, f"neither answered nor hung up on, after {bytes(received[:200])!r}"
        return name, wrong_in(bytes(received), sent)

    with ThreadPoolExecutor(16) as callers:
        answers = list(callers.map(send, requests.corpus()))

    assert len(answers) >= 200
    assert {name: wrong for name, wrong in answers if wrong} == {}
    assert service.client.post("/predict", content=bright).json()["prediction"] == "bright"
    assert peak_bytes(service.process.pid) < MOST_FRONT_BYTES
    assert not [line for line in service.lines() if line["level"] == "error"]


def wrong_in(received: bytes, sent: bytes) -> str | None:
    """What is wrong with the answers on a connection; being hung up on is an answer too."""
    method, _, rest = sent.partition(b" ")
    path, has_bodies = rest.partition(b" ")[0].decode("latin-1"), method != b"HEAD"
    place = 0
    while (head := STATUS.match(received, place)) is not None:
        headers = dict(line.lower().split(": ", 1) for line in head[2].decode("latin-1").split("\r\n"))
        place = head.end() + int(headers.get("content-length", 0)) * has_bodies
        if {"x-request-id", "traceparent", "x-content-type-options"} - headers.keys():
            return f"ids or safety are missing: {headers}"
        body = received[head.end() : place]
        if body and (wrong := complaint(path, int(head[1]), headers.get("content-type", ""), body)):
            return wrong
    return None if place == len(received) else f"no HTTP: {received[place : place + 200]!r}"


def workers_of(service: Service) -> set[int]:
    children = Path(f"/proc/{service.process.pid}/task/{service.process.pid}/children").read_text()
    return {int(child) for child in children.split()}


def peak_bytes(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return 1024 * int(re.search(r"VmHWM:\s+(\d+)", status)[1])


def test_requests_made_from_the_schema_are_answered_as_promised(service):
    """What Schemathesis makes of each operation in /openapi.json."""
    schema = schemathesis.openapi.from_url(f"{service.client.base_url}/openapi.json")
    asked: set[str] = set()

    for found in schema.get_all_operations():
        operation = found.ok()

        @settings(max_examples=20, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
        @given(operation.as_strategy())
        def fuzz(case: schemathesis.Case) -> None:
            response = case.call()
            asked.add(f"{case.method} {case.path}")
            content_type = response.headers["content-type"][0]
            assert complaint(case.path, response.status_code, content_type, response.content) is None

        fuzz()

    assert asked >= {"POST /predict", "POST /predict/batch", "POST /explain", "GET /metrics"}
    assert "POST /v2/models/{name}/infer" in asked
