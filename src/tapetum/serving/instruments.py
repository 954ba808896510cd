"""The series of the catalogue as live instruments."""

from http import HTTPStatus

import prometheus_client as prometheus
from prometheus_client import CollectorRegistry, Counter, Histogram

from tapetum import metrics
from tapetum.serving.record import Record


class Instruments:
    """One set of instruments for one application; classes are at 0 before anything is predicted."""

    def __init__(self) -> None:
        # Creation times would add a series beside each of ours.
        prometheus.disable_created_metrics()  # type: ignore[no-untyped-call]  # it comes without types
        self._registry = CollectorRegistry()
        self._predictions, self._latency, self._errors = (
            self._counter(metrics.PREDICTIONS),
            self._histogram(metrics.LATENCY),
            self._counter(metrics.ERRORS),
        )

    def expect(self, labels: tuple[str, ...]) -> None:
        """Export every class from now on."""
        for label in labels:
            self._predictions.labels(label)

    def observe(self, record: Record) -> None:
        """Count a picture that was answered, or a request that the service, not its caller, failed."""
        if record.label is not None:
            self._predictions.labels(record.label).inc()
            self._latency.observe(record.total_s)
        elif record.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            self._errors.inc()

    def exposition(self) -> bytes:
        """All series in Prometheus's text format."""
        return prometheus.generate_latest(self._registry)

    def _counter(self, series: metrics.Series) -> Counter:
        return Counter(series.name, series.help, series.labels, registry=self._registry)

    def _histogram(self, series: metrics.Series) -> Histogram:
        return Histogram(series.name, series.help, series.labels, buckets=series.buckets, registry=self._registry)
