"""A checkout to type commands in: the files that `make data-setup` and `dvc repro` need, and small pictures."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from conftest import fill

ROOT = Path(__file__).parents[1]
COPIED = (
    "Makefile",
    "dvc.yaml",
    "params.yaml",
    "recipes",
    ".dvc/config",
    ".dvc/.gitignore",
    ".dvcignore",
    ".gitignore",
)


def lay_out(place: Path, recipe: str) -> Path:
    """A checkout with a recipe of one's own, and pictures for it, one of them broken."""
    for name in COPIED:
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, place / name)
    (place / ".venv").symlink_to(sys.prefix)
    (place / "recipes" / "pets.yaml").write_text(recipe)
    fill(place / "photos")
    (place / "photos" / "dark" / "00.png").write_bytes(b"\x89PNG\r\n\x1a\nhalf")
    return place


def run_in(place: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """A command in the checkout, with DVC's own folders kept to it."""
    folders = {f"DVC_{kind}_DIR": str(place / "home") for kind in ("SITE_CACHE", "GLOBAL_CONFIG", "SYSTEM_CONFIG")}
    path = f"{place / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, **folders, "PATH": path, "GIT_CEILING_DIRECTORIES": str(place.parent)}
    environment["MLFLOW_TRACKING_URI"] = "none"
    return subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, timeout=300, check=False)


def stages_of(ran: subprocess.CompletedProcess[str]) -> list[str]:
    """The stages that DVC ran, in order; the command must have ended well."""
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return re.findall(r"^Running stage '(\w+)'", ran.stdout, flags=re.MULTILINE)
