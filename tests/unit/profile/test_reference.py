"""A reference comes back from its bytes, and nothing else does."""

import io

import numpy as np
import pytest
from profiles import made

from tapetum import bundle as bundles
from tapetum.errors import BundleError
from tapetum.profile import reference
from tapetum.profile.reference import REFERENCE


@pytest.fixture(scope="module")
def content() -> bytes:
    return reference.to_bytes(made())


def changed(content: bytes, **arrays: object) -> bytes:
    with np.load(io.BytesIO(content)) as held:
        kept = {name: held[name] for name in held.files}
    stream = io.BytesIO()
    np.savez(stream, **kept | arrays)
    return stream.getvalue()


def test_what_was_written_is_read(content):
    before, after = made(), reference.from_bytes(content, 2)
    assert reference.to_bytes(before) == content, "the same pictures give the same bytes"

    assert after.null.limit == pytest.approx(before.null.limit)
    assert np.allclose(after.columns, before.columns)
    assert after.calibration.coefficients == pytest.approx(before.calibration.coefficients, abs=1e-3)


def test_one_in_a_hundred_of_the_reference_is_unlike_it(content):
    assert np.mean(reference.from_bytes(content, 2).seen.strangeness > 1) == pytest.approx(0.01, abs=0.003)


@pytest.mark.parametrize(
    ("arrays", "reason"),
    [
        ({"schema": np.array(2)}, "schema 2"),
        ({"n_classes": np.array(3)}, "3 classes"),
        ({"seen_answers": np.zeros(700)}, "whole numbers"),
        ({"truth": np.full(700, 2)}, "unknown classes"),
        ({"seen_answers": np.full(700, 7)}, "unknown classes"),
        ({"seen_confidence": np.full(700, 1.5)}, "no shares"),
        ({"seen_places": np.zeros((700, 3))}, "shape"),
        ({"seen_traits": np.full((700, 8), np.nan)}, "no number"),
        ({"null_deviation": np.zeros(13)}, "spread"),
        ({"axes_limit": np.array(-1.0)}, "spread"),
        ({"seen_margin": np.array([{}] * 700, dtype=object)}, "allow_pickle=False"),
        ({"ballast": np.zeros(9_000_000)}, "unfold"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_damaged_one_is_refused(content, own_bundle, arrays, reason):
    bundle = bundles.load(own_bundle)
    (own_bundle / REFERENCE).write_bytes(changed(content, **arrays))

    with pytest.raises(BundleError, match=reason):
        reference.load(bundle)


def test_half_a_file_is_refused_and_none_is_none(content, own_bundle):
    bundle = bundles.load(own_bundle)
    assert reference.load(bundle) is None

    (own_bundle / REFERENCE).write_bytes(content[: len(content) // 2])
    with pytest.raises(BundleError, match="damaged"):
        reference.load(bundle)
