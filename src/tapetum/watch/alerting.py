"""Rules over values that change: what is bad for long enough fires, and is over once it is surely better."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Literal

import structlog

from tapetum.watch.outbox import Letter

State = Literal["ok", "pending", "firing"]
Value = Callable[[], float | None]

log = structlog.get_logger()


@dataclass(frozen=True)
class Bound:
    """What a value must not be beyond; it is well again at `clears_at`, so that one that trembles is one alert."""

    bad: Literal["above", "below"]
    threshold: float
    clears_at: float

    def is_beyond(self, value: float) -> bool:
        """Whether the value is bad."""
        return value > self.threshold if self.bad == "above" else value < self.threshold

    def is_over(self, value: float) -> bool:
        """Whether the value is well again."""
        return value <= self.clears_at if self.bad == "above" else value >= self.clears_at


@dataclass(frozen=True)
class Rule:
    """An alert: it fires once the value of `metric` has been beyond its bound for `for_s` seconds.

    `cooldown_s` lie at least between two mails that it fires.
    """

    name: str
    metric: str
    bound: Bound
    for_s: float
    cooldown_s: float
    severity: Literal["ticket", "warning", "critical"]
    meaning: str
    remedies: tuple[str, ...]


class Alert:
    """Where one rule stands; times are of the clock."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.state: State = "ok"
        self.value: float | None = None
        self.since: float | None = None  # when the value went beyond the threshold
        self.mailed: float | None = None  # when the last mail that it fires was written
        self.letter: Letter | None = None  # the last mail about it
        self.told: Letter | None = None  # the mail that says that it fires, until one says that it is over

    @property
    def is_told(self) -> bool:
        """Whether the recipients believe that it fires; a mail that was given up told nobody."""
        return self.told is not None and self.told.outcome != "failed"

    def move(self, now: float, elapsed: float) -> None:
        """Go on to the state that follows from the value, `elapsed` seconds after the last look."""
        value = self.value
        if value is None:
            # Time in which nothing was known is not time in which it was bad.
            if self.state == "pending" and self.since is not None:
                self.since += elapsed
            return
        if self.state == "firing":
            if self.rule.bound.is_over(value):
                self.state, self.since = "ok", None
            return
        if not self.rule.bound.is_beyond(value):
            self.state, self.since = "ok", None
            return
        self.since = now if self.since is None else self.since
        self.state = "firing" if now - self.since >= self.rule.for_s else "pending"


@dataclass(frozen=True)
class Notice:
    """What a mail is to say: an alert fires, or is over, after `lasted_s` seconds beyond its threshold."""

    rule: Rule
    is_firing: bool
    value: float
    lasted_s: float


class Alerting:
    """All alerts of one service. `post` writes a mail and sends it on its way; without it none are written.

    `values` gives the value of each metric that a rule names; None, which is
    unknown, neither fires an alert nor ends one.
    """

    def __init__(
        self,
        rules: Iterable[Rule],
        values: Mapping[str, Value],
        post: Callable[[Notice], Letter] | None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self.alerts = [Alert(rule) for rule in rules]
        self.suppressed = 0
        self._values, self._post, self._clock = values, post, clock
        self._looked_at: float | None = None

    def look(self) -> None:
        """Take all values once, and mail what changed."""
        now = self._clock()
        elapsed = 0.0 if self._looked_at is None else now - self._looked_at
        self._looked_at = now
        for alert in self.alerts:
            alert.value = self._value(alert.rule)
            before, began = alert.state, alert.since
            alert.move(now, elapsed)
            if before != alert.state and "firing" in (before, alert.state):
                change = log.warning if alert.state == "firing" else log.info
                change("alert", alert=alert.rule.name, state=alert.state, value=alert.value)
            self._tell(alert, now, began, is_new=before != alert.state)

    def _value(self, rule: Rule) -> float | None:
        try:
            return self._values[rule.metric]()
        except Exception:  # one reading that fails must not silence the other rules
            log.exception("a value for alerts cannot be read", metric=rule.metric)
            return None

    def _tell(self, alert: Alert, now: float, began: float | None, is_new: bool) -> None:
        if self._post is None or alert.value is None:
            return
        if alert.state == "firing" and not alert.is_told:
            assert alert.since is not None
            if alert.mailed is not None and now - alert.mailed < alert.rule.cooldown_s:
                self.suppressed += is_new
                return
            alert.letter = alert.told = self._post(Notice(alert.rule, True, alert.value, now - alert.since))
            alert.mailed = now
        elif alert.state != "firing" and alert.is_told:
            assert began is not None
            alert.letter = self._post(Notice(alert.rule, False, alert.value, now - began))
            alert.told = None
