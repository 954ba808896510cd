"""More than the service can do: who is refused, who is forgotten, and what a batch may ask."""

import json
import os
import select
import socket
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPResponse
from pathlib import Path

import httpx
import pytest
from hostile.pictures import header, png
from running import Service, ask_beyond_the_limit, frozen, post, slug


def connect(service: Service) -> socket.socket:
    return socket.create_connection((service.client.base_url.host, service.client.base_url.port), timeout=30)


def batch(service: Service, contents: list[bytes], timeout: str = "20") -> httpx.Response:
    files = [("files", (f"{number}.png", content)) for number, content in enumerate(contents)]
    return service.client.post("/predict/batch", files=files, headers={"X-Request-Timeout": timeout})


def test_beyond_the_limit_requests_are_refused_at_once_and_the_accepted_are_answered(start, bright):
    service = start(TAPETUM_WORKERS="1", TAPETUM_MAX_PENDING="3", TAPETUM_REQUEST_TIMEOUT_S="60")

    with ThreadPoolExecutor(5) as callers:
        with frozen(service.workers()):
            waiting = ask_beyond_the_limit(callers, lambda: post(service, bright), limit=3)
        answers = [future.result() for future in waiting]

    assert [answer.json().get("prediction") for answer in answers] == ["bright"] * 3


