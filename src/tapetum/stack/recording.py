"""Recording rules: what alerts and panels share, computed once."""

from dataclasses import dataclass

from tapetum.metrics import LATENCY, PREDICTIONS
from tapetum.stack.promql import NODE_JOB, rate
from tapetum.stack.slo import OBJECTIVES, WINDOWS


@dataclass(frozen=True)
class Recording:
    """A query by its name: level, what, and how it was made of it."""

    name: str
    expr: str


def _quantile(percent: int) -> Recording:
    buckets = rate(LATENCY, "5m", by="job, namespace, le", suffix="_bucket")
    return Recording(f"namespace:{LATENCY.name}:p{percent}_rate5m", f"histogram_quantile({percent / 100:g}, {buckets})")


P50, P95, P99 = _quantile(50), _quantile(95), _quantile(99)
PREDICTIONS_RATE = Recording("namespace:predictions:rate5m", rate(PREDICTIONS, "5m"))

_NODE = f'job="{NODE_JOB}"'
_IDLE = f'sum by (job, instance, node, cpu) (rate(node_cpu_seconds_total{{{_NODE},mode=~"idle|iowait|steal"}}[5m]))'
_DISKS = f'{{{_NODE},fstype!~"tmpfs|ramfs|squashfs|iso9660|erofs"}}'

NODE_CPU = Recording("instance:node_cpu_used:ratio_rate5m", f"1 - avg by (job, instance, node) ({_IDLE})")
NODE_MEMORY = Recording(
    "instance:node_memory_used:ratio",
    f"1 - node_memory_MemAvailable_bytes{{{_NODE}}} / node_memory_MemTotal_bytes{{{_NODE}}}",
)
# One disk may be mounted at many places. What is kept for root alone is not free.
NODE_DISK = Recording(
    "instance:node_disk_used:ratio",
    "max by (job, instance, node, device) "
    f"(1 - node_filesystem_avail_bytes{_DISKS} / node_filesystem_size_bytes{_DISKS})",
)

SERVICE = (
    PREDICTIONS_RATE,
    P50,
    P95,
    P99,
    *(
        Recording(objective.recorded(window), objective.ratio.replace("WINDOW", window))
        for objective in OBJECTIVES
        for window in WINDOWS
    ),
)
NODE = (NODE_CPU, NODE_MEMORY, NODE_DISK)
