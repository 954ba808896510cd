"""The end of the service: who is told, what is finished, and how to have it at once."""

import signal
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from running import Service, ask_beyond_the_limit, ends, frozen, listening, post, serve_command


def refuses_connections(service: Service) -> bool:
    try:
        httpx.get(service.client.base_url.join("/health"), timeout=30)
    except httpx.ConnectError:
        return True
    return False


def test_after_sigterm_requests_are_taken_until_callers_had_the_time_to_see_that_it_is_not_ready(start, bright):
    service = start(TAPETUM_WORKERS="2", TAPETUM_DRAIN_S="600")
    address = str(service.client.base_url)
    leave = threading.Event()
    statuses: list[int] = []

    def keep_posting() -> None:
        with httpx.Client(base_url=address, timeout=30) as client:
            while not leave.is_set():
                statuses.append(client.post("/predict", content=bright).status_code)

    with ThreadPoolExecutor(4) as callers:
        posting = [callers.submit(keep_posting) for _ in range(4)]
        try:
            service.until(lambda: len(statuses) > 20)
            service.process.send_signal(signal.SIGTERM)
            service.until(lambda: service.client.get("/ready").status_code == 503)
            not_ready = service.client.get("/ready")
            after = len(statuses)
            service.until(lambda: len(statuses) > after + 20)
            late = post(service, bright)
        finally:
            leave.set()
        for future in posting:
            future.result()

    assert not_ready.json()["reason"] == "the service is about to end"
    assert late.status_code == 200
    assert late.headers["Connection"] == "close"
    assert set(statuses) == {200}


def test_what_was_accepted_is_finished_after_the_door_is_closed(start, bright):
    service = start(TAPETUM_WORKERS="1", TAPETUM_MAX_PENDING="2", TAPETUM_REQUEST_TIMEOUT_S="60")
    workers = service.workers()

    with ThreadPoolExecutor(4) as callers:
        with frozen(workers):
            waiting = ask_beyond_the_limit(callers, lambda: post(service, bright), limit=2)
            service.process.send_signal(signal.SIGTERM)
            service.until(lambda: refuses_connections(service))
        answers = [future.result() for future in waiting]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert service.process.wait(30) == 0
    assert all(ends(pid) for pid in workers)


def test_a_request_whose_head_has_begun_is_answered_after_the_door_is_closed(start, bright):
    service = start(TAPETUM_WORKERS="0")
    address = service.client.base_url

    with socket.create_connection((address.host, address.port), timeout=30) as connection:
        connection.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\n")
        for _ in range(2):  # in one turn it takes the connection, in the next at the latest it reads from it
            assert service.client.get("/health").status_code == 200
        service.process.send_signal(signal.SIGTERM)
        service.until(lambda: refuses_connections(service))
        connection.sendall(b"Content-Length: %d\r\n\r\n" % len(bright) + bright)
        with connection.makefile("rb") as stream:
            answer = stream.read()

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert service.process.wait(30) == 0


@pytest.mark.parametrize(("again", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_second_signal_ends_it_at_once(start, bright, again, code):
    service = start(TAPETUM_WORKERS="1", TAPETUM_MAX_PENDING="1", TAPETUM_DRAIN_S="600")
    (worker,) = service.workers()

    service.process.send_signal(signal.SIGTERM)
    service.until(lambda: service.client.get("/ready").status_code == 503)
    service.process.send_signal(again)

    assert service.process.wait(30) == code
    assert ends(worker)


def test_ctrl_c_does_not_wait_for_balancers(start):
    service = start(TAPETUM_WORKERS="1", TAPETUM_DRAIN_S="600")

    service.process.send_signal(signal.SIGINT)

    assert service.process.wait(30) == 130
    assert "interrupted" in service.log.read_text()


def test_it_can_be_told_to_end_before_it_is_ready(bundle_path, tmp_path):
    with listening(serve_command(bundle_path), tmp_path / "log", TAPETUM_WORKERS="1") as service:
        service.until(lambda: len(service.workers()) == 1)
        (worker,) = service.workers()
        service.process.send_signal(signal.SIGTERM)

        assert service.process.wait(30) == 0
    assert ends(worker)


def test_a_worker_that_stands_still_does_not_keep_it_from_ending(start):
    service = start(TAPETUM_WORKERS="1", TAPETUM_DRAIN_S="0")
    (worker,) = service.workers()
    with frozen([worker]):
        service.process.send_signal(signal.SIGTERM)

        assert service.process.wait(30) == 0
    assert ends(worker)
