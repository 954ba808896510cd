"""What commands share: options of one meaning everywhere, progress, and JSON on request."""

import json
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


def to_json(content: Any) -> str:
    """One JSON document, for people to read too."""
    return json.dumps(content, indent=1, ensure_ascii=False)


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
    """The files themselves, and those in folders at any depth, in order."""
    for path in paths:
        if path.is_dir():
            yield from sorted(file for file in path.rglob("*") if file.is_file())
        else:
            yield path


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
