"""What control groups allow and have used, read from folders laid out as a kernel lays them out."""

from pathlib import Path

import pytest

from tapetum import cgroups

UNLIMITED_V1 = "9223372036854771712\n"


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


def v2(group: str = "", **files: str) -> dict[str, str]:
    """Files of a group of version 2, in which the process is."""
    within = {f"sys/fs/cgroup{group}/{name.replace('_', '.', 1)}": content for name, content in files.items()}
    return {"proc/self/cgroup": f"0::{group or '/'}\n", **within}


def v1(controller: str, **files: str) -> dict[str, str]:
    """Files of a group of version 1, in which the process is."""
    within = {f"sys/fs/cgroup/{controller}/docker/a/{name.replace('_', '.', 1)}": text for name, text in files.items()}
    return {"proc/self/cgroup": f"4:{controller}:/docker/a\n0::/init\n", **within}


STAT = "anon 700\nfile 300\ninactive_file 250\n"


def test_memory_of_version_2_is_without_files_read_long_ago(kernel):
    root = kernel(**v2("/kubepods/a", memory_max="2000\n", memory_current="1000\n", memory_stat=STAT))

    assert cgroups.memory(root) == (750, 2000)


def test_memory_of_version_1_is_too(kernel):
    stat = "inactive_file 1\ntotal_inactive_file 400\n"
    files = v1("memory", memory_limit_in_bytes="2000\n", memory_usage_in_bytes="1000\n", memory_stat=stat)

    assert cgroups.memory(kernel(**files)) == (600, 2000)


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"proc/self/cgroup": "0::/\n"},
        v2(memory_max="max\n", memory_current="1000\n", memory_stat=STAT),
        v1(
            "memory",
            memory_limit_in_bytes=UNLIMITED_V1,
            memory_usage_in_bytes="1\n",
            memory_stat="total_inactive_file 0",
        ),
    ],
    ids=["no groups", "no files", "no limit", "no limit of version 1"],
)
def test_without_a_limit_there_is_no_memory_of_a_container(kernel, files):
    assert cgroups.memory(kernel(**files)) is None


def test_the_tightest_limit_of_memory_on_the_way_up_decides(kernel):
    above = v2("/pod", memory_max="3000\n", memory_current="900\n", memory_stat="inactive_file 0\n")
    own = v2("/pod/a", memory_max="5000\n", memory_current="100\n", memory_stat="inactive_file 0\n")

    assert cgroups.memory(kernel(**above | own)) == (900, 3000)


def test_processor_time_of_version_2_comes_with_its_quota(kernel):
    root = kernel(**v2("/a", cpu_max="150000 100000\n", cpu_stat="usage_usec 2500000\nuser_usec 1\n"))

    assert cgroups.processors(root) == (2.5, 1.5)
    assert cgroups.cores(root) == 1.5


def test_processor_time_of_version_1_comes_with_its_quota(kernel):
    quota = {"cpu_cfs_quota_us": "50000\n", "cpu_cfs_period_us": "100000\n"}
    root = kernel(**v1("cpu,cpuacct", **quota, cpu_stat="nr_periods 0\n", cpuacct_usage="3000000000\n"))

    assert cgroups.processors(root) == (3.0, 0.5)


@pytest.mark.parametrize(
    "files",
    [
        {},
        v2(cpu_max="max 100000\n", cpu_stat="usage_usec 1\n"),
        v2(cpu_max="100000 100000\n"),
        v1("cpu", cpu_cfs_quota_us="100000\n", cpu_cfs_period_us="100000\n", cpu_stat="nr_periods 0\n"),
    ],
    ids=["no groups", "no quota", "no use", "a group that does not count use"],
)
def test_what_is_not_told_is_none(kernel, files):
    assert cgroups.processors(kernel(**files)) is None
