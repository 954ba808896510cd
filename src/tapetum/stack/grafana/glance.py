"""The row to look at first: is it up, is it right, is it fast, is it full."""

from tapetum.metrics import (
    LATENCY,
    LOW_CONFIDENCE,
    MEMORY_TOTAL,
    MEMORY_USED,
    PREDICTIONS,
    QUEUE,
    QUEUE_LIMIT,
    READY,
)
from tapetum.stack.grafana.panels import NONE_OF_IT, Row, at_least, at_most, one, stat, threshold
from tapetum.stack.grafana.queries import UP, bad, budget_left, now, quantile, rate, ratio, total
from tapetum.stack.slo import OBJECTIVES, SLOW_S

_AVAILABILITY, _ = OBJECTIVES
_ANSWERED = total(rate(PREDICTIONS, window="5m"))
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
            queries=one(bad(_AVAILABILITY, "5m")),
            limits=at_most(_AVAILABILITY.budget, threshold("HighPredictionErrorRate")),
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
            f"{_AVAILABILITY.goal:.1%} allows. At 0 changes should wait.",
            unit="percentunit",
            queries=one(budget_left(_AVAILABILITY)),
            limits=at_least(0, 0.25),
            lowest=None,
            decimals=0,
            empty=_NOBODY,
        ),
    ),
)
