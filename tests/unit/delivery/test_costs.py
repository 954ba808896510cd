"""What a bundle may cost more than the one before it."""

import numpy as np
import pytest

from tapetum import bundle as bundles
from tapetum.delivery import costs
from tapetum.delivery.costs import Cost
from tapetum.recipe import Gate

RULES = Gate(latency_growth=0.5, memory_growth=0.2, size_growth=1.0)
STEADY = np.linspace(0.009, 0.011, 160)


def failed(ours: Cost, theirs: Cost) -> list[str]:
    return [check.name.split()[0] for check in costs.checks(ours, theirs, "champion", RULES) if not check.passed]


@pytest.mark.parametrize(
    ("ours", "failures"),
    [
        pytest.param(Cost(STEADY, 100, 100), [], id="the same"),
        pytest.param(Cost(1.4 * STEADY, 120, 200), [], id="as much more as is allowed"),
        pytest.param(Cost(1.7 * STEADY, 100, 100), ["p95"], id="slower"),
        pytest.param(Cost(STEADY, 121, 100), ["memory"], id="fatter"),
        pytest.param(Cost(STEADY, 100, 201), ["size"], id="larger"),
    ],
)
def test_each_cost_has_its_bound(ours, failures):
    assert failed(ours, Cost(STEADY, 100, 100)) == failures


def test_a_few_slow_calls_do_not_make_a_model_slow():
    """Of 160 calls nine lie beyond p95, but a resample often has fewer of them there."""
    disturbed = STEADY.copy()
    disturbed[:9] *= 10

    assert failed(Cost(disturbed, 100, 100), Cost(STEADY, 100, 100)) == []


def test_checks_say_what_was_measured():
    latency, memory, size = costs.checks(
        Cost(2 * STEADY, 150_000_000, 7_000_000), Cost(STEADY, 100_000_000, 2_000_000), "champion", RULES
    )

    assert latency.found.startswith("21.80 ms, 10.90 before: × 2.00 [")
    assert memory.found == "150.0 MB, 100.0 before: × 1.50"
    assert (size.name, size.demanded) == ("size against champion", "≤ × 2.00")


def test_a_bundle_is_measured_in_a_worker_of_its_own(bundle_path):
    bundle = bundles.load_sealed(bundle_path)

    (cost,) = costs.measure([bundle], list(bundle.golden().pictures.values()), calls=3)

    assert cost.latency_s.shape == (3,)
    assert cost.p95_ms > 0
    assert cost.memory_bytes > 20_000_000
    assert cost.size_bytes == sum(file.stat().st_size for file in bundle_path.rglob("*") if file.is_file())
