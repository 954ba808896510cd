"""What a sketch says of values, compared with the values themselves."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapetum.watch.sketch import MAGNITUDES, RELATIVE_ERROR, SHARE_ERROR, SHARES, Scale, Sketch

of_any = settings(deadline=None, derandomize=True)

QUANTILES = st.sampled_from([0.0, 0.05, 0.5, 0.9, 0.95, 0.99, 1.0])


def sketch_of(scale: Scale, values: list[float]) -> Sketch:
    sketch = Sketch(scale)
    for value in values:
        sketch.add(value)
    return sketch


@of_any
@given(st.lists(st.floats(0.01, 1e10), min_size=1, max_size=200), QUANTILES)
def test_a_quantile_of_magnitudes_is_within_its_relative_error(values, share):
    true = np.quantile(values, share, method="inverted_cdf")

    assert sketch_of(MAGNITUDES, values).quantile(share) == pytest.approx(true, rel=RELATIVE_ERROR + 1e-9)


@of_any
@given(st.lists(st.floats(0, 1), min_size=1, max_size=200), QUANTILES)
def test_a_quantile_of_shares_is_within_its_error(values, share):
    true = np.quantile(values, share, method="inverted_cdf")

    assert sketch_of(SHARES, values).quantile(share) == pytest.approx(true, abs=SHARE_ERROR + 1e-9)


@of_any
@given(st.lists(st.floats(0, 1e9), min_size=1, max_size=100), st.integers(0, 100))
def test_sketches_that_are_joined_are_the_sketch_of_all(values, place):
    whole, joined = sketch_of(MAGNITUDES, values), sketch_of(MAGNITUDES, values[:place])
    joined.take(sketch_of(MAGNITUDES, values[place:]))

    assert (joined.count, joined.least, joined.greatest) == (len(values), min(values), max(values))
    assert joined.mean == pytest.approx(np.mean(values))
    assert [joined.quantile(share) for share in (0.5, 0.99)] == [whole.quantile(share) for share in (0.5, 0.99)]


def test_one_value_is_told_as_it_is():
    sketch = sketch_of(MAGNITUDES, [1234.5])

    assert (sketch.mean, sketch.quantile(0.5), sketch.quantile(0.99), sketch.greatest) == (1234.5,) * 4


def test_no_bytes_are_0_bytes():
    assert sketch_of(MAGNITUDES, [0, 0, 0, 5000]).quantile(0.5) == 0


def test_what_lies_beyond_the_buckets_is_still_within_least_and_greatest():
    assert 1e12 <= sketch_of(MAGNITUDES, [1e12, 1e308]).quantile(0.5) <= 1e308
    assert 2 <= sketch_of(SHARES, [2, 1e308]).quantile(0.5) <= 1e308


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -0.5])
def test_what_is_no_measure_is_not_taken(value):
    assert sketch_of(SHARES, [0.25, value, 0.75]).count == 2


def test_tenths_count_all_and_1_belongs_to_the_last():
    assert sketch_of(SHARES, [0.0, 0.05, 0.5, 0.75, 0.9, 1.0]).tenths() == [2, 0, 0, 0, 0, 1, 0, 1, 0, 2]
