"""What a real service tells of itself, compared with what it was sent."""

import os

import pytest
from running import frozen, post

from tapetum import bundle as bundles

PATHS = ("/api-stats", "/model-stats", "/system-info")
KEY, OPERATOR = "an-api-key-of-the-shop", "an-operator-key-of-night-shift"


def test_statistics_equal_what_was_sent(start, bundle_path, bright, trained):
    """Of a service of its own: predictions of both classes, a batch, caller's mistakes, and who watches."""
    client = start().client
    dark = (trained / "pictures" / "dark" / "00.png").read_bytes()
    answers = [client.post("/predict", content=picture).json() for picture in (bright, bright, dark)]
    batch = client.post("/predict/batch", files=[("files", bright), ("files", b"hello")])
    client.post("/predict", content=b"hello")
    client.get("/nowhere")
    for _ in range(3):
        client.get("/health")

    api, model = client.get("/api-stats").json(), client.get("/model-stats").json()

    assert (api["requests"], api["errors"], api["error_rate"], api["client_errors"]) == (6, 0, 0, 2)
    assert api["statuses"] == {"200": 4, "404": 1, "415": 1}
    assert api["problems"] == {"not-a-picture": 1, "not-found": 1}
    endpoints = {route: each["requests"] for route, each in api["endpoints"].items()}
    assert endpoints.pop("/ready") >= 1
    assert endpoints == {"/predict": 4, "/predict/batch": 1, "other": 1, "/health": 3}
    of_batch = api["endpoints"]["/predict/batch"]
    assert of_batch["response_bytes"]["max"] == len(batch.content)
    assert of_batch["request_bytes"]["max"] == int(batch.request.headers["content-length"])
    assert 0 < api["latency_ms"]["p50"] <= api["latency_ms"]["p95"] <= api["latency_ms"]["max"]
    assert api["window_s"] == 60
    assert 0 < api["requests_per_s"] <= 6

    items = [*answers, *(result for result in batch.json()["results"] if "prediction" in result)]
    assert (model["predictions"], model["failures"], model["refusals"]) == (4, 0, 2)
    assert model["classes"] == {"bright": {"count": 3, "share": 0.75}, "dark": {"count": 1, "share": 0.25}}
    confidences = [item["confidence"] for item in items]
    assert model["confidence"]["mean"] == pytest.approx(sum(confidences) / 4, abs=1e-4)
    assert model["confidence"]["min"] == pytest.approx(min(confidences), abs=1e-4)
    assert sum(each["count"] for each in model["confidence_histogram"]) == 4
    times = [item["inference_time_ms"] for item in items]
    assert model["inference_ms"]["max"] == pytest.approx(max(times), abs=1e-3)
    assert model["inference_ms"]["mean"] == pytest.approx(sum(times) / 4, abs=1e-3)
    assert model["low_confidence"] == sum(confidence < 0.6 for confidence in confidences)
    assert model["health"] == {"verdict": "healthy", "reasons": []}
    assert model["model"] == answers[0]["model"] | {"digest": bundles.digest(bundles.load(bundle_path))}


def test_a_service_that_nobody_asked_is_idle_and_one_that_fails_is_unhealthy(start, bright):
    service = start(TAPETUM_WORKERS="1")
    client = service.client

    api, model = client.get("/api-stats").json(), client.get("/model-stats").json()

    assert (api["requests"], api["error_rate"], api["latency_ms"]) == (0, None, None)
    assert (model["predictions"], model["confidence"], model["low_confidence_share"]) == (0, None, None)
    assert model["classes"] == {"bright": {"count": 0, "share": None}, "dark": {"count": 0, "share": None}}
    assert model["health"]["verdict"] == "idle"

    with frozen(service.workers()):
        assert post(service, bright, timeout="0.1").status_code == 504

    api, model = client.get("/api-stats").json(), client.get("/model-stats").json()

    assert (api["requests"], api["errors"], api["error_rate"], api["client_errors"]) == (1, 1, 1, 0)
    assert api["problems"] == {"deadline-passed": 1}
    assert (model["predictions"], model["failures"], model["failure_rate"]) == (0, 1, 1)
    assert model["health"] == {"verdict": "unhealthy", "reasons": ["1 of 1 pictures failed"]}


def test_the_machine_is_told_of(service):
    service.until(lambda: service.client.get("/system-info").json()["cpu"]["share"] is not None)

    info = service.client.get("/system-info").json()

    assert 0 <= info["cpu"]["share"] <= 1
    assert len(info["cpu"]["share_of_cores"]) == len(os.sched_getaffinity(0))
    assert info["cpu"]["cores"] >= 1
    assert 0 < info["memory"]["used_bytes"] < info["memory"]["total_bytes"]
    assert 0 < info["disk"]["share"] <= 1
    assert info["process"]["pid"] == service.process.pid
    assert info["process"]["memory_bytes"] > 10_000_000
    assert info["gpu"]["gpus"] or info["gpu"]["reason"]


def test_the_series_of_the_machine_are_what_it_tells(service):
    service.until(lambda: service.client.get("/system-info").json()["cpu"]["share"] is not None)
    lines = service.client.get("/metrics").text.splitlines()
    values = dict(line.split() for line in lines if line.startswith(("system_", "process_")))

    info = service.client.get("/system-info").json()

    assert float(values["system_cpu_cores"]) == info["cpu"]["cores"]
    assert float(values["system_memory_total_bytes"]) == info["memory"]["total_bytes"]
    assert float(values["system_disk_total_bytes"]) == pytest.approx(info["disk"]["total_bytes"], rel=0.01)
    assert float(values["process_max_fds"]) == info["process"]["most_open_files"]
    assert float(values["process_start_time_seconds"]) > 1.7e9
    assert float(values["process_cpu_seconds_total"]) <= info["process"]["cpu_s"] + 0.001
    assert 0 <= float(values["system_cpu_usage_ratio"]) <= 1


def test_each_has_a_schema_whose_every_figure_says_its_unit(service):
    schema = service.client.get("/openapi.json").json()

    for path in PATHS:
        operation = schema["paths"][path]["get"]
        assert operation["responses"].keys() >= {"200", "401"}
        name = operation["responses"]["200"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
        for field, described in schema["components"]["schemas"][name]["properties"].items():
            if field.endswith(("_ms", "_s", "_per_s", "_bytes", "_rate", "_share")):
                assert described.get("description"), f"{path}: {field} does not say what it is"


def test_statistics_are_for_operators_where_there_are_keys(start, tmp_path):
    keys, operators = tmp_path / "keys", tmp_path / "operators"
    keys.write_text(KEY)
    operators.write_text(OPERATOR)
    client = start(TAPETUM_API_KEYS_FILE=str(keys), TAPETUM_OPERATOR_KEYS_FILE=str(operators)).client

    def statuses(key: str) -> set[int]:
        return {client.get(path, headers={"X-API-Key": key} if key else {}).status_code for path in PATHS}

    assert (statuses(""), statuses(KEY), statuses(OPERATOR)) == ({401}, {401}, {200})
