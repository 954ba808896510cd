"""What becomes of each request of a load: whether a deployment loses any while it changes."""

import asyncio
import json
import signal
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Event
from typing import Literal

from tapetum.delivery import load, target
from tapetum.delivery.connection import NO_ANSWER, Answer, Target
from tapetum.errors import ResourceError
from tapetum.inference.golden import PROBABILITY

Fate = Literal["answered", "refused", "wrong", "failed", "lost"]

_SAME = PROBABILITY["bf16"]  # by so much a probability may differ between machines that are both right
_OK = 200
_REFUSALS = (429, 503)


@dataclass(frozen=True)
class Trouble:
    """A request without a right answer; the id also stands in the logs of the service. `at` is UTC, of its end."""

    request_id: str
    at: str
    fate: Fate
    found: str


@dataclass(frozen=True)
class Losses:
    """How many requests were sent, and what became of each.

    `answered` rightly is with the first answer of the same model to the same picture; `refused` is 429 or 503 that says
    when to come again; `wrong` is another answer, `failed` any other status, `lost` no answer at all. `models` are
    those that answered, by version. Latency counts from when a request was due.
    """

    sent: int
    answered: int
    refused: int
    wrong: int
    failed: int
    lost: int
    seconds: float
    p50_ms: float | None
    p99_ms: float | None
    models: dict[str, int]
    troubles: list[Trouble]

    @property
    def is_kept(self) -> bool:
        """Whether each request was answered rightly, or refused in so many words; and any was answered."""
        return self.answered > 0 and not self.wrong + self.failed + self.lost

    @property
    def found(self) -> str:
        """The count in words."""
        latency = "".join(
            f", {name} {value:.1f} ms" for name, value in (("p50", self.p50_ms), ("p99", self.p99_ms)) if value
        )
        return (
            f"{self.sent} sent, {self.answered} answered rightly, {self.refused} refused, {self.wrong} wrong, "
            f"{self.failed} failed, {self.lost} lost{latency}"
        )


def count(url: str, contents: Sequence[bytes], headers: dict[str, str], rate: float, seconds: float) -> Losses:
    """Ask for `rate` predictions a second, due evenly, for `seconds` or until SIGINT or SIGTERM.

    Raises ConfigError for what is no address, and ResourceError where nobody listens.
    """
    bodies = target.pictures(url, contents, headers)
    script = Judge(bodies.requests)
    dues = load.arrivals(rate, seconds, are_even=True)
    try:
        seen = load.run(_until_told(bodies, dues, script))
    except OSError as error:
        raise ResourceError(f"the service takes no connection any more: {error}") from error
    return script.conclude(seen)


async def _until_told(bodies: Target, dues: Sequence[float], script: "Judge") -> load.Seen:
    enough = Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, enough.set)
    return await load.opened(bodies, dues, script, enough)


class Judge:
    """The script of a load: each request goes under an id of its own, and its answer is judged."""

    def __init__(self, requests: Sequence[bytes]) -> None:
        self._heads = [request.partition(b"\r\n") for request in requests]
        self._name = f"smoke-{uuid.uuid4().hex[:8]}"
        self._first: dict[tuple[int, str], dict[str, float]] = {}
        self._unheard: dict[int, None] = {}
        self._fates: Counter[Fate] = Counter()
        self._models: Counter[str] = Counter()
        self._troubles: list[Trouble] = []

    def request(self, number: int) -> bytes:
        """A request of those given, in turn, with its id."""
        line, _, rest = self._heads[number % len(self._heads)]
        self._unheard[number] = None
        return b"%b\r\nX-Request-ID: %b\r\n%b" % (line, self._id(number).encode(), rest)

    def hear(self, number: int, answer: Answer) -> None:
        """Judge the answer to it."""
        del self._unheard[number]
        self._add(number, *self._judge(number, answer))

    def conclude(self, seen: load.Seen) -> Losses:
        """What became of all, once the load is over; what was not heard of is lost."""
        for number in self._unheard:
            self._add(number, "lost", f"no answer within {load.PATIENCE_S:.0f} s")
        quantiles = (seen.quantile_s(share) for share in (0.5, 0.99))
        p50_ms, p99_ms = (None if value is None else round(value * 1000, 2) for value in quantiles)
        return Losses(
            sent=self._fates.total(),
            answered=self._fates["answered"],
            refused=self._fates["refused"],
            wrong=self._fates["wrong"],
            failed=self._fates["failed"],
            lost=self._fates["lost"],
            seconds=round(seen.asking_s, 2),
            p50_ms=p50_ms,
            p99_ms=p99_ms,
            models=dict(self._models),
            troubles=self._troubles,
        )

    def _id(self, number: int) -> str:
        return f"{self._name}-{number}"

    def _add(self, number: int, fate: Fate, found: str) -> None:
        self._fates[fate] += 1
        if fate != "answered":
            now = datetime.now(UTC).isoformat(timespec="milliseconds")
            self._troubles.append(Trouble(self._id(number), now, fate, found))

    def _judge(self, number: int, answer: Answer) -> tuple[Fate, str]:
        if answer.status == NO_ANSWER:
            return "lost", "the connection ended without an answer"
        if answer.status in _REFUSALS and answer.says_when:
            return "refused", f"status {answer.status}{_kind(answer.body)}"
        if answer.status != _OK:
            return "failed", f"status {answer.status}{_kind(answer.body)}"
        try:
            return self._compare(number % len(self._heads), answer.body)
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            return "wrong", f"not an answer of Tapetum: {error!r}"

    def _compare(self, picture: int, body: bytes) -> tuple[Fate, str]:
        content = json.loads(body)
        model, shares = content["model"], content["probabilities"]
        self._models[f"{model['name']} {model['version']}"] += 1
        first = self._first.setdefault((picture, model["fingerprint"]), shares)
        if first.keys() != shares.keys() or max(abs(first[label] - shares[label]) for label in first) > _SAME:
            return "wrong", f"{shares} instead of {first}"
        return "answered", ""


def _kind(body: bytes) -> str:
    """The word of a problem; nothing for what is none."""
    try:
        return " " + str(json.loads(body)["type"]).rpartition(":")[2]
    except (ValueError, LookupError, TypeError):
        return ""
