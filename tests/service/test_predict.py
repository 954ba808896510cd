"""POST /predict as documented, and what it answers to everything that is no picture."""

import re
import zlib
from struct import pack

import pytest

from tapetum import machine

IDS = {"request_id", "trace_id", "span_id"}


def huge_png(side: int) -> bytes:
    """A well-formed grey PNG of side × side pixels, a few kilobytes a thousand megapixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return pack(">I", len(content)) + kind + content + pack(">I", zlib.crc32(kind + content))

    squeeze = zlib.compressobj(9)
    row = bytes(1 + (side + 7) // 8)
    pixels = b"".join(squeeze.compress(row) for _ in range(side)) + squeeze.flush()
    header = pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def test_a_multipart_file_is_answered_as_documented(service, bright):
    response = service.client.post("/predict", files={"file": ("photo.png", bright)})

    answer = response.json()
    assert response.status_code == 200
    assert answer["prediction"] == "bright"
    assert answer["probability"] == answer["confidence"] == max(answer["probabilities"].values())
    assert answer["probabilities"].keys() == {"bright", "dark"}
    assert sum(answer["probabilities"].values()) == pytest.approx(1)
    assert answer["inference_time_ms"] > 0
    assert answer["request_id"] == response.headers["X-Request-ID"]
    assert answer["model"].keys() == {"name", "version", "fingerprint"}


def test_a_raw_body_gets_the_same_answer_as_a_form(service, bright):
    raw = service.client.post("/predict", content=bright, headers={"Content-Type": "image/png"}).json()
    form = service.client.post("/predict", files={"file": bright}).json()

    assert raw["probabilities"] == form["probabilities"]


BAD = {
    "a truncated picture": (
        lambda jpeg: {"files": {"file": jpeg[: len(jpeg) // 2]}},
        422,
        "broken-picture",
        "truncated",
    ),
    "a text file": (lambda jpeg: {"files": {"file": b"dear diary"}}, 415, "not-a-picture", "look like text"),
    "an empty file": (lambda jpeg: {"files": {"file": b""}}, 422, "empty-picture", "0 bytes"),
    "too many pixels": (lambda jpeg: {"files": {"file": huge_png(30_000)}}, 413, "too-many-pixels", "30000×30000"),
    "50 MB": (lambda jpeg: {"files": {"file": bytes(50_000_000)}}, 413, "body-too-large", "20.0 MB"),
    "50 MB in chunks": (lambda jpeg: {"content": iter([bytes(1_000_000)] * 50)}, 413, "body-too-large", "20.0 MB"),
    "no file": (lambda jpeg: {}, 422, "missing-picture", "'file'"),
    "another field": (lambda jpeg: {"files": {"image": jpeg}}, 422, "missing-picture", "image"),
    "a field of text": (lambda jpeg: {"data": {"file": "cat"}, "files": {"x": b""}}, 422, "missing-picture", "'file'"),
    "a form without boundary": (
        lambda jpeg: {"content": jpeg, "headers": {"Content-Type": "multipart/form-data"}},
        400,
        "malformed-request",
        "boundary",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_a_problem_of_its_own_and_the_next_request_is_answered(service, bright, jpeg, name):
    build, status, slug, words = BAD[name]
    errors_before = _sample(service, "prediction_errors_total")

    response = service.client.post("/predict", **build(jpeg))

    problem = response.json()
    assert response.status_code == status
    assert response.headers["Content-Type"] == "application/problem+json"
    assert problem["type"] == f"urn:problem-type:tapetum:{slug}"
    assert problem["status"] == status
    assert words in problem["detail"]
    assert problem["request_id"] == response.headers["X-Request-ID"]
    assert service.client.post("/predict", files={"file": bright}).status_code == 200
    assert _sample(service, "prediction_errors_total") == errors_before


def test_an_unknown_path_is_a_problem(service):
    response = service.client.get("/nothing")

    assert response.status_code == 404
    assert "/docs" in response.json()["detail"]


def test_a_wrong_method_is_a_problem_that_says_which_is_right(service):
    response = service.client.get("/predict")

    assert response.status_code == 405
    assert response.headers["Allow"] == "POST"


def test_the_callers_request_id_comes_back(service):
    response = service.client.get("/health", headers={"X-Request-ID": "order-66"})

    assert response.headers["X-Request-ID"] == "order-66"


@pytest.mark.parametrize("forged", ["a b", "x" * 200, "é".encode().decode("latin-1")])
def test_an_id_that_could_confuse_a_log_is_replaced(service, forged):
    response = service.client.get("/health", headers={"X-Request-ID": forged.encode("latin-1")})

    assert response.headers["X-Request-ID"] != forged


def test_a_request_is_one_structured_line_without_its_picture(service, bright):
    request_id = service.client.post("/predict", files={"file": bright}).headers["X-Request-ID"]

    (line,) = service.logged(request_id=request_id)
    assert line["event"] == "request"
    assert (line["method"], line["path"], line["status"]) == ("POST", "/predict", 200)
    of_the_request = {"event", "level", "timestamp", "method", "path", "status", "latency_ms"} | IDS
    of_the_picture = {"outcome", "size", "label", "confidence", "queue_ms", "decode_ms", "inference_ms"}
    assert line.keys() == of_the_request | of_the_picture


def test_the_series_of_the_reference_count_predictions(service, bright):
    before = _sample(service, 'predictions_total{predicted_class="bright"}')

    service.client.post("/predict", files={"file": bright})

    assert _sample(service, 'predictions_total{predicted_class="bright"}') == before + 1
    assert _sample(service, 'predictions_total{predicted_class="dark"}') == 0
    assert _sample(service, "prediction_latency_seconds_count") >= before + 1
    assert _sample(service, 'prediction_latency_seconds_bucket{le="+Inf"}') >= before + 1


def _sample(service, name: str) -> float:
    lines = service.client.get("/metrics").text.splitlines()
    return next(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(f"{name} "))


def test_the_information_routes_answer_as_documented(service, bundle_path):
    def get(path: str) -> dict[str, object]:
        return service.client.get(path).json()

    assert get("/")["message"] == "pictures"
    assert get("/health").keys() == {"status", "model_loaded", "timestamp", "version"}
    assert get("/health")["model_loaded"] is True
    assert get("/ready") == {
        "ready": True,
        "model_path": str(bundle_path),
        "device": "cpu",
        "precision": "bf16" if machine.has_bf16() else "fp32",
        "reason": None,
    }
    assert "/predict" in get("/openapi.json")["paths"]


def test_docs_describe_every_route_without_another_host(service):
    described = service.client.get("/openapi.json").json()["paths"]
    page = service.client.get("/docs")

    told = re.findall(r"<h2><code>(\w+) (\S+)</code></h2>", page.text)
    assert told == [(method.upper(), path) for path, methods in described.items() for method in methods]
    assert "The field <code>file</code>" in page.text or "multipart/form-data" in page.text
    assert re.findall(r'(?:src|href)="(?!page/|\./|openapi\.json)', page.text) == []
    assert "default-src 'none'" in page.headers["content-security-policy"]
