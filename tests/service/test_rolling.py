"""Deployments under POST load: pods in network namespaces of their own behind haproxy, as the benchmark counts them."""

from collections import Counter

import pytest
from deployments import measure
from stage import Timing
from tools import require

# As deploy/k8s/base, four times as fast.
QUICK = Timing(pre_stop_s=0.5, drain_s=1.25, ready_every_s=0.5)


@pytest.fixture(autouse=True)
def tools() -> None:
    require("haproxy", "ip", root=True)


def test_a_rolling_update_loses_nothing_and_a_bundle_that_is_refused_is_never_asked(bundle_path):
    names = ["update to a bundle of another digest", "rolling update to another bundle"]

    outcome = measure(bundle_path, names, 40, QUICK)

    assert outcome.unexplained == []
    assert outcome.counts["sent"] > 100
    assert outcome.counts == Counter(sent=outcome.counts["sent"], answered=outcome.counts["sent"], refused=0)
    assert len(outcome.models) == 2  # the old one and the next


def test_a_killed_hand_or_front_costs_what_it_had_and_nothing_else(bundle_path):
    outcome = measure(bundle_path, ["kill -9 of a hand", "kill -9 of the front"], 40, QUICK)

    assert outcome.unexplained == []
    assert outcome.counts["in flight"] >= 2  # both stood still for long enough to have something
    assert outcome.counts["refused"] == 0
    assert outcome.counts["answered"] == outcome.counts["sent"] - outcome.counts["in flight"]
