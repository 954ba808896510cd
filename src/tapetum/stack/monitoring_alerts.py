"""Alerts on what watches: scraping, notifications, mails and logs. A watcher that fails must not fail silently."""

from tapetum.metrics import ALERTS_FAILED, LOG_DROPPED
from tapetum.stack.alert import IN_MLOPS, REPLICAS, WHO, Alert, Inputs, flat, replicas, rising, series
from tapetum.stack.promql import NODE_JOB, REPLICA, grown

_SECOND = IN_MLOPS | {"instance": REPLICAS[1]}
_MAILS = {"job": "alertmanager", "instance": "alertmanager:9093", "integration": "email"}
_REQUESTS = "alertmanager_notification_requests"


def _notifications(failed: float) -> Inputs:
    """An Alertmanager of two integrations that tries 10 times a minute each; so many mails fail."""
    hooks = _MAILS | {"integration": "webhook"}
    return {
        series(f"{_REQUESTS}_total", **_MAILS): rising(10),
        series(f"{_REQUESTS}_failed_total", **_MAILS): rising(failed),
        series(f"{_REQUESTS}_total", **hooks): rising(10),
        series(f"{_REQUESTS}_failed_total", **hooks): flat(0),
    }


def _share(window: str) -> str:
    failed, made = (
        f"sum by (job, instance, integration) (rate({_REQUESTS}_{kind}[{window}]))"
        for kind in ("failed_total", "total")
    )
    return f"{failed} / {made}"


def _nodes(job: str, first: int, second: int) -> Inputs:
    return {
        series("up", job=job, instance="a:9100"): flat(first),
        series("up", job=job, instance="b:9100"): flat(second),
    }


ALERTS = (
    Alert(
        "TargetDown",
        "warning",
        "Prometheus cannot scrape a target",
        f"min by ({REPLICA}) (up)",
        "<",
        1,
        3,
        f"The target {WHO} of job {{{{ $labels.job }}}} is known, but up is VALUE.",
        labels={"job": NODE_JOB, "instance": "b:9100"},
        value="0",
        firing=_nodes(NODE_JOB, 1, 0),
        quiet=(_nodes(NODE_JOB, 1, 1),),
    ),
    Alert(
        "NodeMetricsAbsent",
        "warning",
        "Prometheus knows no node exporter",
        f'(count(up{{job="{NODE_JOB}"}}) or vector(0))',
        "<",
        1,
        10,
        "VALUE targets of job node-exporter are known, so no alert on CPU, memory and disk can fire.",
        labels={},
        value="0",
        firing=_nodes("prometheus", 1, 1),
        quiet=({series("up", job=NODE_JOB, instance="a:9100"): flat(1)},),
    ),
    Alert(
        "NotificationsFailing",
        "critical",
        "More than THRESHOLD of Alertmanager's attempts to notify failed over 15 minutes",
        _share("15m"),
        ">",
        0.1,
        2,
        "VALUE of the attempts by {{ $labels.integration }} failed in the last 15 minutes: nobody is told that way.",
        unit="share",
        labels=_MAILS,
        value="11%",
        after=1,
        firing=_notifications(1.1),
        quiet=(_notifications(0.9),),
    ),
    Alert(
        "BuiltInMailsFailing",
        "warning",
        "The service gave up a mail of its own alerts within the last hour",
        grown(ALERTS_FAILED, "1h", by=REPLICA),
        ">=",
        1,
        0,
        f"{WHO} gave up VALUE mails after all attempts.",
        labels=_SECOND,
        value="1",
        after=11,
        firing=replicas(ALERTS_FAILED.name, flat(2), rising((0, 10), (1, 1), (0, 60))),
        quiet=(replicas(ALERTS_FAILED.name, flat(2), flat(0)),),
    ),
    Alert(
        "LogLinesDropped",
        "warning",
        "The service lost log lines within the last 15 minutes",
        grown(LOG_DROPPED, "15m", by=REPLICA),
        ">=",
        1,
        0,
        f"{WHO} lost VALUE lines, since they came faster than they could be written.",
        labels=_SECOND,
        value="1",
        after=11,
        firing=replicas(LOG_DROPPED.name, flat(2), rising((0, 10), (1, 1), (0, 60))),
        quiet=(replicas(LOG_DROPPED.name, flat(2), flat(0)),),
    ),
    Alert(
        "Watchdog",
        "none",
        "Always fires: where it stops, monitoring has stopped",
        "vector(1)",
        ">",
        0,
        0,
        "This alert goes all the way to you once a day, to show that alerts do.",
        labels={},
        value="1",
        firing={},
        quiet=(),
    ),
)
