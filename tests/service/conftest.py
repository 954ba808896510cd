"""Services for tests: one for a module, or one's own with settings of its own."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from running import Service, running, serve_command

from tapetum import bundle as bundles
from tapetum import image

Start = Callable[..., Service]


@pytest.fixture(scope="module")
def service(bundle_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One service for the tests of a module, whose window forgets nothing while they run."""
    log = tmp_path_factory.mktemp("service") / "log"
    with running(serve_command(bundle_path), log, TAPETUM_WINDOW_S="3600") as started:
        yield started


@pytest.fixture
def start(bundle_path: Path, tmp_path: Path) -> Iterator[Start]:
    """Start a service of one's own, with settings as TAPETUM_* variables."""
    with ExitStack() as stack:

        def starter(command: list[str] | None = None, **variables: str) -> Service:
            return stack.enter_context(
                running(command or serve_command(bundle_path), tmp_path / "service.log", **variables)
            )

        yield starter


@pytest.fixture
def run_until_exit(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run `tapetum` with arguments to its end."""

    def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "tapetum", *arguments]
        return subprocess.run(
            command, env=os.environ | variables, capture_output=True, text=True, cwd=tmp_path, timeout=300, check=False
        )

    return run


@pytest.fixture(scope="module")
def photos(trained: Path) -> list[bytes]:
    """Three pictures, two of them bright."""
    return [(trained / "pictures" / name).read_bytes() for name in ("bright/00.png", "dark/00.png", "bright/01.png")]


@pytest.fixture(scope="module")
def pixels(photos: list[bytes], bundle_path: Path) -> np.ndarray:
    """The same, decoded and resized as the bundle says: uint8 (3, 16, 16, 3)."""
    spec = bundles.load(bundle_path).facts.preprocess
    return np.stack([image.to_array(image.decode(content), spec) for content in photos])