def test_a_refusal_leaves_the_connection_usable_and_a_web_page_can_read_it(start, bright):
    limits = {"TAPETUM_MAX_PENDING": "1", "TAPETUM_REQUEST_TIMEOUT_S": "60"}
    service = start(TAPETUM_WORKERS="1", TAPETUM_CORS_ORIGINS="https://a.example", **limits)
    head = f"POST /predict HTTP/1.1\r\nHost: x\r\nX-Request-ID: mine\r\nContent-Length: {len(bright)}\r\n\r\n".encode()

    with ThreadPoolExecutor(3) as callers, connect(service) as client, frozen(service.workers()):
        waiting = ask_beyond_the_limit(callers, lambda: post(service, bright), limit=1)
        client.sendall(head + bright[:10])
        refusal = HTTPResponse(client)
        refusal.begin()
        body = json.loads(refusal.read())
        client.sendall(bright[10:] + b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        health = HTTPResponse(client)
        health.begin()
        page = service.client.post("/predict", content=bright, headers={"Origin": "https://a.example"})

    assert (refusal.status, refusal.getheader("Retry-After"), refusal.getheader("Connection")) == (503, "1", None)
    assert refusal.getheader("X-Request-ID") == body["request_id"] == "mine"
    assert health.status == 200
    assert (page.status_code, page.headers["Access-Control-Allow-Origin"]) == (503, "https://a.example")
    assert [future.result().status_code for future in waiting] == [200]


def test_beyond_the_pixels_that_may_wait_requests_are_refused(start, bright):
    small, large = png(head=header(10, 10)), png(head=header(5000, 5000))  # which its rows do not fill
    limits = {"TAPETUM_MAX_PENDING_PIXELS": "30000000", "TAPETUM_REQUEST_TIMEOUT_S": "60"}
    service = start(TAPETUM_WORKERS="1", **limits)

    with ThreadPoolExecutor(5) as callers:
        with frozen(service.workers()):
            # One is computed, one waits, and there is no room for a third; small ones are still taken.
            waiting = ask_beyond_the_limit(callers, lambda: post(service, large), limit=2)
            assert post(service, small, "0.1").status_code == 504
        answers = [future.result() for future in waiting]

    assert [answer.status_code for answer in answers] == [422, 422]
    assert post(service, small).status_code == 200


def test_beyond_the_bytes_that_may_be_held_requests_are_refused(start, bright):
    service = start(TAPETUM_WORKERS="1", TAPETUM_MAX_HELD_BYTES="100000")

    refused = post(service, bright + bytes(200_000))

    assert (refused.status_code, slug(refused)) == (503, "overloaded")
    assert "0.1 MB are allowed" in refused.json()["detail"]
    assert [post(service, bright + bytes(80_000)).status_code for _ in range(3)] == [200] * 3


def test_the_picture_of_a_client_that_has_gone_leaves_the_queue(start, bright):
    service = start(TAPETUM_WORKERS="1", TAPETUM_MAX_PENDING="3", TAPETUM_REQUEST_TIMEOUT_S="60")
    head = f"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: {len(bright)}\r\n\r\n".encode()
    clients = [connect(service) for _ in range(5)]
    with frozen(service.workers()):
        for client in clients:
            client.sendall(head + bright)
        refused: set[socket.socket] = set()
        while len(refused) < 2:
            refused |= set(select.select(set(clients) - refused, [], [], 30)[0])
        assert post(service, bright, "0.1").status_code == 503

        for client in clients:
            client.close()

        # One picture is in the worker; the place of the two behind it is free again although nothing was computed.
        service.until(lambda: post(service, bright, "0.1").status_code == 504)
    assert post(service, bright).status_code == 200
    gone = service.logged(3, outcome="client-gone")
    assert [line["path"] for line in gone] == ["/predict"] * 3


def test_an_upload_of_several_megabytes_waits_in_memory(start, bright):
    service = start(TAPETUM_WORKERS="1", TAPETUM_MAX_PENDING="1", TAPETUM_REQUEST_TIMEOUT_S="60")
    large = bright + bytes(3_000_000)

    def post_form() -> httpx.Response:
        return service.client.post("/predict", files={"file": large})

    with ThreadPoolExecutor(3) as callers:
        with frozen(service.workers()):
            (waiting,) = ask_beyond_the_limit(callers, post_form, limit=1)
            opened = [os.readlink(link) for link in Path(f"/proc/{service.process.pid}/fd").iterdir()]
        assert waiting.result().status_code == 200
    assert [name for name in opened if "deleted" in name or name.startswith("/tmp")] == [str(service.log)] * 2  # noqa: S108 - no file of ours


def test_a_batch_has_a_result_or_a_problem_for_each_picture_in_order(service, bright, trained, jpeg):
    dark = (trained / "pictures" / "dark" / "00.png").read_bytes()

    response = batch(service, [dark, b"hello", bright, jpeg[: len(jpeg) // 2], b"", bright])

    answer = response.json()
    assert response.status_code == 200
    assert [item.get("prediction") for item in answer["results"]] == ["dark", None, "bright", None, None, "bright"]
    assert [item.get("status") for item in answer["results"]] == [None, 415, None, 422, 422, None]
    assert answer["results"][1]["type"].endswith("not-a-picture")
    assert answer["results"][1]["request_id"] == answer["request_id"] == response.headers["X-Request-ID"]
    assert answer["model"].keys() == {"name", "version", "fingerprint"}


def test_a_batch_gets_the_answers_of_its_pictures_alone(service, bright):
    alone = post(service, bright).json()

    (item,) = batch(service, [bright]).json()["results"]

    assert item["probabilities"] == alone["probabilities"]


def test_a_batch_is_spread_over_the_workers_and_has_one_deadline(start, bright):
    service = start(TAPETUM_WORKERS="2", TAPETUM_BATCHING="off")

    with frozen(service.workers()[:1]):
        response = batch(service, [bright] * 6, "3")

    items = response.json()["results"]
    assert sorted(item.get("status", 200) for item in items) == [200] * 5 + [504]


def test_a_batch_finds_room_for_all_of_it_or_for_none(start, bright):
    service = start(TAPETUM_WORKERS="1", TAPETUM_MAX_PENDING="3")
    with ThreadPoolExecutor(3) as callers:
        with frozen(service.workers()):
            (waiting,) = ask_beyond_the_limit(callers, lambda: batch(service, [bright] * 2), limit=1)

            assert post(service, bright, "0.1").status_code == 504
        assert [item["prediction"] for item in waiting.result().json()["results"]] == ["bright"] * 2


@pytest.mark.parametrize(
    ("request_of", "status", "name", "words"),
    [
        ({"files": [("files", b"x")] * 33}, 413, "body-too-large", "more than 32 files"),
        ({"files": [("file", b"x")]}, 422, "missing-picture", "'files' (fields: file)"),
        ({"content": b"x"}, 400, "malformed-request", "-F files=@photo.jpg"),
    ],
)
def test_what_is_no_batch_is_a_problem_as_a_whole(service, request_of, status, name, words):
    response = service.client.post("/predict/batch", **request_of)

    assert (response.status_code, slug(response)) == (status, name)
    assert words in response.json()["detail"]


FORM = {"Content-Type": "multipart/form-data; boundary=b"}
PART = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (PART + b"bytes", 400, "breaks off"),
        (b"no form at all", 400, "cannot be read"),
        (b'--b\r\nContent-Disposition: form-data; name="x"\r\n\r\n1\r\n' * 20 + b"--b--", 413, "more than 17 parts"),
        (b"--b\r\n" + b"X: y\r\n" * 1000 + b"\r\n\r\n--b--", 400, "cannot be read"),
        (PART + b"1\r\n" + PART + b"2\r\n--b--", 413, "more than 1 files"),
    ],
)
def test_a_form_that_breaks_its_rules_is_the_callers_fault(service, body, status, words):
    response = service.client.post("/predict", content=body, headers=FORM)

    assert response.status_code == status
    assert words in response.json()["detail"]
