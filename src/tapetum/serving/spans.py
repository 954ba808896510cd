"""Requests as spans of OpenTelemetry, made of what every observer gets and sent by a thread of the SDK.

Only imported where tracing is switched on: the packages are the extra `otel`.
"""

from threading import Thread
from time import time_ns

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.trace import set_span_in_context as within
from opentelemetry.util.types import AttributeValue

from tapetum import __version__
from tapetum.errors import ConfigError
from tapetum.serving.record import OTHER, Exchange, Record

CLOSE_S = 3.0
_PROBES = {"/health", "/ready", "/metrics"}
_NS = 1_000_000_000


class _Ids(RandomIdGenerator):
    """The ids that the service has given a request by then, and random ones for what is within it."""

    def __init__(self) -> None:
        self.trace_id = self.span_id = 0

    def generate_trace_id(self) -> int:
        return self.trace_id

    def generate_span_id(self) -> int:
        given, self.span_id = self.span_id, 0
        return given or super().generate_span_id()


class Spans:
    """An observer. Where to send, what to sample and how much may wait is said by the variables OTEL_*.

    Observing belongs to one thread, and neither waits nor fails: beyond the bound of what waits, the oldest is lost.
    Raises ConfigError where a variable makes no sense to the SDK.
    """

    def __init__(self) -> None:
        self._ids = _Ids()
        try:
            self._provider = TracerProvider(resource=_resource(), id_generator=self._ids, shutdown_on_exit=False)
            self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        except ValueError as error:
            raise ConfigError(f"OpenTelemetry refuses what a variable OTEL_* says: {error}") from error
        self._tracer = self._provider.get_tracer("tapetum", __version__)

    def observe(self, exchange: Exchange) -> None:
        """Make a span of a request that is sampled, and within it those of its pictures; none of a probe."""
        if exchange.route in _PROBES:
            return
        end = time_ns()
        start = end - int(exchange.total_s * _NS)
        self._ids.trace_id, self._ids.span_id = int(exchange.trace_id, 16), int(exchange.span_id, 16)
        method = "_OTHER" if exchange.method == OTHER else exchange.method
        attributes: dict[str, AttributeValue] = {
            "http.request.method": method,
            "http.route": exchange.route,
            "http.response.status_code": exchange.status,
            "http.request.body.size": exchange.received,
            "http.response.body.size": exchange.sent,
            "tapetum.request_id": exchange.request_id,
        }
        if exchange.problem is not None:
            attributes["error.type" if exchange.status >= 500 else "tapetum.problem"] = exchange.problem
        name = f"{'HTTP' if method == '_OTHER' else method} {exchange.route}"
        span = self._tracer.start_span(name, _caller(exchange), SpanKind.SERVER, attributes, start_time=start)
        if span.is_recording():
            for number, record in enumerate(exchange.records):
                self._observe_picture(within(span, Context()), record, number, start)
            if exchange.status >= 500:
                span.set_status(Status(StatusCode.ERROR))
        span.end(end)

    def close(self) -> None:
        """Send what waits, for some seconds at most; then the rest is lost."""
        # A thread that ends with the process: a collector that does not answer must not hold it up.
        closing = Thread(target=self._provider.shutdown, name="last spans", daemon=True)
        closing.start()
        closing.join(CLOSE_S)

    def _observe_picture(self, request: Context, record: Record, number: int, start: int) -> None:
        if record.arrived_s is None:
            return
        at = start + int(record.arrived_s * _NS)
        facts: dict[str, AttributeValue] = {
            "tapetum.picture.number": number,
            "tapetum.picture.size": record.size,
            "tapetum.picture.outcome": record.outcome,
            "tapetum.model.version": record.version or "",
        }
        for name, seconds in (
            ("queue", record.queue_s),
            ("decode", record.decode_s),
            ("inference", record.inference_s),
        ):
            if seconds is not None:
                span = self._tracer.start_span(name, request, attributes=facts, start_time=at)
                at += int(seconds * _NS)
                span.end(at)


def _resource() -> Resource:
    """What sends: as the environment says, by default `tapetum`."""
    found = Resource.create({SERVICE_VERSION: __version__})
    is_named = not str(found.attributes[SERVICE_NAME]).startswith("unknown_service")
    return found if is_named else found.merge(Resource({SERVICE_NAME: "tapetum"}))


def _caller(exchange: Exchange) -> Context:
    """The span of the caller, if there is one."""
    if exchange.parent_id is None:
        return Context()
    flags = TraceFlags(TraceFlags.SAMPLED if exchange.is_sampled else TraceFlags.DEFAULT)
    parent = SpanContext(int(exchange.trace_id, 16), int(exchange.parent_id, 16), is_remote=True, trace_flags=flags)
    return within(NonRecordingSpan(parent), Context())
