"""The objectives of the service, and the alerts that follow from them by multi-window burn rates.

A budget is the share of requests that may go wrong within 30 days. A burn
rate of 1 spends it in exactly 30 days, one of 14.4 spends 2 % of it in an
hour. An alert wants both windows above its rate: the long one proves that it
matters, the short one that it has not ended (the SRE workbook, chapter 5).
"""

from dataclasses import dataclass

from tapetum.metrics import ERRORS, LATENCY
from tapetum.stack.alert import IN_MLOPS, WHERE, Alert, Inputs, Severity, replicas, requests, rising
from tapetum.stack.promql import asked, grown, rate

SLOW_S = 0.5  # a bucket of the latency histogram ends here
# A share of a handful of requests says nothing: fewer bad ones than this in the long window wake nobody.
FEWEST = 5


@dataclass(frozen=True)
class Objective:
    """`goal` is the share of good ones; `bad` counts the others in WINDOW, `ratio` is their share of WINDOW."""

    topic: str
    goal: float
    promise: str
    bad: str
    ratio: str

    @property
    def budget(self) -> float:
        """The share that may be bad."""
        return round(1 - self.goal, 6)

    def recorded(self, window: str) -> str:
        """The recording rule of the share that was bad."""
        return f"namespace:prediction_{self.topic}_bad:ratio_rate{window}"


@dataclass(frozen=True)
class Burn:
    """A burn rate that is an alert where both windows have it; `step` is how finely its proof counts, in minutes."""

    factor: float
    long: str
    short: str
    hold: int
    severity: Severity
    step: int

    @property
    def lengths(self) -> tuple[int, int]:
        """Both windows in steps."""
        minutes = [int(window[:-1]) * {"m": 1, "h": 60, "d": 1440}[window[-1]] for window in (self.long, self.short)]
        return minutes[0] // self.step, minutes[1] // self.step


BURNS = (
    Burn(14.4, "1h", "5m", 2, "critical", step=1),
    Burn(6, "6h", "30m", 15, "critical", step=5),
    Burn(3, "1d", "2h", 60, "warning", step=30),
    Burn(1, "3d", "6h", 180, "warning", step=60),
)
WINDOWS = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")

_FAILED = rate(ERRORS, "WINDOW")
_FAST = {"suffix": "_bucket", "matchers": f'le="{SLOW_S}"'}

OBJECTIVES = (
    Objective(
        "availability",
        0.995,
        "of all requests for predictions are answered; callers' mistakes count neither way",
        bad=grown(ERRORS, "WINDOW"),
        ratio=f"{_FAILED} / {asked('WINDOW')}",
    ),
    Objective(
        "latency",
        0.99,
        f"of all answers take {SLOW_S:g} s or less",
        bad=f"({grown(LATENCY, 'WINDOW', suffix='_count')} - {grown(LATENCY, 'WINDOW', **_FAST)})",
        ratio=f"1 - {rate(LATENCY, 'WINDOW', **_FAST)} / {rate(LATENCY, 'WINDOW', suffix='_count')}",
    ),
)


def alerts() -> tuple[Alert, ...]:
    """One for each objective and burn rate."""
    return tuple(_alert(objective, burn) for objective in OBJECTIVES for burn in BURNS)


def _alert(objective: Objective, burn: Burn) -> Alert:
    limit = round(burn.factor * objective.budget, 6)
    long, short = burn.lengths
    what = {"availability": "requests failed", "latency": f"answers took longer than {SLOW_S:g} s"}[objective.topic]
    return Alert(
        f"{objective.topic.title()}BudgetBurn{burn.long}",
        burn.severity,
        f"More than THRESHOLD of {what} over {burn.long} and over {burn.short}, "
        f"{burn.factor:g} × what the budget of {objective.budget * 100:g} % in 30 days allows",
        objective.recorded(burn.long),
        ">",
        limit,
        burn.hold,
        f"{WHERE}: VALUE of {what} in the last {burn.long}.",
        labels=IN_MLOPS,
        value=f"{limit * 105:.4g}%",
        firing=_events(objective, (limit * 1.05, 2 * long)),
        quiet=(
            _events(objective, (limit * 0.95, 2 * long)),
            _events(objective, (0.5, 4), (0, 2 * long), total=0.5),  # two of four requests
        ),
        quiet_later=(
            _events(objective, (0, long), (limit * 4, short)),  # bad, but not for long
            _events(objective, (limit * 2, long), (0, short + 1)),  # for long, but over
        ),
        guard=f"and {objective.recorded(burn.short)} > THRESHOLD and {objective.bad.replace('WINDOW', burn.long)} "
        f">= {FEWEST}",
        unit="share",
        topic=objective.topic,
        after=burn.step,
        step=burn.step,
        heading=f"{objective.topic.title()}BudgetBurn",
    )


def _events(objective: Objective, *pieces: tuple[float, int], total: float = 1000) -> Inputs:
    """Two replicas with `total` requests each a step, of which a share is bad for so many steps, piece by piece."""
    bad = rising(*((total * share, steps) for share, steps in pieces))
    good = rising(*((total * (1 - share), steps) for share, steps in pieces))
    if objective.topic == "availability":
        return requests(good, bad)
    everything = rising(*((total, steps) for _, steps in pieces))
    return replicas(f"{LATENCY.name}_bucket", good, good, le=str(SLOW_S)) | replicas(
        f"{LATENCY.name}_count", everything, everything
    )
