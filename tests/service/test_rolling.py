"""Deployments under POST load: pods in network namespaces of their own behind haproxy, as the benchmark counts them."""

from pathlib import Path

import pytest
from deployments import Outcome, measure
from stage import Timing
from tools import require

# As deploy/k8s/base, four times as fast, but for the drain: a balancer on a busy machine may be late by a second.
QUICK = Timing(pre_stop_s=0.5, drain_s=3, ready_every_s=0.5)
REFUSED, ROLLING = "update to a bundle of another digest", "rolling update to another bundle"
WORKER, FRONT = "kill -9 of a worker", "kill -9 of the front"


@pytest.fixture(scope="module")
def outcomes(bundle_path: Path) -> dict[str, Outcome]:
    """What became of the requests of each scenario, by its name."""
    require("haproxy", "ip", root=True)
    names = [REFUSED, WORKER, FRONT, ROLLING]
    return dict(zip(names, measure(bundle_path, names, 40, QUICK), strict=True))


def test_a_rolling_update_loses_nothing(outcomes):
    found = outcomes[ROLLING]

    assert found.unexplained == []
    assert found.counts["sent"] == found.counts["answered"] > 50
    assert len(found.models) == 2  # the old one and the next


def test_a_bundle_that_is_refused_is_never_asked(outcomes):
    found = outcomes[REFUSED]

    assert found.unexplained == []
    assert found.counts["sent"] == found.counts["answered"] > 50
    assert len(found.models) == 1


@pytest.mark.parametrize("name", [WORKER, FRONT])
def test_what_is_killed_costs_what_it_had_and_nothing_else(outcomes, name):
    found = outcomes[name]

    assert found.unexplained == []
    assert found.counts["in flight"] >= 1  # a worker stood still for long enough to have something
    # A front that starts again in its place says that it is not ready, until the balancer has noticed.
    assert found.counts["answered"] + found.counts["refused"] == found.counts["sent"] - found.counts["in flight"]
