"""What the pages say is what the code does."""

import ast
import json
import os
import re
import runpy
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import blocks
import commands
import pytest
import stand_in
import yaml
from blocks import NEEDS, PAGES, ROOT
from conftest import fill
from running import Service, running, serve_command

# Whose blocks are run with more around them: README.md below, oip.md with a look at its answers.
RUN_ELSEWHERE = {"README.md": "tests/test_docs.py", "oip.md": "tests/service/test_oip_page.py"}
KEY = "8f1f5c0c6f0e4b8a9d0b3c7e5a2d4f60"
ASKED = "8c4843db19164f81a6bb5bb8c93fb67d"  # the request that the pages speak of
# What recipes are where a page names one: the command is the page's, the minutes are not.
SMALL = ["image.height=16", "image.width=16", "train.epochs=2", "train.sizes=[]"]
ALL_BLOCKS = [block for page in PAGES for block in blocks.blocks(page)]


@pytest.mark.parametrize("name", ["cli.md", "settings.md"])
def test_a_generated_page_is_fresh(name):
    rendered = runpy.run_path(str(ROOT / "docs" / "render.py"))["render"]()

    assert (ROOT / "docs" / name).read_text() == rendered[name], "run make docs"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_between_pages_leads_somewhere(page):
    links = re.findall(r"\]\(([^)\s]+)\)", page.read_text())
    missing = []
    for link in links:
        path, _, heading = link.partition("#")
        target = page.parent / path if path else page
        if "://" not in link and not (target.exists() and (not heading or heading in headings(target))):
            missing.append(link)

    assert missing == []


def headings(page: Path) -> set[str]:
    """The anchors of a page, as GitHub makes them."""
    found = re.findall(r"^#+ (.*)$", re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in found}


def test_every_page_stands_in_the_index():
    index = (ROOT / "docs" / "README.md").read_text()
    pages = {path.name for path in (ROOT / "docs").glob("*.md")} - {"README.md"}

    assert [name for name in sorted(pages) if f"]({name}" not in index] == []


def test_every_module_stands_in_the_architecture_page():
    page = (ROOT / "docs" / "architecture.md").read_text()
    rooms = {path.name for path in (ROOT / "src" / "tapetum").iterdir() if not path.name.startswith("_")}

    assert [room for room in sorted(rooms) if room.removesuffix(".py") not in page and room != "py.typed"] == []


def test_every_message_that_a_page_explains_is_one_of_ours():
    """What stands first in a row of troubleshooting.md is one text of the source, `…` being names and values."""
    rows = re.findall(r"^\| `(.*?)` \|", (ROOT / "docs" / "troubleshooting.md").read_text(), flags=re.MULTILINE)
    texts = [text for path in (ROOT / "src").rglob("*.py") for text in literals(path.read_text())]
    scripts = (ROOT / "Makefile", ROOT / "deploy" / "engine.sh", *(ROOT / "deploy").glob("*.mk"))
    texts += [line for path in scripts for line in path.read_text().splitlines()]

    def is_said(row: str) -> bool:
        pieces = [piece.strip() for piece in row.split("…")]
        return any(all(piece in text for piece in pieces) for text in texts)

    assert len(rows) > 20
    assert [row for row in rows if not is_said(row)] == []


def literals(source: str) -> Iterator[str]:
    """Texts as they are said, without the values in them."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


@pytest.mark.parametrize("block", [block for block in ALL_BLOCKS if block.marks], ids=lambda block: block.place)
def test_what_a_block_asks_for_exists_where_it_cannot_run(block):
    wanted, test = block.marks.get("needs"), block.marks.get("tested-by")

    assert set(block.marks) <= {"needs", "tested-by"}
    assert wanted is None or wanted in NEEDS
    assert test is None or (ROOT / test).is_file()
    assert list(blocks.complaints(block)) == []


def test_a_command_stands_in_a_block_of_shell():
    """Not in one of text, where nobody would run it."""
    programs = r"tapetum |make |pip |python |curl |docker |kubectl |dvc |git |sudo |torchrun |mlflow |export "
    plain = [block for block in ALL_BLOCKS if block.language in ("text", "")]

    assert [block.place for block in plain if re.match(programs, block.text)] == []


def test_blocks_of_json_and_yaml_can_be_read():
    readers = {"json": json.loads, "yaml": yaml.safe_load}
    for block in ALL_BLOCKS:
        if block.language in readers:
            try:
                readers[block.language](block.text)
            except ValueError as error:
                pytest.fail(f"{block.place}: {error}")


def test_every_exemption_from_a_check_gives_its_reason():
    bare = re.compile(r"# (?:noqa(?:: [A-Z0-9, ]+)?|type: ignore(?:\[[a-z, -]+\])?)\s*$")
    files = [
        path for folder in ("src", "tests", "docs", "benchmarks", "deploy") for path in (ROOT / folder).rglob("*.py")
    ]
    lines = [(path, number, line) for path in files for number, line in enumerate(path.read_text().splitlines(), 1)]

    assert [f"{path.relative_to(ROOT)}:{number}" for path, number, line in lines if bare.search(line)] == []


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A folder as the pages have it: photographs of cats and dogs, and a model of them in runs/pets."""
    place = tmp_path_factory.mktemp("pages")
    for name in ("recipes", "benchmarks", "Makefile"):
        (place / name).symlink_to(ROOT / name)
    lay_out(place, fill(place / "pictures"))
    for name in ("cat.jpg", "dog.jpg"):
        shutil.copy(place / "photos" / "cat" / "tom.jpg", place / name)
    ran = commands.run("train", "photos", "--out", "runs/pets", *SMALL, folder=place, MLFLOW_TRACKING_URI="none")
    assert ran.returncode == 0, ran.stderr
    for name in ("cats-dogs", "cats-dogs-transfer"):
        shutil.copy(place / "runs" / "pets" / "recipe.yaml", place / name)  # a file goes before a recipe of ours
    (place / "keys").write_text(f"{KEY}\n")
    return place


