"""Benchmarks are not run by the tests, but they start, and what they make of their measurements is right."""

import json
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
LOADS = ("batching.py", "observing.py", "overload.py", "soak.py", "serving/compare.py")
TABLE = runpy.run_path(str(BENCHMARKS / "serving" / "table.py"))


@pytest.mark.parametrize("name", LOADS)
def test_a_benchmark_that_loads_a_service_starts(name):
    command = [sys.executable, BENCHMARKS / name, "--help"]

    ran = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)

    assert ran.returncode == 0, ran.stderr
    assert "bundle" in ran.stdout


def test_the_benchmark_of_drift_starts():
    command = [sys.executable, BENCHMARKS / "drift.py", "--help"]

    ran = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)

    assert ran.returncode == 0, ran.stderr
    assert "cifar10" in ran.stdout


def measured(name: str, round_: int, rate: float) -> object:
    return TABLE["Measured"](name, round_, 8, rate, 10.0, 20.0, 2.0, 0, 0.1)


def test_ratios_are_those_of_neighbours_in_a_round(tmp_path):
    """A round in which the machine was twice as slow for everyone changes no ratio."""
    found = [
        *(measured("tapetum", number, rate) for number, rate in enumerate((800, 400, 800))),
        *(measured("limit", number, rate) for number, rate in enumerate((1000, 500, 1000))),
        *(measured("ray usual", number, rate) for number, rate in enumerate((20, 10, 40))),
    ]
    facts = {"pictures": 1, "mean_bytes": 1, "seconds": 3.0, "machine": {}}

    TABLE["write"](tmp_path, found, {"bentoml usual": "cannot be installed: no such thing"}, facts)

    rows = {row["name"]: row for row in json.loads((tmp_path / "table.json").read_text())["rows"]}
    assert list(rows) == ["limit", "tapetum", "ray usual"]
    assert rows["tapetum"]["share_of_limit"] == [0.8, 0.8, 0.8]
    assert rows["ray usual"]["tapetum_is_times"] == [40, 20, 40]
    page = (tmp_path / "table.md").read_text()
    assert "| 8 | tapetum | 800 (400–800) |" in page
    assert "Not measured: bentoml usual, which cannot be installed: no such thing." in page


def test_a_comparison_goes_on_only_under_the_same_conditions(tmp_path):
    book = tmp_path / "measurements.jsonl"

    assert TABLE["resume"](book, {"seconds": 3}) == []
    with book.open("a") as stream:
        stream.write(json.dumps(vars(measured("tapetum", 0, 800))) + "\n")

    assert TABLE["resume"](book, {"seconds": 3}) == [measured("tapetum", 0, 800)]
    with pytest.raises(SystemExit, match="was measured otherwise"):
        TABLE["resume"](book, {"seconds": 5})
