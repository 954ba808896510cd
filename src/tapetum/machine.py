"""What this machine gives the process."""

import gc
import os
import platform
import sys
import time
from contextlib import suppress
from importlib import metadata
from pathlib import Path

from tapetum import __version__, cgroups

KEEP = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "100000000000"}
_USUAL = gc.get_threshold()
_LOWEST_PRIORITY = 19
_OF_ITS_THREADS = 2
_LIBRARIES = ("numpy", "pillow", "openvino", "torch")


def cores(root: Path = Path("/")) -> int:
    """How many cores the process may keep busy: the least that its affinity and its control groups allow.

    A quota of 2.5 cores counts as 2: a third thread would be paid for by all of
    them standing still once the quota of a period is spent. `root` is where
    /proc and /sys begin.
    """
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, int(min(affinity, cgroups.cores(root) or affinity)))


def memory_bytes(pid: int) -> int:
    """Resident memory of a process; 0 where the system does not tell, or the process is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0


def cpu_s(pid: int) -> float | None:
    """Processor time of a process so far, in seconds; None where the system does not tell, or the process is gone."""
    if sys.platform != "linux":
        return None
    try:
        return time.clock_gettime(~pid << 3 | _OF_ITS_THREADS)  # as clock_getcpuclockid(3) makes it
    except OSError:
        return None


def has_bf16() -> bool:
    """Whether the processor computes in bf16 itself; OpenVINO is the portable way to ask."""
    import openvino  # 0.2 s that only its callers should pay

    return "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def keep_freed_memory() -> None:
    """Start the process anew with glibc told not to hand large buffers back to the kernel.

    Training frees and takes hundreds of megabytes a step; faulting them in again
    more than halves its speed. glibc reads these variables only at start.
    """
    if sys.platform == "linux" and not KEEP.keys() & os.environ.keys():
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], os.environ | KEEP)


def collect_seldom() -> None:
    """Have Python look for unreachable cycles after 500,000 new objects, not after 700.

    Importing torch, MLflow or FastAPI makes none and keeps all its objects, of the
    first two 380,000: looking for them takes a quarter of its processor time.
    """
    gc.set_threshold(500_000)


def collect_as_usual() -> None:
    """Undo `collect_seldom`."""
    gc.set_threshold(*_USUAL)


def yield_processors(pid: int) -> None:
    """Let a process of one's own have only the time that no other wants, all its threads and those to come.

    On Linux a thread that wakes takes the core from it at once. Where the system groups processes by session, priority
    counts within a group alone, so the group gets the lowest too.
    """
    with suppress(OSError):
        if sys.platform != "linux":
            os.setpriority(os.PRIO_PROCESS, pid, _LOWEST_PRIORITY)
            return
        for thread in os.listdir(f"/proc/{pid}/task"):
            with suppress(OSError):  # that has ended meanwhile
                os.sched_setscheduler(int(thread), os.SCHED_IDLE, os.sched_param(0))
        Path(f"/proc/{pid}/autogroup").write_text(str(_LOWEST_PRIORITY))


def environment() -> dict[str, str]:
    """The environment for a process that shall hand its memory back, such as a service."""
    return {name: value for name, value in os.environ.items() if name not in KEEP}


def description() -> dict[str, str]:
    """What a measurement was made on: processor, cores, system, and versions of what decodes and computes."""
    installed = {name: _version(name) for name in _LIBRARIES}
    return {
        "processor": processor(),
        "cores": str(cores()),
        "system": platform.platform(terse=True),
        "tapetum": __version__,
        "python": platform.python_version(),
    } | {name: version for name, version in installed.items() if version}


def processor() -> str:
    """The name that Linux gives it, or the kind of machine."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def _version(library: str) -> str:
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return ""
