"""Counters and histograms that cost a request little: one thread counts, the event loop's, and any thread reads.

So nothing is locked, where prometheus_client locks each of its numbers: an observation takes a fifth of the time
(benchmarks/observing.py). A read copies what it walks through, and may miss what is being counted at that moment.
"""

from bisect import bisect_left
from collections.abc import Iterable
from time import time

from prometheus_client.core import CounterMetricFamily, Exemplar, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.utils import floatToGoString

from tapetum.metrics import Series

Labels = tuple[str, ...]
Family = CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily


def unit_of(series: Series) -> str:
    """The unit as OpenMetrics states it, which is the end of the name or nothing."""
    return series.unit if series.name.removesuffix("_total").endswith(f"_{series.unit}") else ""


class Tally:
    """A counter, with a number for each of its labels."""

    def __init__(self, series: Series) -> None:
        self.series = series
        self._numbers: dict[Labels, int] = {} if series.labels else {(): 0}

    def expect(self, labels: Iterable[Labels]) -> None:
        """Export these from now on, at 0, so that the first event is an increase of something."""
        for each in labels:
            self._numbers.setdefault(each, 0)

    def add(self, *labels: str) -> None:
        """Count one; labels must come from a closed set, since each is kept for ever."""
        self._numbers[labels] = self._numbers.get(labels, 0) + 1

    def family(self) -> CounterMetricFamily:
        """All numbers, for exposition."""
        series = self.series
        family = CounterMetricFamily(series.name, series.help, labels=series.labels, unit=unit_of(series))
        for labels, number in self._numbers.copy().items():
            family.add_metric(labels, number)
        return family


class Histogram:
    """Numbers in buckets, and for each bucket the trace of the last one that gave it, as an exemplar."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.total = 0.0
        self.numbers = [0] * (len(bounds) + 1)
        self.exemplars: list[tuple[str, float, float] | None] = [None] * (len(bounds) + 1)
        self._bounds = bounds

    def observe(self, value: float) -> None:
        """Count a value into the first bucket whose bound it does not exceed."""
        self.numbers[bisect_left(self._bounds, value)] += 1
        self.total += value

    def trace(self, value: float, trace_id: str) -> None:
        """Count a value that a trace explains."""
        bucket = bisect_left(self._bounds, value)
        self.numbers[bucket] += 1
        self.total += value
        self.exemplars[bucket] = (trace_id, value, time())


class Histograms:
    """A histogram for each of the labels of a series."""

    def __init__(self, series: Series) -> None:
        self.series = series
        self._children: dict[Labels, Histogram] = {}

    def of(self, *labels: str) -> Histogram:
        """That of these labels, which must come from a closed set; callers keep it instead of asking each time."""
        return self._children.setdefault(labels, Histogram(self.series.buckets))

    def family(self) -> HistogramMetricFamily:
        """All buckets, for exposition."""
        series = self.series
        family = HistogramMetricFamily(series.name, series.help, labels=series.labels, unit=unit_of(series))
        bounds = [_to_text(bound) for bound in (*series.buckets, float("inf"))]
        for labels, child in self._children.copy().items():
            family.add_metric(labels, _buckets(bounds, child), child.total)
        return family


def _to_text(bound: float) -> str:
    """A bound as Go writes it, which is how Prometheus names buckets."""
    return str(floatToGoString(bound))  # type: ignore[no-untyped-call]  # it comes without types


def _buckets(bounds: list[str], child: Histogram) -> list[tuple[str, float] | tuple[str, float, Exemplar]]:
    """How many values are within each bound, as Prometheus wants it: each bucket has those before it in it."""
    found: list[tuple[str, float] | tuple[str, float, Exemplar]] = []
    within = 0
    for bound, number, exemplar in zip(bounds, child.numbers.copy(), child.exemplars.copy(), strict=True):
        within += number
        if exemplar is None:
            found.append((bound, within))
        else:
            trace_id, value, at = exemplar
            found.append((bound, within, Exemplar({"trace_id": trace_id}, value, at)))
    return found
