"""Alerts on the machines, each by itself, as node exporters report them."""

from tapetum.stack.alert import Alert, Inputs, flat, rising, series
from tapetum.stack.promql import NODE_JOB
from tapetum.stack.recording import NODE_CPU, NODE_DISK, NODE_MEMORY

_NODES = ("a:9100", "b:9100")
_SECOND = {"job": NODE_JOB, "instance": _NODES[1]}
_ON = "{{ or $labels.node $labels.instance }}"


def _of(name: str, first: str, second: str, **labels: str) -> Inputs:
    return {
        series(name, job=NODE_JOB, instance=node, **labels): value
        for node, value in zip(_NODES, (first, second), strict=True)
    }


def _cpu(second: float) -> Inputs:
    """Two machines of two cores; the first is idle, the second busy for a share of the time."""
    found: Inputs = {}
    for core in "01":
        idle = rising(60 * (1 - second) - 1)  # and one second a minute waiting for a disk
        found |= _of("node_cpu_seconds_total", rising(59), idle, cpu=core, mode="idle")
        found |= _of("node_cpu_seconds_total", rising(1), rising(1), cpu=core, mode="iowait")
        found |= _of("node_cpu_seconds_total", flat(0), rising(60 * second), cpu=core, mode="user")
    return found


def _memory(second: float) -> Inputs:
    total = _of("node_memory_MemTotal_bytes", flat(8e9), flat(8e9))
    return total | _of("node_memory_MemAvailable_bytes", flat(6e9), flat(8e9 * (1 - second)))


def _disk(second: float) -> Inputs:
    """A disk that is mounted twice, and a full file system that is no disk."""
    found: Inputs = {}
    for place in ("/", "/var/lib/prometheus"):
        where = {"device": "/dev/sda1", "fstype": "ext4", "mountpoint": place}
        found |= _of("node_filesystem_size_bytes", flat(100e9), flat(100e9), **where)
        found |= _of("node_filesystem_avail_bytes", flat(70e9), flat(100e9 * (1 - second)), **where)
    other = {"device": "loop0", "fstype": "squashfs", "mountpoint": "/snap/x"}
    found |= _of("node_filesystem_size_bytes", flat(1e8), flat(1e8), **other)
    return found | _of("node_filesystem_avail_bytes", flat(0), flat(0), **other)


ALERTS = (
    Alert(
        "HighCPUUsage",
        "warning",
        "A machine's processors are busy for more than THRESHOLD of the time",
        NODE_CPU.name,
        ">",
        0.8,
        10,
        f"The processors of {_ON} were busy for VALUE of the last 5 minutes.",
        unit="share",
        topic="cpu",
        labels=_SECOND,
        value="81%",
        after=1,
        firing=_cpu(0.81),
        quiet=(_cpu(0.79),),
    ),
    Alert(
        "CriticalCPUUsage",
        "critical",
        "A machine's processors are busy for more than THRESHOLD of the time",
        NODE_CPU.name,
        ">",
        0.95,
        10,
        f"The processors of {_ON} were busy for VALUE of the last 5 minutes.",
        unit="share",
        topic="cpu",
        labels=_SECOND,
        value="96%",
        after=1,
        firing=_cpu(0.96),
        quiet=(_cpu(0.94),),
    ),
    Alert(
        "HighMemoryUsage",
        "warning",
        "More than THRESHOLD of a machine's memory is in use",
        NODE_MEMORY.name,
        ">",
        0.8,
        5,
        f"VALUE of the memory of {_ON} is in use and cannot be given back.",
        unit="share",
        topic="memory",
        labels=_SECOND,
        value="81%",
        firing=_memory(0.81),
        quiet=(_memory(0.79),),
    ),
    Alert(
        "CriticalMemoryUsage",
        "critical",
        "More than THRESHOLD of a machine's memory is in use",
        NODE_MEMORY.name,
        ">",
        0.95,
        2,
        f"VALUE of the memory of {_ON} is in use and cannot be given back: processes will be killed soon.",
        unit="share",
        topic="memory",
        labels=_SECOND,
        value="96%",
        firing=_memory(0.96),
        quiet=(_memory(0.94),),
    ),
    Alert(
        "HighDiskUsage",
        "warning",
        "More than THRESHOLD of a disk is in use",
        NODE_DISK.name,
        ">",
        0.8,
        5,
        f"VALUE of {{{{ $labels.device }}}} on {_ON} is in use.",
        unit="share",
        labels=_SECOND | {"device": "/dev/sda1"},
        value="81%",
        firing=_disk(0.81),
        quiet=(_disk(0.79),),
    ),
)
