"""The client for programs, against real services and against one that has had enough."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tapetum import Client
from tapetum.errors import BrokenPicture, ConfigError, ResourceError, ServiceError


@contextmanager
def busy(refusals: list[str], body: bytes = b"{}") -> Iterator[tuple[str, list[float]]]:
    """A service that refuses, each time with another Retry-After, then answers; and the timeouts that it was given."""
    timeouts: list[float] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            timeouts.append(float(self.headers["X-Request-Timeout"]))
            content = body
            if refusals:
                content = b'{"type": "urn:problem-type:tapetum:overloaded", "detail": "the queue is full"}'
                self.send_response(503)
                self.send_header("Retry-After", refusals.pop(0))
            else:
                self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", timeouts
        finally:
            server.shutdown()
            thread.join()


ANSWER = b'{"prediction": "cat", "confidence": 0.75, "probabilities": {"cat": 0.75, "dog": 0.25}}'


def test_a_service_answers(service, bright, tmp_path):
    (tmp_path / "bright.png").write_bytes(bright)
    with Client(str(service.client.base_url)) as client:
        answers = [client.predict(bright), client.predict(tmp_path / "bright.png")]

    assert [answer.label for answer in answers] == ["bright", "bright"]
    assert answers[0].confidence == max(answers[0].probabilities.values())


def test_a_refusal_has_the_reason_of_the_service(service, tmp_path):
    with Client(str(service.client.base_url)) as client, pytest.raises(ServiceError, match="refused: ") as refused:
        client.predict(b"dear diary")

    assert refused.value.status == 415
    assert refused.value.problem == "urn:problem-type:tapetum:not-a-picture"
    with Client(str(service.client.base_url)) as client, pytest.raises(BrokenPicture, match="cannot be read"):
        client.predict(tmp_path / "away.png")


def test_a_key_opens_a_closed_service(start, tmp_path, bright):
    (tmp_path / "keys").write_text("a-key-of-more-than-sixteen-letters")
    service = start(TAPETUM_API_KEYS_FILE=str(tmp_path / "keys"))
    url = str(service.client.base_url)

    with Client(url) as client, pytest.raises(ServiceError) as refused:
        client.predict(bright)
    with Client(url, "a-key-of-more-than-sixteen-letters") as client:
        assert client.predict(bright).label == "bright"

    assert refused.value.status == 401


def test_it_waits_as_long_as_it_is_asked_to_and_no_longer_than_it_may():
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    pauses: list[float] = []
    with busy(["3", soon, "when it suits"], ANSWER) as (url, timeouts):
        answer = Client(url, timeout_s=120, sleep=pauses.append).predict(b"a picture")

    assert (answer.label, answer.probabilities) == ("cat", {"cat": 0.75, "dog": 0.25})
    assert 3 <= pauses[0] <= 3.2
    assert 20 < pauses[1] <= 30.4
    assert 0 <= pauses[2] <= 0.8
    assert all(0 < timeout <= 120 for timeout in timeouts)


def test_it_gives_up_where_waiting_would_take_too_long():
    pauses: list[float] = []
    with busy(["30"]) as (url, _), pytest.raises(ServiceError, match="the queue is full") as refused:
        Client(url, timeout_s=20, sleep=pauses.append).predict(b"a picture")

    assert refused.value.status == 503
    assert pauses == []


def test_nobody_there_and_no_tapetum_there_are_told_apart():
    with busy([]) as (url, _), pytest.raises(ResourceError, match="does not answer as a Tapetum service"):
        Client(url).predict(b"a picture")
    with pytest.raises(ResourceError, match="is not reached: "):
        Client(url, timeout_s=0.1).predict(b"a picture")


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://pets.example", "http://[::1", ""])
def test_what_is_no_address_is_refused_at_once(url):
    with pytest.raises(ConfigError, match="is no address of a service"):
        Client(url)


@pytest.mark.parametrize("key", ["one\ntwo", "a-key-of-mañana"])
def test_a_key_that_no_header_can_carry_is_refused_at_once(key):
    with pytest.raises(ConfigError, match="no header can carry"):
        Client("http://localhost", key)


@pytest.mark.parametrize(
    "body",
    [b"<html>", b"[]", b"[" * 100_000, ANSWER.replace(b"0.75,", b'"much",', 1)],
    ids=["html", "a list", "nested", "no number"],
)
def test_an_answer_that_is_none_of_tapetum_is_told_with_its_status(body):
    with busy([], body) as (url, _), pytest.raises(ResourceError, match="a Tapetum service, but with status 200"):
        Client(url).predict(b"a picture")


def test_an_answer_that_trickles_in_ends_with_the_time_of_the_call():
    ended = threading.Event()

    def trickle(server: socket.socket) -> None:
        connection, _ = server.accept()
        with connection, suppress(OSError):
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
            while not ended.wait(0.02):
                connection.sendall(b" ")

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=trickle, args=(server,))
        thread.start()
        try:
            address = f"http://127.0.0.1:{server.getsockname()[1]}"
            with Client(address, timeout_s=0.3) as client, pytest.raises(ResourceError, match=r"too slowly|timed out"):
                client.predict(b"a picture")
        finally:
            ended.set()
            thread.join()
