"""What a real service says of itself: the catalogue, and numbers that equal what was sent."""

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from running import Service, ask_beyond_the_limit, frozen, post, running, serve_command

from tapetum import bundle as bundles
from tapetum.metrics import CATALOGUE

OPENMETRICS = {"Accept": "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"}
LIMIT = 3
OF_A_VERDICT = {
    series.name for series in CATALOGUE if series.name.startswith(("drift_", "model_estimated", "model_ref"))
} - {*("drift_window_predictions", "drift_detected", "drift_estimated_loss_ratio")}
GPU = {series.name for series in CATALOGUE if series.name.startswith("gpu_")}
OF_A_CHALLENGER = {series.name for series in CATALOGUE if series.name.startswith("shadow_")}

Counts = dict[tuple[str, ...], float]


class Scrape:
    """All samples of one look at /metrics, by name and labels."""

    def __init__(self, service: Service) -> None:
        response = service.client.get("/metrics", headers=OPENMETRICS)
        assert response.headers["content-type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
        self.families: list[Metric] = list(text_string_to_metric_families(response.text))
        self.samples = {
            (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
            for family in self.families
            for sample in family.samples
        }

    def of(self, name: str, *labels: str) -> float:
        """One sample; values of labels in the order of their names."""
        return self.samples[name, *labels]

    def since(self, before: "Scrape", name: str) -> Counts:
        """By how much the samples of a name have grown, those that have."""
        grown = {key[1:]: value - before.samples.get(key, 0.0) for key, value in self.samples.items() if key[0] == name}
        return {labels: value for labels, value in grown.items() if value}

    def exemplars(self, name: str) -> set[str]:
        """The trace ids on a histogram."""
        (family,) = (family for family in self.families if family.name == name)
        return {sample.exemplar.labels["trace_id"] for sample in family.samples if sample.exemplar}


@pytest.fixture(scope="module")
def measured(bundle_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One worker, room for three pictures, and hardly a prediction that is confident enough."""
    variables = {
        "TAPETUM_WORKERS": "1",
        "TAPETUM_MAX_PENDING": str(LIMIT),
        "TAPETUM_REQUEST_TIMEOUT_S": "60",
        "TAPETUM_MAX_BODY_BYTES": "1000000",
        "TAPETUM_LOW_CONFIDENCE": "1",
    }
    folder = tmp_path_factory.mktemp("measured")
    variables["TAPETUM_LOG_FILE"] = str(folder / "service.log")
    with running(serve_command(bundle_path), folder / "log", **variables) as service:
        yield service


@pytest.fixture
def calm(measured: Service) -> Service:
    """The same, once its worker is done with what a test before has given up."""
    measured.until(lambda: Scrape(measured).of("prediction_queue_pictures") == 0)
    return measured


def send(service: Service, content: bytes) -> bytes:
    """The answer to bytes on a connection of their own, up to its end."""
    address = service.client.base_url
    with socket.create_connection((address.host, address.port), timeout=30) as connection:
        connection.sendall(content)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def test_what_is_exported_is_the_catalogue(measured, bright):
    assert post(measured, bright).status_code == 200
    measured.until(lambda: "system_cpu_usage_ratio" in measured.client.get("/metrics").text)

    exported = {
        (f"{each.name}_total" if each.type == "counter" else each.name): each for each in Scrape(measured).families
    }

    catalogue = {series.name: series for series in CATALOGUE}
    without_samples = {name for name, family in exported.items() if not family.samples}
    omitted = OF_A_VERDICT | OF_A_CHALLENGER | (GPU if not Path("/dev/nvidia0").exists() else set())
    assert exported.keys() - catalogue.keys() == set()
    assert (catalogue.keys() - exported.keys()) | without_samples == omitted
    for name, family in exported.items():
        series = catalogue[name]
        assert (family.type, family.documentation) == (series.kind, series.help)
        assert family.unit == (series.unit if family.name.endswith(f"_{series.unit}") else "")
        of_buckets = {"le"} if series.kind == "histogram" else set()
        assert {label for sample in family.samples for label in sample.labels} == set(series.labels) | of_buckets
        assert bounds(family) == [*series.buckets, float("inf")] * (series.kind == "histogram")


def bounds(family: Metric) -> list[float]:
    return sorted({float(sample.labels["le"]) for sample in family.samples if "le" in sample.labels})


def test_the_text_for_everyone_passes_promtool(measured):
    if shutil.which("promtool") is None:
        if os.environ.get("CI"):
            pytest.fail("missing: promtool")
        pytest.skip("missing: promtool; as root, `make test` installs the tools")
    response = measured.client.get("/metrics")

    check = subprocess.run(["promtool", "check", "metrics"], input=response.content, capture_output=True, check=False)

    assert response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert (check.returncode, check.stdout, check.stderr) == (0, b"", b"")


def test_requests_are_counted_as_they_were_answered(measured, bright):
    before = Scrape(measured)
    read = [
        post(measured, bright),
        measured.client.post("/predict", files={"file": bright}),
        *(post(measured, content) for content in (b"hello", bright[:100], b"")),
    ]
    unread = [post(measured, bytes(1_000_001)), measured.client.get("/predict")]
    measured.client.get("/nowhere")
    measured.client.request("PROPFIND", "/health")
    after = Scrape(measured)

    assert after.since(before, "http_requests_total") == {
        ("GET", "/metrics", "200"): 1,
        ("POST", "/predict", "200"): 2,
        ("POST", "/predict", "413"): 1,
        ("POST", "/predict", "415"): 1,
        ("POST", "/predict", "422"): 2,
        ("GET", "/predict", "405"): 1,
        ("GET", "other", "404"): 1,
        ("other", "/health", "405"): 1,
    }
    assert after.since(before, "http_problems_total") == {
        ("/predict", "not-a-picture"): 1,
        ("/predict", "broken-picture"): 1,
        ("/predict", "missing-picture"): 1,
        ("/predict", "body-too-large"): 1,
        ("/predict", "method-not-allowed"): 1,
        ("/health", "method-not-allowed"): 1,
        ("other", "not-found"): 1,
    }
    assert after.since(before, "http_request_duration_seconds_count")[("/predict",)] == len([*read, *unread])
    received = sum(int(answer.request.headers["Content-Length"]) for answer in read)
    assert after.since(before, "http_request_size_bytes_sum")[("/predict",)] == received
    sent = sum(len(answer.content) for answer in [*read, *unread])
    assert after.since(before, "http_response_size_bytes_sum")[("/predict",)] == sent
    assert after.since(before, "prediction_errors_total") == {}
    assert after.since(before, "prediction_requests_shed_total") == {}


def test_each_picture_is_counted_with_what_was_answered(measured, bright, trained):
    dark = (trained / "pictures" / "dark" / "00.png").read_bytes()
    before = Scrape(measured)
    files = [("files", content) for content in (bright, b"hello", dark)]
    items = measured.client.post("/predict/batch", files=files).json()["results"]
    items.append(post(measured, bright).json())
    after = Scrape(measured)

    answered = [item for item in items if "prediction" in item]
    assert after.since(before, "predictions_total") == {("bright",): 2, ("dark",): 1}
    for name, count in (("queue", 4), ("decode", 3)):
        assert after.since(before, f"prediction_{name}_seconds_count") == {(): count}
    assert after.since(before, "prediction_latency_seconds_count") == {(): 3}
    assert after.since(before, "prediction_confidence_sum")[()] == pytest.approx(
        sum(item["confidence"] for item in answered)
    )
    assert after.since(before, "prediction_margin_sum")[()] == pytest.approx(
        sum(abs(item["probabilities"]["bright"] - item["probabilities"]["dark"]) for item in answered)
    )
    assert after.since(before, "prediction_inference_seconds_count") == {("cpu", "openvino"): 3}
    assert after.since(before, "prediction_inference_seconds_sum")[("cpu", "openvino")] == pytest.approx(
        sum(item["inference_time_ms"] for item in answered) / 1000
    )
    low = sum(item["confidence"] < 1 for item in answered)
    assert after.since(before, "low_confidence_predictions_total").get((), 0) == low > 0


def test_the_served_model_is_named(measured, bundle_path):
    bundle = bundles.load_sealed(bundle_path)

    (family,) = (each for each in Scrape(measured).families if each.name == "model_info")

    (sample,) = family.samples
    assert sample.value == 1
    assert sample.labels.pop("precision") in bundle.facts.scores
    assert sample.labels == {
        "name": bundle.facts.name,
        "version": bundle.facts.version,
        "digest": bundles.digest(bundle),
        "fingerprint": bundle.facts.fingerprint,
        "engine": "openvino",
        "device": "cpu",
    }
    assert Scrape(measured).of("model_ready") == 1


def test_overload_is_seen_while_it_lasts_and_counted(calm, bright):
    before = Scrape(calm)
    with ThreadPoolExecutor(LIMIT + 2) as callers:
        with frozen(calm.workers()):
            waiting = ask_beyond_the_limit(callers, lambda: post(calm, bright), LIMIT)
            during = Scrape(calm)
        assert [future.result().status_code for future in waiting] == [200] * LIMIT
    after = Scrape(calm)

    assert during.of("prediction_queue_pictures") == during.of("prediction_queue_limit_pictures") == LIMIT
    assert during.of("prediction_queue_age_seconds") > 0
    assert during.of("http_requests_in_flight") == LIMIT + 1
    assert (after.of("prediction_queue_pictures"), after.of("prediction_queue_age_seconds")) == (0, 0)
    assert after.of("http_requests_in_flight") == 1
    assert after.since(before, "prediction_requests_shed_total") == {("overloaded",): 2}
    assert after.since(before, "prediction_errors_total") == {(): 2}
    assert after.since(before, "http_problems_total") == {("/predict", "overloaded"): 2}
    assert after.since(before, "http_requests_total") == {
        ("POST", "/predict", "200"): LIMIT,
        ("POST", "/predict", "503"): 2,
        ("GET", "/metrics", "200"): 2,
    }


def test_a_batch_past_its_deadline_is_one_request_given_up(calm, bright):
    before = Scrape(calm)
    with frozen(calm.workers()):
        response = calm.client.post(
            "/predict/batch", files=[("files", bright)] * 2, headers={"X-Request-Timeout": "0.1"}
        )
    after = Scrape(calm)

    assert [item["status"] for item in response.json()["results"]] == [504, 504]
    assert after.since(before, "prediction_requests_shed_total") == {("deadline-passed",): 1}
    assert after.since(before, "prediction_errors_total") == {(): 1}
    assert after.since(before, "prediction_queue_seconds_count") == {(): 2}


def test_a_client_that_has_gone_is_no_error_of_ours(calm, bright):
    before = Scrape(calm)
    address = calm.client.base_url
    with frozen(calm.workers()):
        with socket.create_connection((address.host, address.port)) as connection:
            head = f"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: {len(bright)}\r\n\r\n"
            connection.sendall(head.encode() + bright)
            calm.until(lambda: Scrape(calm).of("prediction_queue_pictures") == 1)
        calm.until(lambda: Scrape(calm).since(before, "prediction_requests_shed_total") != {})
    after = Scrape(calm)

    assert after.since(before, "prediction_requests_shed_total") == {("client-gone",): 1}
    assert after.since(before, "http_requests_total")[("POST", "/predict", "499")] == 1
    assert after.since(before, "prediction_errors_total") == {}


def test_a_lost_worker_is_counted_with_the_request_it_cost(calm, bright):
    before = Scrape(calm)
    (worker,) = calm.workers()
    with ThreadPoolExecutor(1) as caller:
        with frozen([worker]):
            asked = caller.submit(post, calm, bright)
            calm.until(lambda: Scrape(calm).of("prediction_queue_pictures") == 1)
            os.kill(worker, signal.SIGKILL)
        assert asked.result().status_code == 500
    calm.until(lambda: Scrape(calm).of("workers") == 1)
    after = Scrape(calm)

    assert after.since(before, "workers_replaced_total") == {(): 1}
    assert after.since(before, "prediction_requests_shed_total") == {("worker-lost",): 1}
    assert after.since(before, "prediction_errors_total") == {(): 1}
    assert after.of("workers_wanted") == 1
    assert after.of("workers_memory_bytes") > 10e6


def test_what_is_no_request_is_counted_all_the_same(measured):
    before = Scrape(measured)
    answers = [send(measured, b"\x16\x03\x01 hello\r\n\r\n"), send(measured, b"GET / HTTP/1.1\r\nX: " + b"x" * 40_000)]
    after = Scrape(measured)

    assert [answer.split()[1] for answer in answers] == [b"400", b"431"]
    assert after.since(before, "http_problems_total") == {
        ("other", "malformed-request"): 1,
        ("other", "head-too-large"): 1,
    }
    requests = after.since(before, "http_requests_total")
    assert requests.pop(("GET", "/metrics", "200")) == 1
    assert requests == {("other", "other", "400"): 1, ("other", "other", "431"): 1}
    bodies = sum(len(answer.partition(b"\r\n\r\n")[2]) for answer in answers)
    assert after.since(before, "http_response_size_bytes_sum")[("other",)] == bodies


def test_a_request_that_its_connection_refuses_is_counted_once_as_what_was_answered(start):
    service = start(TAPETUM_WORKERS="0", TAPETUM_BODY_TIMEOUT_S="0.2")
    before = Scrape(service)
    answer = send(service, b"POST /predict HTTP/1.1\r\nHost: x\r\nX-Request-ID: slow-1\r\nContent-Length: 9\r\n\r\n")
    service.until(lambda: Scrape(service).since(before, "http_problems_total") != {})
    after = Scrape(service)

    assert answer.startswith(b"HTTP/1.1 408")
    assert b'"request_id":"slow-1"' in answer
    assert after.since(before, "http_problems_total") == {("/predict", "request-too-slow"): 1}
    assert after.since(before, "prediction_requests_shed_total") == {("request-too-slow",): 1}
    requests = after.since(before, "http_requests_total")
    assert {labels: number for labels, number in requests.items() if labels[1] != "/metrics"} == {
        ("POST", "/predict", "408"): 1
    }

    (line,) = service.logged(request_id="slow-1")
    assert (line["status"], line["outcome"]) == (408, "request-too-slow")


def test_a_connection_too_many_is_counted(start):
    service = start(TAPETUM_WORKERS="0", TAPETUM_MAX_CONNECTIONS="1")
    before = Scrape(service)
    address = service.client.base_url
    with socket.create_connection((address.host, address.port)) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n")
        assert send(service, b"").startswith(b"HTTP/1.1 503")
        connection.sendall(b"Host: x\r\nConnection: close\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")

    assert Scrape(service).since(before, "http_problems_total") == {("other", "too-many-connections"): 1}


def test_callers_cannot_add_series(measured, rng):
    """Whatever paths and methods they make up; what is no method at all ends the connection."""
    methods = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "PROPFIND", "MKCOL", "BREW"]

    def ask(methods: Iterable[str]) -> None:
        for method in methods:
            measured.client.request(method, f"/{rng.bytes(6).hex()}/{rng.integers(1000)}")

    ask(methods)
    before = Scrape(measured)
    ask(rng.choice(methods, 500).tolist())
    after = Scrape(measured)

    assert after.samples.keys() == before.samples.keys()
    assert sum(after.since(before, "http_requests_total").values()) == 501


def test_an_exemplar_is_the_trace_of_its_request(measured, bright):
    trace = os.urandom(16).hex()
    measured.client.post("/predict", content=bright, headers={"traceparent": f"00-{trace}-{'b' * 16}-00"})
    scrape = Scrape(measured)

    assert trace in scrape.exemplars("prediction_latency_seconds")
    assert trace in scrape.exemplars("http_request_duration_seconds")
    assert trace not in measured.client.get("/metrics").text


def test_a_trace_that_begins_here_is_one_that_its_caller_can_find(measured):
    refused = measured.client.get("/nowhere")

    assert refused.json()["trace_id"] in Scrape(measured).exemplars("http_request_duration_seconds")


@pytest.mark.parametrize("accept", ["application/openmetrics-text;version=abc", "application/openmetrics-text", "*/*"])
def test_a_scraper_may_ask_for_what_it_likes(measured, accept):
    response = measured.client.get("/metrics", headers={"Accept": accept})

    assert response.status_code == 200
    assert ("openmetrics" in accept) == response.text.endswith("# EOF\n")
