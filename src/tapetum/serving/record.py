"""From what became of a picture to its record."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from tapetum.bundle import Facts
from tapetum.inference.predictor import Prediction
from tapetum.serving import problems
from tapetum.watch.record import OTHER as OTHER
from tapetum.watch.record import Exchange as Exchange
from tapetum.watch.record import Observer as Observer
from tapetum.watch.record import Record as Record


@dataclass(frozen=True)
class Outcome:
    """What became of one picture of `size` bytes, which waited `queue_s` for a worker and was answered after `age_s`.

    `facts` are of the model that was asked: of the one that answered, though another may be served by now.
    """

    result: Prediction | Exception
    size: int = 0
    queue_s: float = 0.0
    age_s: float | None = None
    facts: Facts | None = None


class Refusal(NamedTuple):
    """A problem that the connection answered while the application was still at the request; `sent` are bytes."""

    status: int
    problem: str
    sent: int


@dataclass
class InFlight:
    """How many requests have begun and not ended."""

    number: int = 0


def make(outcome: Outcome, request_id: str, path: str, total_s: float, served: Facts | None) -> Record:
    """The record of an outcome; `served` is the model that is served, for what never got to one."""
    facts = outcome.facts or served
    result = outcome.result
    known: dict[str, Any] = {}
    if isinstance(result, Prediction):
        kind = problems.ANSWERED
        known = {
            "width": result.width,
            "height": result.height,
            "decode_s": result.decode_s,
            "inference_s": result.inference_s,
            "label": result.label,
            "confidence": result.confidence,
            "margin": result.margin,
            "sight": result.sight,
        }
    else:
        kind = problems.kind_of(result)
    return Record(
        request_id=request_id,
        path=path,
        outcome=kind.slug,
        status=kind.status,
        size=outcome.size,
        queue_s=outcome.queue_s,
        total_s=total_s,
        arrived_s=None if outcome.age_s is None else total_s - outcome.age_s,
        model=facts.name if facts else None,
        version=facts.version if facts else None,
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
