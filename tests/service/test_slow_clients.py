"""Clients that take their time, or more than their share, cost a bounded amount."""

import json
import socket
from contextlib import suppress

import pytest
from running import Service, frozen, post

HEAD = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n"


@pytest.fixture
def impatient(start) -> Service:
    return start(TAPETUM_WORKERS="0", TAPETUM_HEAD_TIMEOUT_S="0.5", TAPETUM_BODY_TIMEOUT_S="0.5")


def connect(service: Service) -> socket.socket:
    return socket.create_connection((service.client.base_url.host, service.client.base_url.port), timeout=30)


def until_the_end(connection: socket.socket, trickle: bytes = b"") -> bytes:
    """All that the service sends before it hangs up, while a byte is sent now and then."""
    received = b""
    connection.settimeout(0.05 if trickle else 30)
    for _ in range(600):
        try:
            chunk = connection.recv(65536)
        except TimeoutError:
            with suppress(ConnectionError):
                connection.sendall(trickle)
            continue
        except ConnectionResetError:
            return received
        if not chunk:
            return received
        received += chunk
    raise AssertionError("the service did not hang up")


def problem(answer: bytes) -> tuple[int, str]:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"content-type: application/problem+json" in head
    assert b"connection: close" in head
    assert json.loads(body)["status"] == int(head.split()[1])
    return int(head.split()[1]), json.loads(body)["detail"]


@pytest.mark.parametrize("begun", [b"", b"POST /predict HTTP/1.1\r\nHost: x\r\nX-Slow: ", b"\r\n"])
def test_a_head_that_trickles_in_is_cut_off(impatient, begun):
    with connect(impatient) as connection:
        connection.sendall(begun)

        status, detail = problem(until_the_end(connection, trickle=b"a" if begun.strip() else b"\r\n"))

    assert (status, detail) == (408, "the head of the request was not here after 0.5 s: send it faster")


def test_a_body_that_trickles_in_is_cut_off(impatient):
    with connect(impatient) as connection:
        connection.sendall(HEAD + b"\r\n")

        status, detail = problem(until_the_end(connection, trickle=b"a"))

    assert (status, detail) == (408, "the body of the request was not here after 0.5 s: send it faster")


def test_a_second_request_on_a_connection_has_no_more_time_than_the_first(impatient):
    with connect(impatient) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        first = connection.recv(65536)
        connection.sendall(b"GET /health HTTP/1.1\r\n")

        status, _ = problem(until_the_end(connection, trickle=b"a"))

    assert first.startswith(b"HTTP/1.1 200")
    assert status == 408


def test_a_body_that_nobody_asked_for_is_cut_off_as_well(impatient):
    """The answer was given without it, so nothing but the end of the connection follows."""
    with connect(impatient) as connection:
        connection.sendall(HEAD.replace(b"/predict", b"/health") + b"\r\n")

        answer = until_the_end(connection, trickle=b"a")

    assert answer.startswith(b"HTTP/1.1 405")
    assert answer.count(b"HTTP/1.1") == 1


def test_an_idle_connection_is_closed(start):
    service = start(TAPETUM_WORKERS="0", TAPETUM_KEEP_ALIVE_S="0.2")
    with connect(service) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")

        assert until_the_end(connection).count(b"HTTP/1.1 200") == 1


@pytest.mark.parametrize("header", [b"X-Long: " + b"x" * 40_000 + b"\r\n", b"X-Many: xxxxxxxxx\r\n" * 4000])
@pytest.mark.parametrize("end", [b"\r\n", b""])
def test_a_head_that_is_too_large_is_refused(impatient, header, end):
    with connect(impatient) as connection:
        connection.sendall(HEAD + header + end)

        status, detail = problem(until_the_end(connection))

    assert (status, detail) == (431, "the head of the request has more than 32768 bytes")


def test_what_is_no_http_is_refused(impatient):
    with connect(impatient) as connection:
        connection.sendall(b"\x16\x03\x01 hello\r\n\r\n")

        status, detail = problem(until_the_end(connection))

    assert (status, detail) == (400, "this is not an HTTP request")


def test_a_connection_too_many_is_refused_unless_an_idle_one_can_go(start, bright):
    service = start(TAPETUM_WORKERS="0", TAPETUM_MAX_CONNECTIONS="2")
    assert post(service, bright).status_code == 200  # on a connection that is idle from now on
    with frozen([service.process.pid]):  # so that all three come at once, and the idle one makes room for one of them
        first, second, third = (connect(service) for _ in range(3))
        for connection in (first, second):
            connection.sendall(HEAD)
    with first, second:
        with third:
            status, detail = problem(until_the_end(third))
        assert (status, detail) == (503, "every connection is taken: try again in a moment")

        first.sendall(b"Connection: close\r\n\r\n" + bytes(1000))
        assert b"HTTP/1.1 415" in until_the_end(first)
    assert post(service, bright).status_code == 200
