"""The series of the catalogue: counted from each Exchange, or read where they are kept, and put into text."""

from collections.abc import Callable, Iterable, Iterator
from http import HTTPStatus
from typing import NamedTuple

import structlog
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.openmetrics import exposition as openmetrics

from tapetum import metrics
from tapetum.metrics import Series
from tapetum.serving import problems
from tapetum.serving.record import OTHER, Exchange, Record
from tapetum.serving.tallies import Family, Histogram, Histograms, Tally, unit_of

# Outcomes for which nobody got what a picture was worth: the service gave it up, or the caller did.
SHED = ("overloaded", "not-ready", "deadline-passed", "worker-lost", "client-gone", "request-too-slow")

log = structlog.get_logger()


class Reading(NamedTuple):
    """One value of a counter or gauge that someone else keeps, as it is now; `labels` in the order of the series."""

    series: Series
    value: float
    labels: tuple[str, ...] = ()


Source = Callable[[], Iterable[Reading]]  # asked at every scrape, on another thread than the event loop's


class Expected(NamedTuple):
    """A route with its methods, the statuses that it answers as documented, and those of them that are problems."""

    path: str
    methods: Iterable[str]
    statuses: Iterable[int]
    problems: Iterable[int]


class _Traffic(NamedTuple):
    time: Histogram
    received: Histogram
    sent: Histogram


class Instruments:
    """All series of one application; what can be expected stands at 0 before it happens."""

    def __init__(self, low_confidence: float) -> None:
        self.sources: list[Source] = []
        self._low = low_confidence
        self._counted: list[Tally | Histograms] = []
        self._requests, self._problems = self._tally(metrics.REQUESTS), self._tally(metrics.PROBLEMS)
        self._times = self.histograms(metrics.REQUEST_TIME)
        self._received, self._sent = self.histograms(metrics.REQUEST_SIZE), self.histograms(metrics.RESPONSE_SIZE)
        self._traffic: dict[str, _Traffic] = {}
        self._predictions, self._low_confidence = self._tally(metrics.PREDICTIONS), self._tally(metrics.LOW_CONFIDENCE)
        self._errors, self._shed = self._tally(metrics.ERRORS), self._tally(metrics.SHED)
        self._latency = self.histograms(metrics.LATENCY).of()
        self._queue = self.histograms(metrics.QUEUE_TIME).of()
        self._decode = self.histograms(metrics.DECODE_TIME).of()
        self._inference = self.histograms(metrics.INFERENCE_TIME)
        self._inference_here: Histogram | None = None
        self._confidence = self.histograms(metrics.CONFIDENCE).of()
        self._margin = self.histograms(metrics.MARGIN).of()
        self._classes: frozenset[str] = frozenset()
        self._shed.expect((reason,) for reason in SHED)
        self._problems.expect((OTHER, kind.slug) for kind in problems.OF_CONNECTIONS)
        self._requests.expect((OTHER, OTHER, str(kind.status)) for kind in problems.OF_CONNECTIONS)
        self._open(OTHER)

    def expect_routes(self, routes: Iterable[Expected]) -> None:
        """Export what these routes answer as documented."""
        for path, methods, statuses, problematic in routes:
            self._open(path)
            self._requests.expect((method, path, str(status)) for method in methods for status in statuses)
            self._problems.expect((path, kind.slug) for kind in problems.OF_REQUESTS if kind.status in problematic)

    def expect_model(self, classes: tuple[str, ...], engine: str, device: str) -> None:
        """Export every class, and where the model computes; the classes of one before are counted on."""
        self._classes |= frozenset(classes)
        self._predictions.expect((label,) for label in classes)
        self._inference_here = self._inference.of(engine, device)

    def observe(self, exchange: Exchange) -> None:
        """Count a request and its pictures."""
        self._requests.add(exchange.method, exchange.route, str(exchange.status))
        if exchange.problem is not None:
            self._problems.add(exchange.route, exchange.problem)
        traffic = self._traffic.get(exchange.route) or self._open(exchange.route)
        # Any trace makes an exemplar, whether a caller asked for it to be recorded or not: its id stands in the
        # request's log line and in its answer, so it leads somewhere even where nothing collects traces.
        traffic.time.trace(exchange.total_s, exchange.trace_id)
        traffic.received.observe(exchange.received)
        traffic.sent.observe(exchange.sent)
        for record in exchange.records:
            self._count(record, exchange.trace_id)
        if failed := [record for record in exchange.records if record.label is None]:
            self._count_failures(failed)

    def _count(self, record: Record, trace_id: str) -> None:
        if record.size:  # without it no picture was known, and none waited
            self._queue.observe(record.queue_s)
        if record.label is None:
            return
        assert record.confidence is not None
        assert record.margin is not None
        assert record.decode_s is not None
        assert record.inference_s is not None
        assert self._inference_here is not None, "a model that has answered was expected"
        # A worker that a picture has taken over may name any class, and each name would be kept.
        self._predictions.add(record.label if record.label in self._classes else OTHER)
        self._latency.trace(record.total_s, trace_id)
        self._decode.observe(record.decode_s)
        self._inference_here.observe(record.inference_s)
        self._confidence.observe(record.confidence)
        self._margin.observe(record.margin)
        if record.confidence < self._low:
            self._low_confidence.add()

    def _count_failures(self, records: list[Record]) -> None:
        """A request counts once, whatever the number of its pictures."""
        for reason in {record.outcome for record in records}.intersection(SHED):
            self._shed.add(reason)
        if any(record.status >= HTTPStatus.INTERNAL_SERVER_ERROR for record in records):
            self._errors.add()

    def _tally(self, series: Series) -> Tally:
        self._counted.append(tally := Tally(series))
        return tally

    def histograms(self, series: Series) -> Histograms:
        """Those of a series, exported from now on; whoever asks counts into them, on the event loop."""
        self._counted.append(histograms := Histograms(series))
        return histograms

    def _open(self, route: str) -> _Traffic:
        traffic = _Traffic(self._times.of(route), self._received.of(route), self._sent.of(route))
        self._traffic[route] = traffic
        return traffic

    def exposition(self, accept: str = "") -> tuple[bytes, str]:
        """All series in the format that a scraper accepts, and its content type; only OpenMetrics has exemplars."""
        if "application/openmetrics-text" in accept:
            return openmetrics.generate_latest(self), openmetrics.CONTENT_TYPE_LATEST  # type: ignore[no-untyped-call]  # without types
        return generate_latest(self), CONTENT_TYPE_PLAIN_0_0_4

    def collect(self) -> Iterator[Family]:
        """Every family with what it counts now."""
        yield from (each.family() for each in self._counted)
        families: dict[Series, CounterMetricFamily | GaugeMetricFamily] = {}
        for series, value, labels in (reading for source in self.sources for reading in _read(source)):
            if series not in families:
                kind = CounterMetricFamily if series.kind == "counter" else GaugeMetricFamily
                families[series] = kind(series.name, series.help, labels=series.labels, unit=unit_of(series))
            families[series].add_metric(labels, value)
        yield from families.values()


def _read(source: Source) -> list[Reading]:
    try:
        return list(source())
    except Exception as error:  # the top of what a scrape asks: one part that fails must not hide all others
        log.error("some series cannot be read", source=getattr(source, "__qualname__", ""), exc_info=error)
        return []
