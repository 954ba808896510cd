"""What the machine is, and how many cores there really are, read from folders laid out as a kernel lays them out."""

import os
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import pytest

from tapetum import __version__, machine


@pytest.fixture
def kernel(tmp_path: Path):
    """Write files under a root, by their absolute paths."""

    def write(**contents: str) -> Path:
        for name, content in contents.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        return tmp_path

    return write


@pytest.fixture(autouse=True)
def many_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """An affinity of 64, so that the quota decides on any machine."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(64)))


V2 = {"proc/self/cgroup": "0::/kubepods/pod7\n"}
V1 = {"proc/self/cgroup": "5:memory:/docker/a\n4:cpu,cpuacct:/docker/a\n0::/init\n"}


@pytest.mark.parametrize(
    ("limit", "expected"),
    [("max 100000", 64), ("300000 100000", 3), ("250000 100000", 2), ("50000 100000", 1), ("150000 50000", 3)],
)
def test_a_quota_of_version_2_counts_whole_cores(kernel, limit, expected):
    assert machine.cores(kernel(**V2, **{"sys/fs/cgroup/kubepods/pod7/cpu.max": limit})) == expected


def test_the_tightest_group_on_the_way_up_decides(kernel):
    limits = {"sys/fs/cgroup/kubepods/pod7/cpu.max": "max 100000", "sys/fs/cgroup/kubepods/cpu.max": "400000 100000"}

    assert machine.cores(kernel(**V2, **limits)) == 4


@pytest.mark.parametrize(("quota", "expected"), [("-1", 64), ("350000", 3), ("20000", 1)])
def test_a_quota_of_version_1_counts_whole_cores(kernel, quota, expected):
    group = "sys/fs/cgroup/cpu,cpuacct/docker/a"
    limits = {f"{group}/cpu.cfs_quota_us": quota, f"{group}/cpu.cfs_period_us": "100000"}

    assert machine.cores(kernel(**V1, **limits)) == expected


def test_a_container_that_sees_only_its_own_group_at_the_top_is_read_there(kernel):
    limits = {"sys/fs/cgroup/cpu.max": "200000 100000"}

    assert machine.cores(kernel(**V2, **limits)) == 2


def test_without_control_groups_the_affinity_decides(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {3, 5})

    assert machine.cores(tmp_path) == 2


def test_the_memory_of_this_process_is_known_and_that_of_none_is_0():
    assert 1e6 < machine.memory_bytes(os.getpid()) < 1e12
    assert machine.memory_bytes(2**22 + 1) == 0


def test_a_measurement_can_say_what_it_was_made_on():
    found = machine.description()

    assert found["tapetum"] == __version__
    assert found["openvino"] == version("openvino")
    assert found["cores"] == str(machine.cores())
    assert all(found.values())
    assert {"processor", "system", "python", "numpy", "pillow", "torch"} <= found.keys()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the system does not tell")
def test_the_processor_time_of_a_process_is_known_while_it_lives():
    before = time.process_time()
    found = machine.cpu_s(os.getpid())
    with subprocess.Popen(["true"]) as ended:
        ended.wait()

    assert found is not None
    assert before <= found <= time.process_time()
    assert machine.cpu_s(ended.pid) is None
