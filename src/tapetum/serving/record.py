"""What the service knows of one request, and of each picture in it, once it has ended."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tapetum.inference.predictor import Prediction
from tapetum.serving import problems


@dataclass(frozen=True)
class Outcome:
    """What became of one picture of `size` bytes, which waited `queue_s` for a hand."""

    result: Prediction | Exception
    size: int = 0
    queue_s: float = 0.0


@dataclass(frozen=True)
class Record:
    """All facts of one picture.

    `outcome` is `answered`, or the last word of the type of the problem that
    was the answer. A request that failed before its pictures were known has
    one record without sizes. Times are in seconds; `total_s` counts from the
    request's head.
    """

    request_id: str
    path: str
    outcome: str
    status: int
    size: int
    queue_s: float
    total_s: float
    width: int | None = None
    height: int | None = None
    decode_s: float | None = None
    inference_s: float | None = None
    label: str | None = None
    confidence: float | None = None
    margin: float | None = None
    model: str | None = None
    version: str | None = None


OTHER = "other"


@dataclass(frozen=True)
class Exchange:
    """All facts of one request and its answer: metrics, windows, logs and drift feed on them and on nothing else.

    `method` is one of HTTP's own, or `other`; `route` the path as the service
    knows it, or `other`; `problem` the last word of the type of the problem
    that was the answer, None where none was: whatever callers may send, each
    has few values. `received` and `sent` are bytes of bodies. `records` are of
    its pictures.
    """

    request_id: str
    trace_id: str
    method: str
    route: str
    status: int
    problem: str | None
    received: int
    sent: int
    total_s: float
    records: tuple[Record, ...] = ()


_OF_A_PREDICTION = ("width", "height", "decode_s", "inference_s", "label", "confidence", "margin")

Observer = Callable[[Exchange], None]


class Refusal(NamedTuple):
    """A problem that the connection answered while the application was still at the request; `sent` are bytes."""

    status: int
    problem: str
    sent: int


@dataclass
class InFlight:
    """How many requests have begun and not ended."""

    number: int = 0


def make(
    outcome: Outcome, request_id: str, path: str, total_s: float, model: str | None, version: str | None
) -> Record:
    """The record of an outcome."""
    result = outcome.result
    if isinstance(result, Prediction):
        kind, known = problems.ANSWERED, {name: getattr(result, name) for name in _OF_A_PREDICTION}
    else:
        kind, known = problems.kind_of(result), {}
    return Record(
        request_id=request_id,
        path=path,
        outcome=kind.slug,
        status=kind.status,
        size=outcome.size,
        queue_s=outcome.queue_s,
        total_s=total_s,
        model=model,
        version=version,
        **known,
    )


def to_fields(records: Sequence[Record]) -> dict[str, object]:
    """What the log line of a request says of its pictures."""
    if not records:
        return {}
    if len(records) > 1:
        return {"outcomes": dict(Counter(record.outcome for record in records))}
    (record,) = records
    times = {f"{name.removesuffix('_s')}_ms": getattr(record, name) for name in ("queue_s", "decode_s", "inference_s")}
    fields = {
        "outcome": record.outcome,
        "size": record.size,
        "label": record.label,
        "confidence": record.confidence,
        **{name: None if seconds is None else round(seconds * 1000, 2) for name, seconds in times.items()},
    }
    return {name: value for name, value in fields.items() if value is not None}
