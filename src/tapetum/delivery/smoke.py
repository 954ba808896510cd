"""Does a deployment keep its promises? Asked from outside, as its callers do."""

import io
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
from PIL import Image

PROBLEM = "application/problem+json"
TRACE_ID = uuid.uuid5(uuid.NAMESPACE_URL, "urn:tapetum:smoke").hex
TIMEOUT_S = 30
PAUSE_S = 0.2


@dataclass(frozen=True)
class Check:
    """One promise: `found` says what came of it."""

    name: str
    is_kept: bool
    found: str


class _Broken(Exception):
    """A promise that was not kept; the message says what was found instead."""


def example() -> bytes:
    """A JPEG of 64 by 64 pixels: a colour that shades into another."""
    shade = Image.linear_gradient("L").resize((64, 64))
    stream = io.BytesIO()
    Image.merge("RGB", (shade, shade.rotate(90), shade.rotate(180))).save(stream, "JPEG")
    return stream.getvalue()


def checks(client: httpx.Client, picture: bytes, expected: str | None, wait_s: float) -> Iterator[Check]:
    """Each promise in turn; without readiness within `wait_s` the rest is not asked.

    `client` has the deployment's address, and its key where it asks for one.
    """
    ready = _check("/ready says that it can answer", lambda: _ready(client, wait_s))
    yield ready
    if not ready.is_kept:
        return
    yield _check("/health says that it lives", lambda: _health(client))
    before: list[float] = []
    yield _check("/metrics can be read", lambda: _remember(client, before))
    form = {"file": ("picture", picture)}
    yield _check("/predict answers a form", lambda: _prediction(client.post("/predict", files=form), expected))
    yield _check("/predict answers a raw body", lambda: _prediction(client.post("/predict", content=picture), expected))
    yield _check("/predict refuses what is no picture", lambda: _refusal(client, b"dear diary", 415))
    yield _check("/predict refuses half a picture", lambda: _refusal(client, picture[: len(picture) // 2], 422))
    yield _check("/predict refuses an empty request", lambda: _refusal(client, b"", 422))
    yield _check("/metrics counts predictions", lambda: _metrics(before[0], _counted(client)))
    yield _check("ids come back", lambda: _ids(client))


def _check(name: str, ask: Callable[[], str]) -> Check:
    try:
        return Check(name, True, ask())
    except _Broken as error:
        return Check(name, False, str(error))
    except httpx.HTTPError as error:
        return Check(name, False, f"no answer: {error or type(error).__name__}")
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        return Check(name, False, f"not an answer of Tapetum: {error!r}")


def _require(is_so: bool, found: str) -> None:
    if not is_so:
        raise _Broken(found)


def _body(response: httpx.Response, status: int = 200) -> dict[str, Any]:
    """The JSON of an answer that has the `status` it should."""
    _require(
        response.status_code == status, f"status {response.status_code} instead of {status}: {response.text[:200]}"
    )
    body: dict[str, Any] = response.json()
    return body


def _ready(client: httpx.Client, wait_s: float) -> str:
    deadline = time.monotonic() + wait_s
    while True:
        try:
            body = _body(client.get("/ready"))
        except (_Broken, httpx.HTTPError, ValueError):
            if time.monotonic() >= deadline:
                raise
            time.sleep(PAUSE_S)  # between two looks: a deployment that starts has better to do than to answer
        else:
            _require(body["ready"] is True, f"ready is {body['ready']!r}")
            return f"on {body['device']}"


def _health(client: httpx.Client) -> str:
    body = _body(client.get("/health"))
    _require(body["status"] == "healthy" and body["model_loaded"] is True, f"{body}")
    return f"version {body['version']}"


def _prediction(response: httpx.Response, expected: str | None) -> str:
    body = _body(response)
    label, shares = body["prediction"], body["probabilities"]
    _require(expected in (None, label), f"{label!r} instead of {expected!r}")
    _require(abs(sum(shares.values()) - 1) < 0.001, f"probabilities add up to {sum(shares.values())}")
    is_largest = body["probability"] == body["confidence"] == shares[label] == max(shares.values())
    _require(is_largest, f"{label!r} is not the most probable of {shares}")
    return f"{label}, {body['probability']:.3f}, model {body['model']['name']} {body['model']['version']}"


def _refusal(client: httpx.Client, content: bytes, status: int) -> str:
    response = client.post("/predict", content=content)
    body = _body(response, status)
    kind = response.headers.get("content-type")
    _require(kind == PROBLEM, f"the refusal is of type {kind!r} instead of {PROBLEM!r}")
    _require(body["status"] == status and bool(body["request_id"]), f"an incomplete problem: {body}")
    return f"{status} {body['title']}"


def _counted(client: httpx.Client) -> float:
    response = client.get("/metrics")
    _require(response.status_code == 200, f"status {response.status_code} instead of 200")
    lines = response.text.splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith("predictions_total{"))


def _remember(client: httpx.Client, counted: list[float]) -> str:
    counted.append(_counted(client))
    return f"{counted[0]:g} predictions so far"


def _metrics(before: float, after: float) -> str:
    # Others may ask at the same time.
    _require(after >= before + 2, f"predictions_total grew by {after - before:g} over 2 predictions")
    return f"{after:g} now"


def _ids(client: httpx.Client) -> str:
    request_id = f"smoke-{uuid.uuid4().hex}"
    parent = f"00-{TRACE_ID}-{'1' * 16}-00"
    headers = client.get("/health", headers={"X-Request-ID": request_id, "traceparent": parent}).headers
    _require(headers.get("X-Request-ID") == request_id, f"X-Request-ID is {headers.get('X-Request-ID')!r}")
    _require(TRACE_ID in headers.get("traceparent", ""), f"traceparent is {headers.get('traceparent')!r}")
    return request_id
