"""Features on disk go by the digest of their picture, and a run that ended early costs only what it had not written."""

from pathlib import Path

import numpy as np
import pytest

from tapetum.data.feature_store import FeatureStore
from tapetum.errors import ResourceError

DIGESTS = [f"{number:064x}" for number in range(6)]


@pytest.fixture
def features(rng) -> np.ndarray:
    return rng.normal(size=(6, 5)).astype(np.float32)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "features.bin"


def test_features_come_back_in_the_order_asked_for(path, features):
    FeatureStore(path, 5).add(DIGESTS[:4], features[:4])
    FeatureStore(path, 5).add(DIGESTS[4:], features[4:])

    found = FeatureStore(path, 5).read([DIGESTS[5], DIGESTS[0], DIGESTS[3]])

    np.testing.assert_array_equal(found, features[[5, 0, 3]])
    assert found.dtype == np.float32


def test_what_is_lacking_is_named(path, features):
    store = FeatureStore(path, 5)
    assert store.lacking(DIGESTS) == set(DIGESTS)

    store.add(DIGESTS[1:], features[1:])

    assert store.lacking(DIGESTS) == {DIGESTS[0]}


def test_half_a_record_is_neither_read_nor_written_behind(path, features):
    store = FeatureStore(path, 5)
    store.add(DIGESTS[:3], features[:3])
    with path.open("r+b") as stream:
        stream.truncate(path.stat().st_size - 7)
    assert store.lacking(DIGESTS[:3]) == {DIGESTS[2]}

    store.add(DIGESTS[2:], features[2:])

    np.testing.assert_array_equal(store.read(DIGESTS), features)


def test_a_disk_too_full_is_an_error_before_the_work(path):
    with pytest.raises(ResourceError, match="MB left"):
        FeatureStore(path, 5).require_space(10**15)
