"""Predictions go past the application's layers, but for web pages' requests: both ways must answer alike."""

import socket

import pytest
from running import Service

OF_ONE_ANSWER = {"date", "x-request-id", "traceparent", "content-length"}
REQUESTS = {
    "a form": ("/predict", lambda jpeg: {"files": {"file": jpeg}}),
    "a raw body": ("/predict", lambda jpeg: {"content": jpeg}),
    "a batch": ("/predict/batch", lambda jpeg: {"files": [("files", jpeg), ("files", b"dear diary")]}),
    "no picture": ("/predict", lambda jpeg: {"files": {"file": b"dear diary"}}),
    "no body": ("/predict", lambda jpeg: {}),
    "no form": ("/predict/batch", lambda jpeg: {"content": b"x"}),
    "too many bytes": ("/predict", lambda jpeg: {"content": bytes(21_000_000)}),
    "too many bytes in chunks": ("/predict", lambda jpeg: {"content": iter([bytes(1_000_000)] * 21)}),
    "a time that is none": ("/predict", lambda jpeg: {"content": jpeg, "headers": {"X-Request-Timeout": "soon"}}),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_the_lane_answers_as_the_layers_do(service, jpeg, name):
    path, request_of = REQUESTS[name]

    answers = []
    for origin in ({}, {"Origin": "https://page.example"}):
        request = request_of(jpeg)
        answers.append(service.client.post(path, **request | {"headers": request.get("headers", {}) | origin}))

    by_lane, by_layers = answers
    assert by_lane.status_code == by_layers.status_code
    assert set(by_lane.headers) == set(by_layers.headers)
    assert {name: value for name, value in by_lane.headers.items() if name not in OF_ONE_ANSWER} == {
        name: value for name, value in by_layers.headers.items() if name not in OF_ONE_ANSWER
    }
    assert by_lane.json().keys() == by_layers.json().keys()
    assert by_lane.json().get("detail") == by_layers.json().get("detail")
    assert by_lane.json().get("probabilities") == by_layers.json().get("probabilities")


def connect(service: Service) -> socket.socket:
    return socket.create_connection((service.client.base_url.host, service.client.base_url.port), timeout=30)


def test_requests_in_a_row_before_the_first_answer_get_theirs_in_order(service, bright):
    head = f"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: {len(bright)}\r\nX-Request-ID: %s\r\n\r\n"
    with connect(service) as connection, connection.makefile("rb") as stream:
        connection.sendall(b"".join((head % number).encode() + bright for number in range(3)))
        for number in range(3):
            lines = []
            while (line := stream.readline().strip()) != b"":
                lines.append(line.decode().lower())
            body = stream.read(next(int(line.split(": ")[1]) for line in lines if line.startswith("content-length")))
            assert lines[0] == "http/1.1 200 ok"
            assert f"x-request-id: {number}" in lines
            assert body.startswith(b'{"prediction":"bright"')
