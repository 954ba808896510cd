"""What is told of the machine and of a container, whose control groups are laid out in a folder."""

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from tapetum import machine
from tapetum.watch.system import System


@dataclass
class Clock:
    """Time as the test wants it."""

    now: float = 100.0

    def __call__(self) -> float:
        return self.now


class Container:
    """A container of version 2 with a quota of half a core and 1 GB."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.group = root / "sys/fs/cgroup"
        self.group.mkdir(parents=True)
        (root / "proc/self").mkdir(parents=True)
        (root / "proc/self/cgroup").write_text("0::/\n")
        self.write("cpu.max", "50000 100000")
        self.write("memory.max", "1000000000")
        self.write("memory.current", "900000000")
        self.write("memory.stat", "inactive_file 150000000")

    def write(self, name: str, content: str) -> None:
        (self.group / name).write_text(content)

    def has_used(self, seconds: float) -> None:
        self.write("cpu.stat", f"usage_usec {round(seconds * 1e6)}\n")


@pytest.fixture
def container(tmp_path) -> Container:
    return Container(tmp_path)


@pytest.fixture
def nowhere(tmp_path) -> Path:
    """A root without control groups."""
    return tmp_path


def test_the_first_look_knows_no_share_of_the_processors(nowhere):
    cpu = System(nowhere).look().cpu

    assert (cpu.share, cpu.share_of_cores) == (None, {})
    assert cpu.cores == machine.cores(nowhere)


def test_the_second_look_knows_the_share_of_every_core(nowhere):
    system = System(nowhere)
    system.look()
    busy = [number for number in range(200_000) if number % 7 == 0]  # the kernel counts in hundredths of a second
    while not (cpu := system.look().cpu).share_of_cores:
        busy.reverse()

    assert cpu.share_of_cores.keys() <= os.sched_getaffinity(0)
    assert all(0 <= share <= 1 for share in cpu.share_of_cores.values())
    assert cpu.share == pytest.approx(sum(cpu.share_of_cores.values()) / len(cpu.share_of_cores))


@pytest.mark.parametrize(("used_s", "share"), [(0, 0), (1, 0.2), (2.5, 0.5), (5, 1), (5.2, 1)])
def test_a_container_is_measured_by_its_quota(container, used_s, share):
    clock = Clock()
    container.has_used(1000)
    system = System(container.root, clock=clock)
    system.look()
    container.has_used(1000 + used_s)
    clock.now += 10

    cpu = system.look().cpu

    assert cpu.share == pytest.approx(share)
    assert cpu.cores == 1


def test_memory_is_the_containers_where_it_has_a_limit(container):
    memory = System(container.root).look().memory

    assert (memory.used_bytes, memory.total_bytes, memory.share) == (750_000_000, 1_000_000_000, 0.75)


@pytest.mark.parametrize("limit", ["max", str(2**59)])
def test_memory_is_the_machines_where_the_container_has_none_or_more(container, limit):
    container.write("memory.max", limit)

    memory = System(container.root).look().memory

    assert memory.total_bytes == psutil.virtual_memory().total
    assert memory.share == memory.used_bytes / memory.total_bytes


def test_a_disk_is_full_when_nothing_more_can_be_written(tmp_path):
    disk = System(folder=tmp_path).look().disk

    space = os.statvfs(tmp_path)
    assert disk.total_bytes == pytest.approx(
        (space.f_blocks - space.f_bfree + space.f_bavail) * space.f_frsize, rel=0.05
    )
    assert disk.share == disk.used_bytes / disk.total_bytes


def test_what_the_system_does_not_tell_is_none_and_costs_nothing_else(tmp_path):
    figures = System(folder=tmp_path / "gone").look()

    assert figures.disk is None
    assert figures.memory is not None


def test_the_process_knows_itself():
    process = System().look().process

    assert process.pid == os.getpid()
    assert process.started < datetime.now(UTC)
    assert process.cpu_s > 0
    assert process.memory_bytes == pytest.approx(machine.memory_bytes(os.getpid()), rel=0.2)
    assert 0 < process.open_files < process.most_open_files


def test_counters_only_grow():
    system = System()
    first, second = system.look(), system.look()

    assert second.network.received_bytes >= first.network.received_bytes
    assert second.process.cpu_s >= first.process.cpu_s
    assert second.looked >= first.looked
