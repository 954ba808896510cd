"""Rows of how much the service takes: queue and workers, sizes, and its machine or container."""

from tapetum.metrics import (
    CPU,
    DISK_TOTAL,
    DISK_USED,
    IN_FLIGHT,
    MEMORY_TOTAL,
    MEMORY_USED,
    PROCESS_CPU,
    PROCESS_FILES,
    PROCESS_FILES_LIMIT,
    PROCESS_MEMORY,
    QUEUE,
    QUEUE_AGE,
    QUEUE_LIMIT,
    REQUEST_SIZE,
    RESPONSE_SIZE,
    SHED,
    WORKER_MEMORY,
    WORKERS,
    WORKERS_REPLACED,
    WORKERS_WANTED,
)
from tapetum.stack.grafana.colours import BAD, WARN
from tapetum.stack.grafana.panels import Limits, Row, chart, threshold
from tapetum.stack.grafana.queries import grown, now, quantile, rate, total

_FULL = Limits(steps=((0.8, WARN), (0.95, BAD)))

QUEUE_AND_WORKERS = Row(
    "Queue and workers",
    (
        chart(
            "Pictures in the Queue",
            "Pictures that wait or are computed, on all replicas together, and how many may. At the limit callers are "
            "turned away with 503.",
            "none",
            {"pictures": total(now(QUEUE)), "limit": total(now(QUEUE_LIMIT))},
        ),
        chart(
            "Oldest Wait",
            "How long the first picture in each replica's queue waits.",
            "s",
            {"{{instance}}": now(QUEUE_AGE)},
        ),
        chart(
            "Turned Away",
            "Prediction requests a second that were given up without an answer, by reason.",
            "reqps",
            {"{{reason}}": total(rate(SHED), by="reason")},
            empty="none yet",
        ),
        chart(
            "Requests in Flight",
            "Requests whose answer has not ended, by replica; an uneven spread points at the balancer.",
            "none",
            {"{{instance}}": now(IN_FLIGHT)},
        ),
        chart(
            "Workers",
            "Processes that take pictures, and how many should. Below for minutes: look for what kills them.",
            "none",
            {"desired": total(now(WORKERS_WANTED)), "ready": total(now(WORKERS))},
            decimals=0,
        ),
        chart(
            "Workers Replaced",
            "Processes that died or hung and were replaced, in 30 minutes, by replica. One may be a hostile picture; "
            "many are a fault of ours, or too little memory.",
            "none",
            {"{{instance}}": f"round({grown(WORKERS_REPLACED, window='30m')})"},
            decimals=0,
            limits=Limits(steps=((threshold("WorkersReplaced"), BAD),)),
            runbook="WorkersReplaced",
        ),
    ),
)

SIZES = Row(
    "Sizes",
    (
        chart(
            "Request Size",
            "Bytes of a request's body, all routes together; the buckets are coarse, factors of ten.",
            "bytes",
            {"p50": quantile(0.5, REQUEST_SIZE), "p95": quantile(0.95, REQUEST_SIZE)},
            empty="nobody asks",
        ),
        chart(
            "Response Size",
            "Bytes of an answer's body, all routes together, scrapes too.",
            "bytes",
            {"p50": quantile(0.5, RESPONSE_SIZE), "p95": quantile(0.95, RESPONSE_SIZE)},
            empty="nobody asks",
        ),
        chart(
            "Bytes of Bodies",
            "Bytes a second in requests and in answers.",
            "Bps",
            {
                "received": total(rate(REQUEST_SIZE, suffix="_sum")),
                "sent": total(rate(RESPONSE_SIZE, suffix="_sum")),
            },
        ),
    ),
)

CONTAINER = Row(
    "Container or machine, as each replica sees it",
    (
        chart(
            "Processors",
            "Share of the cores that a replica may use that is in use. Full for long: more replicas.",
            "percentunit",
            {"{{instance}}": now(CPU)},
            limits=_FULL,
            highest=1,
            runbook="HighCPUUsage",
        ),
        chart(
            "Memory",
            "Memory in use as a share of the container's limit, or of the machine's. At 100 % the kernel kills.",
            "percentunit",
            {"{{instance}}": f"{now(MEMORY_USED)} / {now(MEMORY_TOTAL)}"},
            limits=_FULL,
            highest=1,
            runbook="HighMemoryUsage",
        ),
        chart(
            "Disk",
            "Space in use on the disk of the working folder, where a log file grows.",
            "percentunit",
            {"{{instance}}": f"{now(DISK_USED)} / {now(DISK_TOTAL)}"},
            limits=_FULL,
            highest=1,
            runbook="HighDiskUsage",
        ),
        chart(
            "Memory of the Service",
            "Resident memory of all replicas: the process that speaks HTTP, and its workers. A line that only climbs "
            "is a leak.",
            "bytes",
            {"front": total(now(PROCESS_MEMORY)), "workers": total(now(WORKER_MEMORY))},
            is_stacked=True,
        ),
        chart(
            "Processor of the Front",
            "Share of a core that the process which speaks HTTP keeps busy, by replica. It has one, so near 100 % it "
            "is what limits.",
            "percentunit",
            {"{{instance}}": rate(PROCESS_CPU)},
            limits=Limits(steps=((0.9, WARN),)),
            decimals=2,
        ),
        chart(
            "Open Files",
            "Files and connections that the front has open, as a share of what it may.",
            "percentunit",
            {"{{instance}}": f"{now(PROCESS_FILES)} / {now(PROCESS_FILES_LIMIT)}"},
            limits=_FULL,
            highest=1,
        ),
    ),
)
