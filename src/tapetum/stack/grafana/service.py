"""Rows of the service: is it up, right, fast, full; what it does; what it promised."""

from tapetum.metrics import (
    DECODE_TIME,
    ERRORS,
    INFERENCE_TIME,
    LATENCY,
    LOW_CONFIDENCE,
    MEMORY_TOTAL,
    MEMORY_USED,
    MODEL,
    PREDICTIONS,
    PROBLEMS,
    QUEUE,
    QUEUE_LIMIT,
    QUEUE_TIME,
    READY,
    REQUESTS,
)
from tapetum.stack.grafana.colours import BAD, WARN
from tapetum.stack.grafana.panels import NONE_OF_IT, Limits, Panel, Row, at_least, at_most, chart, one, stat, threshold
from tapetum.stack.grafana.queries import UP, budget_left, burn, grown, mean, now, or_zero, quantile, rate, ratio, total
from tapetum.stack.slo import BURNS, OBJECTIVES, SLOW_S, Objective

AVAILABILITY, QUICKNESS = OBJECTIVES

# Probes and scrapes are not what anybody asks the service for.
_ASKED = 'path!~"/health|/ready|/metrics|/v2/health/.*"'
_FAILED = total(rate(ERRORS, window="5m"))
_ANSWERED = total(rate(PREDICTIONS, window="5m"))
_ALL = total(rate(REQUESTS, _ASKED))
_NOBODY = "nobody asks"

GLANCE = Row(
    "Is it up, right, fast, full?",
    (
        stat(
            "Replicas ready",
            "Up: the share of scraped replicas that can answer. Below 100 % for minutes, a replica hangs or never "
            "loaded its model.",
            unit="percentunit",
            queries=one(f"({total(now(READY))} or vector(0)) / count({now(UP)})"),
            limits=at_least(0.5, 1),
            decimals=0,
            runbook="ServiceNotReady",
            empty="none scraped",
        ),
        stat(
            "Alerts firing",
            "Up: alerts of Prometheus that fire now, without the Watchdog, which always does.",
            unit="none",
            queries=one('count(ALERTS{alertstate="firing",alertname!="Watchdog"}) or vector(0)'),
            limits=NONE_OF_IT,
        ),
        stat(
            "Failed, 5 min",
            "Right: the share of prediction requests that the service failed to answer. Callers' bad pictures are not "
            "failures. Amber spends the budget faster than it lasts.",
            unit="percentunit",
            queries=one(ratio(_FAILED, f"({_ANSWERED} + {_FAILED})")),
            limits=at_most(AVAILABILITY.budget, threshold("HighPredictionErrorRate")),
            decimals=2,
            runbook="HighPredictionErrorRate",
            empty=_NOBODY,
        ),
        stat(
            "Unsure, 5 min",
            "Right: the share of predictions that were less confident than TAPETUM_LOW_CONFIDENCE. More than usual "
            "means other pictures than the model learned from.",
            unit="percentunit",
            queries=one(ratio(total(rate(LOW_CONFIDENCE, window="5m")), _ANSWERED)),
            limits=at_most(threshold("LowConfidence"), 0.5),
            decimals=1,
            runbook="LowConfidence",
            empty=_NOBODY,
        ),
        stat(
            "p95, 5 min",
            "Fast: 95 % of the predictions were answered within this time.",
            unit="s",
            queries=one(quantile(0.95, LATENCY, window="5m")),
            limits=at_most(SLOW_S / 2, threshold("HighPredictionLatency")),
            runbook="HighPredictionLatency",
            empty=_NOBODY,
        ),
        stat(
            "Fullest queue",
            "Full: pictures that wait or are computed, as a share of how many may, in the replica where it is highest. "
            "At 100 % callers are turned away.",
            unit="percentunit",
            queries=one(f"max({now(QUEUE)} / {now(QUEUE_LIMIT)})"),
            limits=at_most(0.5, threshold("QueueFull")),
            decimals=0,
            runbook="QueueFull",
        ),
        stat(
            "Fullest memory",
            "Full: memory in use as a share of the container's limit, or of the machine's, in the replica where it is "
            "highest. At 100 % the kernel kills.",
            unit="percentunit",
            queries=one(f"max({now(MEMORY_USED)} / {now(MEMORY_TOTAL)})"),
            limits=at_most(threshold("HighMemoryUsage"), threshold("CriticalMemoryUsage")),
            decimals=0,
            runbook="HighMemoryUsage",
        ),
        stat(
            "Budget left",
            f"Right, over 30 days or as long as Prometheus remembers: the share left of the failures that a goal of "
            f"{AVAILABILITY.goal:.1%} allows. At 0 changes should wait.",
            unit="percentunit",
            queries=one(budget_left(AVAILABILITY)),
            limits=at_least(0, 0.25),
            lowest=None,
            decimals=0,
            empty=_NOBODY,
        ),
    ),
)

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
            limits=NONE_OF_IT,
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
            "Answers by Status",
            "Answers a second, without probes and scrapes: 4xx is the caller's fault, 5xx ours.",
            "reqps",
            {
                f"{digit}xx": or_zero(total(rate(REQUESTS, f'{_ASKED},status=~"{digit}.."')), _ALL)
                for digit in (2, 4, 5)
            },
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
