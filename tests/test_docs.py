"""What the pages say is what the code does."""

import os
import re
import runpy
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

# These blocks are run elsewhere: the tests themselves cannot run the tests.
RUN_BY_CI = {"make test\n"}


def shell_blocks(page: Path) -> list[str]:
    return re.findall(r"```sh\n(.*?)```", page.read_text(), flags=re.DOTALL)


@pytest.mark.parametrize("name", ["cli.md", "settings.md"])
def test_a_generated_page_is_fresh(name):
    rendered = runpy.run_path(str(ROOT / "docs" / "render.py"))["render"]()

    assert (ROOT / "docs" / name).read_text() == rendered[name], "run make docs"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_between_pages_leads_somewhere(page):
    links = re.findall(r"\]\(([^)#]+)\)", page.read_text())

    assert [link for link in links if "://" not in link and not (page.parent / link).exists()] == []


def test_every_module_stands_in_the_architecture_page():
    page = (ROOT / "docs" / "architecture.md").read_text()
    rooms = {path.name for path in (ROOT / "src" / "tapetum").iterdir() if not path.name.startswith("_")}

    assert [room for room in sorted(rooms) if room.removesuffix(".py") not in page and room != "py.typed"] == []


def test_the_blocks_of_the_readme_run(folder, tmp_path):
    """In order, in one shell, on pictures laid out as the README says; `make demo` where the environment stands."""
    place = tmp_path / "checkout"
    place.mkdir()
    for name in ("Makefile", "pyproject.toml", "lock.txt", "README.md", "LICENSE", "recipes", "src", ".venv"):
        (place / name).symlink_to(ROOT / name)
    shutil.move(folder, place / "photos")
    (place / "photos" / "bright").rename(place / "photos" / "cat")
    (place / "photos" / "dark").rename(place / "photos" / "dog")
    shutil.copy(place / "photos" / "cat" / "00.png", place / "photos" / "cat" / "tom.jpg")
    blocks = [block for block in shell_blocks(ROOT / "README.md") if block not in RUN_BY_CI]
    script = "set -eu\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n" + "\n".join(blocks)
    environment = {**os.environ, "MLFLOW_TRACKING_URI": "none"}

    ran = subprocess.run(
        ["bash", "-c", script], cwd=place, env=environment, capture_output=True, text=True, timeout=900, check=False
    )

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "held-out pictures answered rightly over HTTP" in ran.stdout
    assert '"prediction":"cat"' in ran.stdout.splitlines()[-1]
