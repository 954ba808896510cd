"""Counts and sketches of requests and pictures, which add up, and what they tell."""

from collections import Counter
from collections.abc import Collection
from http import HTTPStatus
from typing import NamedTuple, Self

from tapetum.watch.figures import Bin, ClassShare, ModelFigures, ShareSpread, Spread, Traffic
from tapetum.watch.health import judge
from tapetum.watch.record import OTHER, Exchange, Record
from tapetum.watch.sketch import MAGNITUDES, SHARES, Sketch


class Span(NamedTuple):
    """The time of a tally, in seconds: `window_s` at most, `covered_s` in truth, in slots of `slot_s`."""

    window_s: float
    covered_s: float
    slot_s: float

    def per_s(self, count: int) -> float:
        """So many a second; just after the start, as if a slot had passed."""
        return count / max(self.covered_s, self.slot_s)


class Requests:
    """Requests of one route, or of several."""

    def __init__(self) -> None:
        self._statuses: Counter[int] = Counter()
        self._problems: Counter[str] = Counter()
        self._latency_ms, self._received, self._sent = (Sketch(MAGNITUDES) for _ in range(3))

    def add(self, exchange: Exchange) -> None:
        """Count a request."""
        self._statuses[exchange.status] += 1
        if exchange.problem is not None:
            self._problems[exchange.problem] += 1
        self._latency_ms.add(exchange.total_s * 1000)
        self._received.add(exchange.received)
        self._sent.add(exchange.sent)

    def take(self, other: Self) -> None:
        """Count all requests of another tally."""
        self._statuses.update(other._statuses)
        self._problems.update(other._problems)
        self._latency_ms.take(other._latency_ms)
        self._received.take(other._received)
        self._sent.take(other._sent)

    def figures(self, span: Span) -> Traffic:
        """What they were in that time."""
        requests = self._statuses.total()
        errors = self._between(HTTPStatus.INTERNAL_SERVER_ERROR, 1000)
        client_errors = self._between(HTTPStatus.BAD_REQUEST, HTTPStatus.INTERNAL_SERVER_ERROR)
        return Traffic(
            requests=requests,
            requests_per_s=span.per_s(requests),
            errors=errors,
            error_rate=_share(errors, requests),
            client_errors=client_errors,
            client_error_rate=_share(client_errors, requests),
            statuses=dict(sorted(self._statuses.items())),
            problems=dict(sorted(self._problems.items())),
            latency_ms=_spread(self._latency_ms),
            request_bytes=_spread(self._received),
            response_bytes=_spread(self._sent),
        )

    def _between(self, low: int, high: int) -> int:
        return sum(count for status, count in self._statuses.items() if low <= status < high)


class Pictures:
    """Pictures, and what the model said of them."""

    def __init__(self) -> None:
        self._failures = self._refusals = self._unsure = 0
        self._labels: Counter[str] = Counter()
        self._inference_ms, self._decode_ms, self._queue_ms = (Sketch(MAGNITUDES) for _ in range(3))
        self._confidence, self._margin = Sketch(SHARES), Sketch(SHARES)

    def add(self, record: Record, low_confidence: float, classes: Collection[str]) -> None:
        """Count a picture, as of class `other` where its class is none of `classes`."""
        if record.label is None:
            is_failure = record.status >= HTTPStatus.INTERNAL_SERVER_ERROR
            self._failures += is_failure
            self._refusals += not is_failure
            return
        assert record.confidence is not None
        assert record.margin is not None
        assert record.inference_s is not None
        assert record.decode_s is not None
        # A worker that a picture has taken over may name any class, and each name would be kept.
        self._labels[record.label if record.label in classes else OTHER] += 1
        self._unsure += record.confidence < low_confidence
        self._confidence.add(record.confidence)
        self._margin.add(record.margin)
        self._inference_ms.add(record.inference_s * 1000)
        self._decode_ms.add(record.decode_s * 1000)
        self._queue_ms.add(record.queue_s * 1000)

    def take(self, other: Self) -> None:
        """Count all pictures of another tally."""
        self._failures += other._failures
        self._refusals += other._refusals
        self._unsure += other._unsure
        self._labels.update(other._labels)
        self._inference_ms.take(other._inference_ms)
        self._decode_ms.take(other._decode_ms)
        self._queue_ms.take(other._queue_ms)
        self._confidence.take(other._confidence)
        self._margin.take(other._margin)

    def figures(
        self, span: Span, low_confidence: float, classes: Collection[str], obstacle: str | None
    ) -> ModelFigures:
        """What they were in that time; `classes` are told of even where they were never predicted."""
        predictions = self._labels.total()
        return ModelFigures(
            window_s=span.window_s,
            covered_s=span.covered_s,
            predictions=predictions,
            predictions_per_s=span.per_s(predictions),
            failures=self._failures,
            failure_rate=_share(self._failures, self._failures + predictions),
            refusals=self._refusals,
            inference_ms=_spread(self._inference_ms),
            decode_ms=_spread(self._decode_ms),
            queue_ms=_spread(self._queue_ms),
            confidence=_share_spread(self._confidence),
            confidence_histogram=[
                Bin(low=tenth / 10, high=(tenth + 1) / 10, count=count)
                for tenth, count in enumerate(self._confidence.tenths())
            ],
            margin=_share_spread(self._margin),
            low_confidence_below=low_confidence,
            low_confidence=self._unsure,
            low_confidence_share=_share(self._unsure, predictions),
            classes={
                label: ClassShare(count=self._labels[label], share=_share(self._labels[label], predictions))
                for label in dict.fromkeys((*classes, *self._labels))
            },
            health=judge(self._failures, predictions, self._unsure, obstacle),
        )


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _spread(sketch: Sketch) -> Spread | None:
    if not sketch.count:
        return None
    p50, p95, p99 = (sketch.quantile(share) for share in (0.5, 0.95, 0.99))
    return Spread(mean=sketch.mean, p50=p50, p95=p95, p99=p99, max=sketch.greatest)


def _share_spread(sketch: Sketch) -> ShareSpread | None:
    if not sketch.count:
        return None
    p5, p50, p95 = (sketch.quantile(share) for share in (0.05, 0.5, 0.95))
    return ShareSpread(mean=sketch.mean, min=sketch.least, p5=p5, p50=p50, p95=p95)
