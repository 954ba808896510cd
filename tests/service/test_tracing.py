"""Spans of a real service, as a collector of the test's own receives them."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from running import Service

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SERVER, ERROR = 2, 2  # SpanKind and StatusCode on the wire


class Collector:
    """An OTLP/HTTP receiver; it answers as long as `is_open` is set."""

    def __init__(self) -> None:
        self.requests: list[ExportTraceServiceRequest] = []
        self.is_asked = threading.Event()
        self.is_open = threading.Event()
        self.is_open.set()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers["Content-Length"]))
                collector.is_asked.set()
                collector.is_open.wait()
                if (self.path, self.headers["Content-Type"]) == ("/v1/traces", "application/x-protobuf"):
                    collector.requests.append(ExportTraceServiceRequest.FromString(content))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def settings(self) -> dict[str, str]:
        return {
            "OTEL_TRACES_EXPORTER": "otlp",
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{self.server.server_port}",
            "OTEL_BSP_SCHEDULE_DELAY": "50",
            "TAPETUM_WORKERS": "1",
        }

    @property
    def spans(self) -> list[Any]:
        return [
            span
            for request in self.requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    @property
    def of_requests(self) -> list[Any]:
        return [span for span in self.spans if span.kind == SERVER]

    def within(self, request: Any) -> list[Any]:
        return [span for span in self.spans if span.parent_span_id == request.span_id]


@pytest.fixture
def collector() -> Iterator[Collector]:
    made = Collector()
    yield made
    made.is_open.set()
    made.server.shutdown()
    made.server.server_close()


def facts(span: Any) -> dict[str, object]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in span.attributes}


def ask(service: Service, picture: bytes, **headers: str) -> httpx.Response:
    return service.client.post("/predict", content=picture, headers=headers)


def end(service: Service) -> None:
    service.process.send_signal(signal.SIGTERM)
    assert service.process.wait(30) == 0


def test_a_request_is_a_span_of_its_callers_trace_with_queue_decoder_and_model_within(start, collector, bright):
    service = start(**collector.settings)

    answer = ask(service, bright, traceparent=f"00-{TRACE}-{PARENT}-01")

    service.until(lambda: len(collector.spans) == 4)
    (request,) = collector.of_requests
    assert (request.trace_id.hex(), request.parent_span_id.hex(), request.name) == (TRACE, PARENT, "POST /predict")
    assert answer.headers["traceparent"] == f"00-{TRACE}-{request.span_id.hex()}-01"
    known = facts(request)
    assert (known["http.request.method"], known["http.route"], known["http.response.status_code"]) == (
        *("POST", "/predict"),
        200,
    )
    assert (known["http.request.body.size"], known["http.response.body.size"]) == (len(bright), len(answer.content))
    assert known["tapetum.request_id"] == answer.headers["X-Request-ID"]
    parts = collector.within(request)
    assert [part.name for part in parts] == ["queue", "decode", "inference"]
    assert {part.trace_id.hex() for part in parts} == {TRACE}
    times = [time for part in parts for time in (part.start_time_unix_nano, part.end_time_unix_nano)]
    assert times == sorted(times)
    assert request.start_time_unix_nano <= times[0]
    assert times[-1] <= request.end_time_unix_nano
    inference_ms = (times[-1] - times[-2]) / 1e6
    assert inference_ms == pytest.approx(answer.json()["inference_time_ms"], abs=1e-3)
    assert facts(parts[0])["tapetum.model.version"] == answer.json()["model"]["version"]
    resource = {
        pair.key: pair.value.string_value for pair in collector.requests[0].resource_spans[0].resource.attributes
    }
    assert resource["service.name"] == "tapetum"


def test_every_picture_of_a_batch_has_its_own_and_a_refusal_says_why(start, collector, bright):
    service = start(**collector.settings, OTEL_SERVICE_NAME="pets", OTEL_RESOURCE_ATTRIBUTES="place=here")

    service.client.post("/predict/batch", files=[("files", bright), ("files", b"no picture")])
    ask(service, b"no picture")
    service.client.get("/nowhere")
    with socket.create_connection((service.client.base_url.host, service.client.base_url.port)) as line:
        line.sendall(b"no http\r\n\r\n")
        line.recv(1000)
    end(service)

    batch, single, nowhere, nothing = collector.of_requests
    assert [(part.name, facts(part)["tapetum.picture.number"]) for part in collector.within(batch)] == [
        *(("queue", 0), ("decode", 0), ("inference", 0)),
        ("queue", 1),
    ]
    assert facts(collector.within(batch)[3])["tapetum.picture.outcome"] == "not-a-picture"
    assert (facts(single)["tapetum.problem"], single.status.code) == ("not-a-picture", 0)
    assert (nowhere.name, facts(nowhere)["http.response.status_code"]) == ("GET other", 404)
    assert (nothing.name, facts(nothing)["http.request.method"]) == ("HTTP other", "_OTHER")
    resource = {
        pair.key: pair.value.string_value for pair in collector.requests[0].resource_spans[0].resource.attributes
    }
    assert (resource["service.name"], resource["place"]) == ("pets", "here")


def test_what_the_service_failed_at_is_an_error(start, collector, bright):
    service = start(**collector.settings)
    (worker,) = service.workers()
    os.kill(worker, signal.SIGSTOP)

    answer = service.client.post("/predict", content=bright, headers={"X-Request-Timeout": "0.2"})

    os.kill(worker, signal.SIGCONT)
    assert answer.status_code == 504
    service.until(lambda: len(collector.of_requests) == 1)
    (request,) = collector.of_requests
    assert (request.status.code, facts(request)["error.type"]) == (ERROR, "deadline-passed")
    assert [part.name for part in collector.within(request)] == ["queue"]


@pytest.mark.parametrize(
    ("sampler", "flags"),
    [
        ({}, ["01", None]),  # parentbased_always_on is the default of OpenTelemetry
        ({"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0"}, ["01"]),
        ({"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "1"}, ["00", "01", None]),
    ],
)
def test_who_is_sampled_follows_the_caller_or_the_settings(start, collector, bright, sampler, flags):
    service = start(**collector.settings, **sampler)

    for sent in ("00", "01", None):
        headers = {} if sent is None else {"traceparent": f"00-{TRACE}-{PARENT}-{sent}"}
        ask(service, bright, **{"X-Request-ID": str(sent)}, **headers)
    for probe in ("/health", "/ready", "/metrics"):
        service.client.get(probe)
    end(service)

    assert [facts(span)["tapetum.request_id"] for span in collector.of_requests] == [str(sent) for sent in flags]


def test_what_waits_is_sent_at_the_end(start, collector, bright):
    service = start(**collector.settings | {"OTEL_BSP_SCHEDULE_DELAY": "600000"})
    ask(service, bright)
    assert collector.spans == []

    end(service)

    assert len(collector.spans) == 4


def test_a_collector_that_is_not_there_costs_nobody_an_answer(start, collector, bright):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        nowhere = f"http://127.0.0.1:{closed.getsockname()[1]}"
    service = start(**collector.settings | {"OTEL_EXPORTER_OTLP_ENDPOINT": nowhere})

    statuses = {ask(service, bright).status_code for _ in range(20)}

    assert statuses == {200}
    service.until(lambda: any("opentelemetry" in str(line) for line in service.lines()))
    end(service)


def test_a_collector_that_does_not_answer_holds_up_nothing_and_what_waits_is_bounded(start, collector, bright):
    collector.is_open.clear()
    bound = {"OTEL_BSP_MAX_QUEUE_SIZE": "8", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "8", "OTEL_BSP_SCHEDULE_DELAY": "600000"}
    service = start(**collector.settings | bound)

    statuses = {ask(service, bright).status_code for _ in range(2)}
    assert collector.is_asked.wait(30)
    statuses |= {ask(service, bright).status_code for _ in range(20)}
    collector.is_open.set()
    end(service)

    assert statuses == {200}
    assert len(collector.spans) == 16  # what was being sent, and what could wait


def test_it_ends_though_its_collector_never_answers(start, collector, bright):
    collector.is_open.clear()
    service = start(**collector.settings)
    ask(service, bright)
    assert collector.is_asked.wait(30)

    end(service)


def test_switched_on_without_its_packages_it_does_not_start_and_says_what_to_install(
    bundle_path, run_until_exit, tmp_path
):
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['opentelemetry.exporter'] = None\n")
    paths = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH", "")]))

    ended = run_until_exit("serve", str(bundle_path), "--port", "0", OTEL_TRACES_EXPORTER="otlp", PYTHONPATH=paths)

    assert ended.returncode == 2
    (line,) = [line for line in ended.stderr.splitlines() if "OTEL_TRACES_EXPORTER" in line]
    assert "pip install 'tapetum[otel]'" in line


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, "OTEL_TRACES_EXPORTER is 'zipkin': expected 'none' or 'otlp'"),
        (
            {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_BSP_MAX_QUEUE_SIZE": "0"},
            "a variable OTEL_* says: max_queue_size must be a positive integer",
        ),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused_at_the_start(bundle_path, run_until_exit, variables, words):
    ended = run_until_exit("serve", str(bundle_path), "--port", "0", **variables)

    assert ended.returncode == 2
    assert words in ended.stderr.splitlines()[-1]


def test_switched_off_nothing_of_it_is_imported(bundle_path, tmp_path):
    program = """
import sys
from tapetum.serving.app import create_app
from tapetum.settings import Settings
observers = create_app(Settings()).state.observers
packages = ("opentelemetry.sdk", "opentelemetry.exporter")
watching = [observe for observe in observers if observe.__module__.endswith("spans")]
print(watching, [name for name in sys.modules if name.startswith(packages)])
"""
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, timeout=120, check=False
    )

    assert ran.stdout == "[] []\n", ran.stderr


def test_the_log_has_the_ids_of_the_span(start, collector, bright):
    service = start(**collector.settings)

    ask(service, bright)

    service.until(lambda: len(collector.of_requests) == 1)
    (span,) = collector.of_requests
    service.until(lambda: any(line.get("path") == "/predict" for line in service.lines()))
    (line,) = [line for line in service.lines() if line.get("path") == "/predict"]
    assert (line["trace_id"], line["span_id"]) == (span.trace_id.hex(), span.span_id.hex())
