"""The image of the service, built once for all tests of a run."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from containers import build, untag
from tools import require


@pytest.fixture(scope="session")
def image(bundle_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The name of an image with the bundle that tells bright from dark."""
    require("podman", "buildah", "debootstrap", "runc", "make", root=True)
    name = f"tapetum-test-{os.getpid()}"
    build(name, bundle_path, tmp_path_factory.mktemp("build"))
    yield name
    untag(name)
