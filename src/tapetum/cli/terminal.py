"""What commands share: options of one meaning everywhere, progress, and JSON on request."""

import json
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, redirect_stdout
from pathlib import Path
from typing import Any

import click

from tapetum.cli.tables import is_terminal
from tapetum.progress import Advance

FOLDER = click.Path(path_type=Path, file_okay=False)
ANY_PATH = click.Path(path_type=Path)
FILE = click.Path(path_type=Path, dir_okay=False, exists=True)
NEW_FILE = click.Path(path_type=Path, dir_okay=False)
BUNDLE = click.argument("bundle", type=FOLDER)
CORRECTIONS = click.option("--corrections", type=ANY_PATH, help="File of labels that a person corrected.")
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
API_KEY_FILE = click.option("--api-key-file", type=FILE, help="File whose first key is sent.")


def echo_json(content: Any) -> None:
    """Print one JSON document."""
    click.echo(to_json(content))


def to_json(content: Any, indent: int | None = 1) -> str:
    """One JSON document, for people to read too."""
    text = json.dumps(content, indent=indent, ensure_ascii=False)
    # Of names of files that are no UTF-8; os.fsencode makes them of these again.
    return re.sub("[\ud800-\udfff]", lambda found: f"\\u{ord(found[0]):04x}", text)


def stages_aside(as_json: bool) -> AbstractContextManager[Any]:
    """With --json, what stages say goes to standard error, and the document alone to standard output."""
    return redirect_stdout(sys.stderr) if as_json else nullcontext()


def authorisation(api_key_file: Path | None) -> dict[str, str]:
    """The header that carries the first key of a file; none without a file."""
    if api_key_file is None:
        return {}
    keys = [line.strip() for line in api_key_file.read_text().splitlines()]
    return {"Authorization": "Bearer " + next((key for key in keys if key and not key.startswith("#")), "")}


def files_of(paths: Iterable[Path]) -> Iterator[Path]:
    """The files themselves, and those in folders at any depth but hidden ones, in order."""
    for path in paths:
        if path.is_dir():
            found = (file for file in path.rglob("*") if not any(map(_is_litter, file.relative_to(path).parts)))
            yield from sorted(filter(Path.is_file, found))
        else:
            yield path


def _is_litter(name: str) -> bool:
    """What systems leave in folders of pictures."""
    return name.startswith(".") or name in ("Thumbs.db", "desktop.ini", "__MACOSX")


@contextmanager
def progress() -> Iterator[Advance]:
    """Bars with remaining time on standard error; nothing where that is no terminal."""
    if not is_terminal(sys.stderr):
        yield lambda stage, done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
    )
    with Progress(*columns, console=Console(stderr=True), redirect_stdout=sys.stdout.isatty()) as bars:
        stages: dict[str, Any] = {}

        def advance(stage: str, done: int, total: int) -> None:
            if stage not in stages:
                stages[stage] = bars.add_task(stage, total=total or None)
            bars.update(stages[stage], completed=done, total=total or None)

        yield advance
