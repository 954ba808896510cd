"""What the service knows of one request, and of each picture in it, once it has ended."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from tapetum.profile.sight import Sight

OTHER = "other"


@dataclass(frozen=True)
class Record:
    """All facts of one picture.

    `outcome` is `answered`, or the last word of the type of the problem that
    was the answer. A request that failed before its pictures were known has
    one record without sizes. Times are in seconds; `total_s` counts from the
    request's head, and so does `arrived_s`, when the picture began to wait for
    a worker.
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
    arrived_s: float | None = None
    sight: Sight | None = field(default=None, compare=False, repr=False)  # an array can be asked for no one truth

    @property
    def unlike(self) -> bool | None:
        """Whether the picture is unlike the training data; None without a profile, or without an answer."""
        return None if self.sight is None else self.sight.is_unlike


@dataclass(frozen=True)
class Exchange:
    """All facts of one request and its answer: metrics, windows, logs and drift feed on them and on nothing else.

    `method` is one of HTTP's own, or `other`; `route` the path as the service
    knows it, or `other`; `problem` the last word of the type of the problem
    that was the answer, None where none was: whatever callers may send, each
    has few values. `received` and `sent` are bytes of bodies. `records` are of
    its pictures. It is the span `span_id` of a trace, within the caller's
    `parent_id` if there is one, who records the trace if it `is_sampled`.
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
    span_id: str = ""
    parent_id: str | None = None
    is_sampled: bool = False


Observer = Callable[[Exchange], None]
# Of the pictures of a request that was answered, in order, and their records: it must not hold up the answer.
Taker = Callable[[Sequence[bytes | np.ndarray], Sequence[Record]], None]
