"""Rows of GPUs, of the log, and of how alerts reach people."""

from tapetum.metrics import (
    ALERTS_FAILED,
    ALERTS_FIRING,
    ALERTS_SENT,
    ALERTS_SUPPRESSED,
    GPU_MEMORY_TOTAL,
    GPU_MEMORY_USED,
    GPU_POWER,
    GPU_TEMPERATURE,
    GPU_USE,
    LOG_DROPPED,
    LOG_FILE_SIZE,
    LOG_HANDLER_ERRORS,
    LOG_HANDLER_UP,
    LOG_LINES,
)
from tapetum.stack.grafana.colours import BAD, GOOD
from tapetum.stack.grafana.panels import NONE_OF_IT, Limits, Row, chart, one, stat, threshold
from tapetum.stack.grafana.queries import grown, now, rate, total

_NO_GPU = "no NVIDIA GPU"
_GPU = "{{instance}} gpu {{gpu}}"
_BY_GPU = "instance, gpu"

GPU = Row(
    "GPU",
    (
        chart(
            "GPU Utilisation",
            "Share of time that each GPU computed.",
            "percentunit",
            {_GPU: f"max by ({_BY_GPU}) ({now(GPU_USE)})"},
            width=6,
            highest=1,
            empty=_NO_GPU,
        ),
        chart(
            "GPU Memory",
            "Memory in use as a share of what each GPU has. A full one fails requests at once.",
            "percentunit",
            {_GPU: f"max by ({_BY_GPU}) ({now(GPU_MEMORY_USED)} / {now(GPU_MEMORY_TOTAL)})"},
            width=6,
            highest=1,
            limits=Limits(steps=((threshold("GpuMemoryFull"), BAD),)),
            runbook="GpuMemoryFull",
            empty=_NO_GPU,
        ),
        chart(
            "GPU Temperature",
            "Temperature of each GPU; most slow down from about 85 to 90 °C on.",
            "celsius",
            {_GPU: f"max by ({_BY_GPU}) ({now(GPU_TEMPERATURE)})"},
            width=6,
            limits=Limits(steps=((threshold("GpuHot"), BAD),)),
            runbook="GpuHot",
            empty=_NO_GPU,
        ),
        chart(
            "GPU Power",
            "Power that each GPU draws.",
            "watt",
            {_GPU: f"max by ({_BY_GPU}) ({now(GPU_POWER)})"},
            width=6,
            empty=_NO_GPU,
        ),
    ),
    is_collapsed=True,
)

LOGGING = Row(
    "Logging",
    (
        stat(
            "Lines Dropped",
            "Lines lost in the time shown, since the queue of lines was full: a destination is too slow.",
            unit="short",
            queries=one(f"round({total(grown(LOG_DROPPED))})"),
            limits=NONE_OF_IT,
            width=6,
        ),
        chart(
            "Log Lines by Level",
            "Lines a second, by level.",
            "suffix:/s",
            {"{{level}}": total(rate(LOG_LINES), by="level")},
            width=6,
        ),
        chart(
            "Lines a Destination Failed to Take",
            "Lines a second, by destination. A full disk or a dead syslog shows here, and predictions go on.",
            "suffix:/s",
            {"{{handler}}": total(rate(LOG_HANDLER_ERRORS), by="handler")},
            width=6,
            empty="no destination",
        ),
        chart(
            "Log File",
            "Size of each replica's log file, which falls back to 0 when it is rotated.",
            "bytes",
            {"{{instance}}": now(LOG_FILE_SIZE)},
            width=6,
            empty="no log file",
        ),
        stat(
            "Destinations",
            "Whether lines reach every destination, on every replica; the panel beside says which do not.",
            unit="none",
            queries=one(f"min({now(LOG_HANDLER_UP)})"),
            limits=Limits(BAD, ((1, GOOD),)),
            words=((0, "some down"), (1, "all up")),
            width=6,
        ),
    ),
    is_collapsed=True,
)

DELIVERY = Row(
    "Alert delivery",
    (
        stat(
            "Watchdog",
            "An alert that always fires: where it is missing, Prometheus does not evaluate its rules, and no alert "
            "will come.",
            unit="none",
            queries=one('count(ALERTS{alertstate="firing",alertname="Watchdog"}) or vector(0)'),
            limits=Limits(BAD, ((1, GOOD),)),
            words=((0, "missing"), (1, "alive")),
            width=8,
            runbook="Watchdog",
        ),
        chart(
            "Alerts by Name",
            "Alerts of Prometheus that fire, by name, without the Watchdog.",
            "none",
            {"{{alertname}}": 'count by (alertname) (ALERTS{alertstate="firing",alertname!="Watchdog"})'},
            decimals=0,
            is_stacked=True,
            empty="none fires",
        ),
        chart(
            "Notifications of Alertmanager",
            "Notifications in ten minutes, by way; every failed one is an alert that nobody saw.",
            "none",
            {
                f"{{{{integration}}}} {word}": "round(sum by (integration) "
                f"(increase(alertmanager_notifications{kind}_total[10m])))"
                for word, kind in (("sent", ""), ("failed", "_failed"))
            },
            decimals=0,
            runbook="NotificationsFailing",
            empty="no Alertmanager",
        ),
        stat(
            "Notifications Failed",
            "Notifications that Alertmanager failed to deliver in the time shown.",
            unit="short",
            queries=one("round(sum(increase(alertmanager_notifications_failed_total[$__range])))"),
            limits=NONE_OF_IT,
            width=8,
            runbook="NotificationsFailing",
            empty="no Alertmanager",
        ),
        chart(
            "Built-in Alerts",
            "Alerts of the service itself that fire, on how many replicas. They are off in a cluster, where "
            "Alertmanager mails.",
            "none",
            {"{{alert}}": total(now(ALERTS_FIRING), by="alert")},
            decimals=0,
            is_stacked=True,
            width=12,
            empty="switched off",
        ),
        chart(
            "Mails of the Service",
            "Mails of the built-in alerts in ten minutes: sent, given up after all attempts, held back by a cooldown.",
            "none",
            {
                "sent": f"round({total(grown(ALERTS_SENT, window='10m'))})",
                "failed": f"round({total(grown(ALERTS_FAILED, window='10m'))})",
                "suppressed": f"round({total(grown(ALERTS_SUPPRESSED, window='10m'))})",
            },
            decimals=0,
            width=12,
            empty="switched off",
        ),
    ),
    is_collapsed=True,
)
