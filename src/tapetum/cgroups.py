"""What the control groups (version 2 or 1) of this process allow and have used: the limits of its container."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

UNLIMITED = 2**60  # version 1 writes a number like this where there is no limit of memory


class Use(NamedTuple):
    """What a group has used, and what it may: seconds of processors and cores, or bytes and bytes."""

    used: float
    limit: float


def cores(root: Path = Path("/")) -> float | None:
    """How many cores the tightest quota allows; None without one. `root` is where /proc and /sys begin."""
    return min((quota for _, quota in _quotas(root)), default=None)


def processors(root: Path = Path("/")) -> Use | None:
    """Processor time in seconds of the group with the tightest quota, and that quota in cores; None without one."""
    group, quota = min(_quotas(root), key=lambda found: found[1], default=(None, 0.0))
    if group is None:
        return None
    with suppress(OSError, KeyError, ValueError):
        return Use(_counts(group / "cpu.stat")["usage_usec"] / 1e6, quota)
    with suppress(OSError, ValueError):
        return Use(int((group / "cpuacct.usage").read_text()) / 1e9, quota)
    return None


def memory(root: Path = Path("/")) -> Use | None:
    """Bytes in use of the group with the tightest limit, and that limit; None without one.

    As orchestrators count it, what the kernel would give back at once, files
    read long ago, is not in use.
    """
    found: list[Use] = []
    for version, group in _groups("memory", root):
        limit, used, idle = (
            ("memory.max", "memory.current", "inactive_file")
            if version == 2
            else ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        )
        with suppress(OSError, KeyError, ValueError):  # no such group, no limit here ("max"), or a root without files
            most = int((group / limit).read_text())
            if most < UNLIMITED:
                held = int((group / used).read_text()) - _counts(group / "memory.stat")[idle]
                found.append(Use(max(held, 0), most))
    return min(found, key=lambda use: use.limit, default=None)


def _quotas(root: Path) -> Iterator[tuple[Path, float]]:
    """Each group with a quota, and that quota in cores."""
    for version, group in _groups("cpu", root):
        names = ("cpu.max",) if version == 2 else ("cpu.cfs_quota_us", "cpu.cfs_period_us")
        with suppress(OSError, ValueError):  # no such group, no limit here ("max"), or a root without these files
            quota_us, period_us = " ".join((group / name).read_text() for name in names).split()
            if int(quota_us) > 0:
                yield group, int(quota_us) / int(period_us)


def _groups(controller: str, root: Path) -> Iterator[tuple[int, Path]]:
    """Version and folder of each group that the process is in, from its own up to the top, whether it exists or not."""
    try:
        memberships = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    mount = root / "sys/fs/cgroup"
    for line in memberships:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            version, top = 2, mount
        elif controller in controllers.split(","):
            version, top = 1, mount / controllers
        else:
            continue
        own = top / path.strip("/")
        # Inside a container the path may be the host's, which is not mounted there: then only the top exists.
        for group in (own, *own.parents):
            if not group.is_relative_to(top):
                break
            yield version, group


def _counts(file: Path) -> dict[str, int]:
    """The lines of a file of names and numbers."""
    return {name: int(count) for name, count in (line.split() for line in file.read_text().splitlines())}
