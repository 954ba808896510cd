"""The machine, or the container that this process is in, and the process itself."""

import os
import platform
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any, NamedTuple, TypeVar

import psutil

from tapetum import cgroups, machine
from tapetum.watch.system_figures import Cpu, Disk, DiskIo, Memory, Network, Process, SystemFigures

# What these do stands in the figures of the disks below them, or is no disk at all.
_NOT_DISKS = ("loop", "ram", "zram", "dm-", "md")
_LOOPBACK = ("lo", "lo0")

Fact = TypeVar("Fact")


class _Busy(NamedTuple):
    """Seconds until now: of the clock, of the container's processors, and busy and whole ones of each core."""

    at: float
    container: cgroups.Use | None
    cores: dict[int, tuple[float, float]]


class System:
    """What can be told at a look; shares of processors are those since the look before, so one reader may look.

    `root` is where /proc and /sys begin, `folder` stands for a disk.
    """

    def __init__(self, root: Path = Path("/"), folder: Path = Path(), clock: Callable[[], float] = monotonic) -> None:
        self._root = root
        self._folder = folder
        self._clock = clock
        self._processor = machine.processor()
        self._process = psutil.Process()
        self._before: _Busy | None = None

    def look(self) -> SystemFigures:
        """All of it, as it is now."""
        return SystemFigures(
            host=platform.node(),
            processor=self._processor,
            looked=datetime.now(UTC),
            cpu=self._cpu(),
            memory=_known(self._memory),
            disk=_known(self._disk),
            disk_io=_known(_disk_io),
            network=_known(_network),
            process=_known(self._own),
        )

    def _cpu(self) -> Cpu:
        before, now = self._before, self._busy()
        self._before = now
        shares = _shares(before.cores, now.cores) if before else {}
        share = sum(shares.values()) / len(shares) if shares else None
        if before is not None and now.container is not None:
            share = _container_share(before, now)
        return Cpu(
            cores=machine.cores(self._root),
            share=share,
            share_of_cores=shares,
            load=_known(psutil.getloadavg),
        )

    def _busy(self) -> _Busy:
        times = _known(lambda: psutil.cpu_times(percpu=True)) or []
        allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(len(times))
        cores = {number: _core(core) for number, core in enumerate(times) if number in allowed}
        return _Busy(self._clock(), cgroups.processors(self._root), cores)

    def _memory(self) -> Memory:
        own = cgroups.memory(self._root)
        whole = psutil.virtual_memory()
        if own is not None and own.limit < whole.total:
            used, total = int(own.used), int(own.limit)
        else:
            used, total = whole.total - whole.available, whole.total
        return Memory(used_bytes=used, total_bytes=total, share=used / total)

    def _disk(self) -> Disk:
        space = psutil.disk_usage(str(self._folder))
        # What is kept for root alone cannot be written: a disk is full before `total` is reached.
        total = space.used + space.free
        return Disk(used_bytes=space.used, total_bytes=total, share=space.used / total if total else 1.0)

    def _own(self) -> Process:
        process = self._process
        with process.oneshot():
            times = process.cpu_times()
            return Process(
                pid=process.pid,
                started=datetime.fromtimestamp(process.create_time(), UTC),
                cpu_s=times.user + times.system,
                memory_bytes=process.memory_info().rss,
                open_files=process.num_fds() if hasattr(process, "num_fds") else None,
                most_open_files=process.rlimit(psutil.RLIMIT_NOFILE)[0] if hasattr(process, "rlimit") else None,
            )


def _core(times: Any) -> tuple[float, float]:
    """Busy and whole seconds of a core; Linux counts a guest's time as the host's too."""
    whole = sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
    return whole - times.idle - getattr(times, "iowait", 0.0), whole


def _shares(before: dict[int, tuple[float, float]], now: dict[int, tuple[float, float]]) -> dict[int, float]:
    """The share of each core in use between two looks; a core that came, or whose time stood still, has none."""
    spent = {
        number: (busy - before[number][0], whole - before[number][1])
        for number, (busy, whole) in now.items()
        if number in before
    }
    return {number: _within_1(busy / whole) for number, (busy, whole) in spent.items() if whole > 0}


def _container_share(before: _Busy, now: _Busy) -> float | None:
    """The share of the container's quota in use between two looks."""
    if before.container is None or now.container is None or now.at <= before.at:
        return None
    return _within_1((now.container.used - before.container.used) / (now.at - before.at) / now.container.limit)


def _within_1(share: float) -> float:
    # A quota may be overdrawn for a moment, and the kernel's counters of idle time may step back.
    return min(max(share, 0.0), 1.0)


def _disk_io() -> DiskIo | None:
    disks = [counts for name, counts in psutil.disk_io_counters(perdisk=True).items() if _is_disk(name)]
    if not disks:
        return None
    return DiskIo(
        read_bytes=sum(disk.read_bytes for disk in disks), written_bytes=sum(disk.write_bytes for disk in disks)
    )


def _is_disk(name: str) -> bool:
    is_whole = sys.platform != "linux" or Path("/sys/block", name.replace("/", "!")).exists()
    return is_whole and not name.startswith(_NOT_DISKS)


def _network() -> Network | None:
    links = [counts for name, counts in psutil.net_io_counters(pernic=True).items() if name not in _LOOPBACK]
    if not links:
        return None
    return Network(
        received_bytes=sum(link.bytes_recv for link in links), sent_bytes=sum(link.bytes_sent for link in links)
    )


def _known(ask: Callable[[], Fact]) -> Fact | None:
    """What the system says; None where it does not let us know, which must not cost the other figures."""
    try:
        return ask()
    except (OSError, psutil.Error, NotImplementedError):
        return None