def lay_out(place: Path, pictures: Path) -> None:
    """photos/cat and photos/dog, of bright and dark pictures, with the names that the pages use."""
    shutil.move(pictures, place / "photos")
    for label, kind, name in (("cat", "bright", "tom"), ("dog", "dark", "rex")):
        folder = place / "photos" / label
        (place / "photos" / kind).rename(folder)
        shutil.copy(folder / "00.png", folder / f"{name}.jpg")


@pytest.fixture(scope="module")
def serving(place) -> Iterator[Callable[[bool], Service]]:
    """The service of runs/pets, with keys or without; it has answered the request that the pages speak of."""
    with ExitStack() as stack:
        started: dict[bool, Service] = {}

        def serve(has_keys: bool) -> Service:
            if has_keys not in started:
                keys = {"TAPETUM_OPERATOR_KEYS_FILE": str(place / "keys")} if has_keys else {}
                command = [*serve_command(place / "runs" / "pets" / "bundle"), "--workers", "1"]
                started[has_keys] = stack.enter_context(running(command, place / f"{has_keys}.log", **keys))
                content = (place / "cat.jpg").read_bytes()
                started[has_keys].client.post("/predict", content=content, headers={"X-Request-ID": ASKED})
            return started[has_keys]

        yield serve


RUN_HERE = {block.page: None for block in ALL_BLOCKS if block.runs and block.page.name not in RUN_ELSEWHERE}


@pytest.mark.parametrize("page", RUN_HERE, ids=lambda page: page.name)
def test_the_blocks_of_a_page_run(page, place, serving, tmp_path):
    """In order, in one shell; what fails is named by its line in the page."""
    script = blocks.script(page)
    service = serving("KEY" in script)
    stand_in.write(tmp_path)
    forks = commands.the_forks().fileno()
    environment = {
        **os.environ,
        "PATH": f"{tmp_path}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "MLFLOW_TRACKING_URI": "none",
        stand_in.SOCKET: str(forks),
        "KEY": KEY,
        "OPERATOR_KEY": KEY,
        "PID": str(service.process.pid),
    }
    command = ["bash", "-c", script.replace("localhost:8000", service.client.base_url.netloc.decode())]

    ran = subprocess.run(
        command,
        cwd=place,
        env=environment,
        pass_fds=[forks],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_a_command_that_fails_is_named_by_its_line(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# Page\n\nText.\n\n```sh\ntrue\nfalse\n```\n")

    ran = subprocess.run(["bash", "-c", blocks.script(page)], capture_output=True, text=True, check=False)

    assert (ran.returncode, ran.stderr) == (1, "page.md:7: this command failed\n")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("tapetum trian photos", "tapetum has no command trian"),
        ("tapetum train photos --fast", "tapetum train has no option --fast"),
        ("make kind-fall", "no Makefile has the target kind-fall"),
        ("make train EPOCH=1", "no Makefile knows the variable EPOCH"),
        ("python benchmarks/nothing.py", "there is no benchmarks/nothing.py"),
        ("rm -r .", "rm is unknown to tests/blocks.py"),
    ],
)
def test_a_command_that_does_not_exist_is_named(text, complaint):
    block = blocks.Block(ROOT / "README.md", 1, "sh", {"needs": "minutes"}, text)

    assert list(blocks.complaints(block)) == [complaint]


def test_the_blocks_of_the_readme_run(folder, tmp_path):
    """In order, in one shell, on pictures laid out as the README says; `make demo` where the environment stands."""
    place = tmp_path / "checkout"
    place.mkdir()
    for name in ("Makefile", "pyproject.toml", "lock.txt", "README.md", "LICENSE", "recipes", "src", ".venv"):
        (place / name).symlink_to(ROOT / name)
    lay_out(place, folder)
    script = "trap 'kill $(jobs -p) 2>/dev/null || true' EXIT; " + blocks.script(ROOT / "README.md")
    environment = {**os.environ, "MLFLOW_TRACKING_URI": "none"}

    ran = subprocess.run(
        ["bash", "-c", script], cwd=place, env=environment, capture_output=True, text=True, timeout=900, check=False
    )

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "held-out pictures answered rightly over HTTP" in ran.stdout
    assert '"prediction":"cat"' in ran.stdout.splitlines()[-1]
