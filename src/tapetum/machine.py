"""What this machine gives the process."""

import os
import sys

KEEP = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "100000000000"}


def cores() -> int:
    """How many cores the process may run on, by its affinity."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


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


def environment() -> dict[str, str]:
    """The environment for a process that shall hand its memory back, such as a service."""
    return {name: value for name, value in os.environ.items() if name not in KEEP}
