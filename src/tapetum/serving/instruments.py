"""The series of the catalogue as live instruments."""

from collections.abc import Callable, Iterable, Iterator
from http import HTTPStatus
from typing import NamedTuple

import prometheus_client as prometheus
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from tapetum import metrics
from tapetum.metrics import Series
from tapetum.serving.record import Exchange, Record


class Reading(NamedTuple):
    """One value of a counter or gauge that someone else keeps, as it is now; `labels` in the order of the series."""

    series: Series
    value: float
    labels: tuple[str, ...] = ()


Source = Callable[[], Iterable[Reading]]


class _Readings(Collector):
    """What sources say, asked anew at every scrape, so that nothing is counted twice."""

    def __init__(self, sources: list[Source]) -> None:
        self._sources = sources

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        families: dict[Series, CounterMetricFamily | GaugeMetricFamily] = {}
        for source in self._sources:
            for series, value, labels in source():
                if series not in families:
                    kind = CounterMetricFamily if series.kind == "counter" else GaugeMetricFamily
                    families[series] = kind(series.name, series.help, labels=series.labels)
                families[series].add_metric(labels, value)
        yield from families.values()


class Instruments:
    """One set of instruments for one application; classes are at 0 before anything is predicted."""

    def __init__(self) -> None:
        # Creation times would add a series beside each of ours.
        prometheus.disable_created_metrics()  # type: ignore[no-untyped-call]  # it comes without types
        self._registry = CollectorRegistry()
        self.sources: list[Source] = []
        self._registry.register(_Readings(self.sources))
        self._predictions, self._latency, self._errors = (
            self._counter(metrics.PREDICTIONS),
            self._histogram(metrics.LATENCY),
            self._counter(metrics.ERRORS),
        )

    def expect(self, labels: tuple[str, ...]) -> None:
        """Export every class from now on."""
        for label in labels:
            self._predictions.labels(label)

    def observe(self, exchange: Exchange) -> None:
        """Count a request and its pictures."""
        for record in exchange.records:
            self._count(record)

    def _count(self, record: Record) -> None:
        if record.label is not None:
            self._predictions.labels(record.label).inc()
            self._latency.observe(record.total_s)
        elif record.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            self._errors.inc()

    def exposition(self) -> bytes:
        """All series in Prometheus's text format."""
        return prometheus.generate_latest(self._registry)

    def _counter(self, series: Series) -> Counter:
        return Counter(series.name, series.help, series.labels, registry=self._registry)

    def _histogram(self, series: Series) -> Histogram:
        return Histogram(series.name, series.help, series.labels, buckets=series.buckets, registry=self._registry)
