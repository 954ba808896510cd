"""Programs that a test cannot do without: found, or the test is skipped; under CI it fails."""

import os
import shutil

import pytest


def require(*names: str) -> None:
    """Skip, or under CI fail, where a program is missing."""
    missing = [name for name in names if shutil.which(name) is None]
    if missing and os.environ.get("CI"):
        pytest.fail(f"missing: {', '.join(missing)}")
    if missing:
        pytest.skip(f"missing: {', '.join(missing)}; as root, `make test` installs them")
