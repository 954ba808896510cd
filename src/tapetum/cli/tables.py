"""The one place for what commands print beside JSON: tables on a terminal, plain lines anywhere else.

A command makes text, in which tables are Markdown, or rows. `show` prints text,
`show_rows` rows, and `growing` rows that come one by one.
"""

import os
import re
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

import click

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from tapetum.evaluation.gate import Check

Row = Sequence[str]

# Cells that say how something stands; the word says it too, for those who see no colour.
_STYLES = {
    **dict.fromkeys(("pass", "ok", "yes", "kept"), "green"),
    **dict.fromkeys(("FAIL", "broken", "error", "drifted", "no"), "bold red"),
    **dict.fromkeys(("warning", "unknown"), "yellow"),
    "missing": "dim",
}


def is_terminal(stream: TextIO) -> bool:
    """Whether a person looks at it, on a terminal that can draw."""
    return stream.isatty() and os.environ.get("TERM") not in ("dumb", "unknown")


def show(text: str) -> None:
    """Print text, in which Markdown tables are drawn on a terminal."""
    if not is_terminal(sys.stdout):
        click.echo(text)
        return
    console, lines = _console(), text.splitlines()
    while lines:
        length = next((number for number, line in enumerate(lines) if not line.startswith("|")), len(lines))
        if length > 2:
            head, rule, *rows = (_cells(line) for line in lines[:length])
            console.print(_table(head, rows, [cell.endswith(":") for cell in rule]))
        else:
            length = max(1, length)
            console.print("\n".join(lines[:length]), soft_wrap=True)
        del lines[:length]


def show_rows(head: Row, rows: Iterable[Row], lines: Iterable[str] | None = None) -> None:
    """Print rows as a table; elsewhere as `lines`, or in columns without a head, as other programs like them."""
    kept = [*rows]
    if is_terminal(sys.stdout):
        _console().print(_table(head, kept))
        return
    if lines is None:
        widths = [max(map(len, column)) for column in zip(*kept, strict=True)]
        lines = ("  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in kept)
    for line in lines:
        click.echo(printable(line))


def show_checks(checks: "Iterable[Check]") -> None:
    """The checks of a gate."""
    kept = [*checks]
    rows = [("pass" if check.passed else "FAIL", check.name, check.found, check.demanded) for check in kept]
    show_rows(("", "check", "found", "demanded"), rows, [check.to_text() for check in kept])


@contextmanager
def growing(head: Row, to_line: Callable[[Row], str]) -> Iterator[Callable[[Row], None]]:
    """A table that grows while it is shown; elsewhere a line for each row as it comes, and one for the head."""
    if not is_terminal(sys.stdout):
        click.echo(to_line(head))
        yield lambda row: click.echo(to_line(row))
        return
    from rich.live import Live

    table = _table(head, [], [number > 0 for number in range(len(head))])
    with Live(table, console=_console(), auto_refresh=False) as live:

        def add(row: Row) -> None:
            table.add_row(*map(_cell, row))
            live.refresh()

        yield add


def _console() -> "Console":
    from rich.console import Console

    return Console(highlight=False, markup=False, emoji=False)


def _table(head: Row, rows: Iterable[Row], is_right: Sequence[bool] = ()) -> "Table":
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    for number, name in enumerate(head):
        right = number < len(is_right) and is_right[number]
        table.add_column(printable(name), justify="right" if right else "left", overflow="fold")
    for row in rows:
        table.add_row(*map(_cell, row))
    return table


def _cell(text: str) -> "Text":
    from rich.text import Text

    return Text(printable(text), style=_STYLES.get(text, ""))


def _cells(line: str) -> list[str]:
    return [cell.strip().replace(r"\|", "|") for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]


def printable(text: str) -> str:
    """A name of a file may hold what would steer the terminal, end a line, or be no text."""
    return "".join(letter if _is_harmless(letter) else repr(letter)[1:-1] for letter in text)


def _is_harmless(letter: str) -> bool:
    # Screenshots of macOS have narrow spaces in their names, and emoji are joined.
    return letter.isprintable() or letter in "\u200c\u200d" or unicodedata.category(letter) == "Zs"
