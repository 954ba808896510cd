"""Rows of what the service does, and of what it promised."""

from tapetum.metrics import (
    DECODE_TIME,
    ERRORS,
    INFERENCE_TIME,
    LATENCY,
    MODEL,
    PREDICTIONS,
    PROBLEMS,
    QUEUE_TIME,
    REQUESTS,
)
from tapetum.stack.grafana.colours import BAD, GOOD, WARN
from tapetum.stack.grafana.panels import Limits, Panel, Row, at_least, at_most, chart, one, stat, threshold
from tapetum.stack.grafana.queries import budget_left, burn, grown, mean, now, or_zero, quantile, rate, ratio, total
from tapetum.stack.slo import BURNS, OBJECTIVES, SLOW_S, Objective

AVAILABILITY, QUICKNESS = OBJECTIVES

# Probes and scrapes are not what anybody asks the service for.
_ASKED = 'path!~"/health|/ready|/metrics|/v2/health/.*"'
_ALL = total(rate(REQUESTS, _ASKED))
_NOBODY = "nobody asks"


def _answers(digit: int) -> str:
    return total(rate(REQUESTS, f'{_ASKED},status=~"{digit}.."'))


APPLICATION = Row(
    "Application",
    (
        stat(
            "Total Predictions",
            "Pictures answered with a class in the time shown.",
            unit="short",
            queries=one(f"round({total(grown(PREDICTIONS))})"),
            width=6,
        ),
        stat(
            "Total Errors",
            "Prediction requests that the service failed to answer in the time shown.",
            unit="short",
            queries=one(f"round({total(grown(ERRORS))})"),
            limits=Limits(GOOD, ((1, WARN),)),
            width=6,
            runbook="HighPredictionErrorRate",
        ),
        stat(
            "Avg Latency",
            "Mean time from a request's head to its answer in the last five minutes. It hides the slow ones: see the "
            "percentiles.",
            unit="s",
            queries=one(mean(LATENCY, window="5m")),
            limits=at_most(SLOW_S / 2, SLOW_S),
            width=6,
            empty=_NOBODY,
        ),
        stat(
            "Requests/sec",
            "Requests a second in the last five minutes, without probes and scrapes.",
            unit="reqps",
            queries=one(total(rate(REQUESTS, _ASKED, window="5m"))),
            width=6,
            decimals=2,
            runbook="NoPredictions",
        ),
        chart(
            "Predictions by Class",
            "Answers a second, by class. A class that vanishes or takes over says that the pictures or the model have "
            "changed.",
            "reqps",
            {"{{predicted_class}}": total(rate(PREDICTIONS), by="predicted_class")},
            is_stacked=True,
        ),
        chart(
            "Latency Percentiles",
            f"Time from a request's head to its answer, over all replicas. {QUICKNESS.goal:.0%} are promised within "
            f"{SLOW_S:g} s, the dashed line.",
            "s",
            {f"p{share:.0f}": quantile(share / 100, LATENCY) for share in (50, 95, 99)},
            limits=Limits(steps=((SLOW_S, BAD),)),
            runbook="HighPredictionLatency",
            empty=_NOBODY,
        ),
        chart(
            "Refused and Failed",
            "Shares of the answers, without probes and scrapes: 4xx is the caller's fault, 5xx ours.",
            "percentunit",
            {f"{digit}xx": ratio(f"({or_zero(_answers(digit), _ALL)})", _ALL) for digit in (4, 5)},
            limits=Limits(steps=((threshold("HighPredictionErrorRate"), BAD),)),
            runbook="HighPredictionErrorRate",
        ),
        chart(
            "Where the Time Goes",
            "Mean time of one picture: waiting for a worker, being decoded, in the model. Much waiting wants more "
            "workers or replicas.",
            "s",
            {"wait": mean(QUEUE_TIME), "decode": mean(DECODE_TIME), "inference": mean(INFERENCE_TIME)},
            is_stacked=True,
            empty=_NOBODY,
        ),
        chart(
            "Problems by Type",
            "Requests a second that were answered with a problem, by the last word of its type.",
            "reqps",
            {"{{type}}": total(rate(PROBLEMS), by="type")},
            empty="no problem yet",
        ),
        chart(
            "Replicas by Model",
            "How many replicas serve which version: two at once is a rollout, or one that is stuck.",
            "none",
            {"{{name}} {{version}}": f"count by (name, version) ({now(MODEL)})"},
            decimals=0,
            is_stacked=True,
        ),
    ),
)


def _budget(title: str, objective: Objective) -> Panel:
    return stat(
        title,
        "The share left of what may go wrong within 30 days, or as long as Prometheus remembers. Promised: "
        f"{objective.goal:.1%} {objective.promise}.",
        unit="percentunit",
        queries=one(budget_left(objective)),
        limits=at_least(0, 0.25),
        lowest=None,
        width=4,
        height=8,
        decimals=1,
        empty=_NOBODY,
    )


def _burning(title: str, objective: Objective) -> Panel:
    page, ticket = BURNS[0].factor, BURNS[-1].factor
    return chart(
        title,
        f"How many times faster than allowed the budget is spent, by window, in the worst namespace; at 1 it lasts 30 "
        f"days. The dashed lines: {ticket:g} over {BURNS[-1].long} makes a ticket, {page:g} over {BURNS[0].long} "
        "calls somebody.",
        "short",
        {burn_.long: burn(objective, burn_.long) for burn_ in BURNS},
        limits=Limits(steps=((ticket, WARN), (page, BAD))),
        empty=_NOBODY,
    )


LEVELS = Row(
    "Service levels",
    (
        _budget("Availability Budget", AVAILABILITY),
        _burning("Availability Burn Rate", AVAILABILITY),
        _budget("Latency Budget", QUICKNESS),
        _burning("Latency Burn Rate", QUICKNESS),
    ),
)
