"""Programs that a test cannot do without: found, or the test is skipped; under CI it fails."""

import os
import shutil
import sys
from pathlib import Path

import pytest


def require(*names: str, root: bool = False) -> None:
    """Skip, or under CI fail, where a program or root is missing."""
    missing = [name for name in names if shutil.which(name) is None] + (["root"] if root and os.geteuid() else [])
    if missing and os.environ.get("CI"):
        pytest.fail(f"missing: {', '.join(missing)}")
    if missing:
        pytest.skip(f"missing: {', '.join(missing)}; as root, `make test` installs them")


def installed(name: str) -> str:
    """A command of the environment that the tests run in, which need not be in PATH."""
    return str(Path(sys.prefix, "bin", name))


def program(name: str) -> str:
    """Where a program is; skips, or under CI fails, where it is missing."""
    require(name)
    return str(shutil.which(name))
