"""Tables on a terminal, plain lines anywhere else, and the same facts in both."""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout

import pytest

from tapetum.cli import tables

TEXT = """Drift in one statistic.

| statistic | distance | |
|-----------|---------:|-|
| width     |   0.1000 | |
| warmth    |   2.5000 | drifted |

Warmth: redder."""


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm-256color")
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)


@contextmanager
def terminal() -> Iterator[Terminal]:
    """Not as a fixture: pytest takes standard output once more before the test itself."""
    with redirect_stdout(Terminal()) as stream:
        yield stream


def test_in_a_pipe_text_is_what_it_was(capsys):
    tables.show(TEXT)

    assert capsys.readouterr().out == TEXT + "\n"


def test_on_a_terminal_markdown_tables_are_drawn_and_the_rest_is_kept():
    with terminal() as seen:
        tables.show(TEXT)

    shown = seen.getvalue()
    assert "|" not in shown
    assert "Drift in one statistic.\n" in shown
    assert shown.endswith("\nWarmth: redder.\n")
    assert "─" * 20 in shown
    assert "\x1b[1;31mdrifted" in shown


def test_a_bar_in_a_cell_of_markdown_is_drawn_as_one():
    with terminal() as seen:
        tables.show("| class | n |\n|---|--:|\n| a\\|b | 1 |")

    assert "a|b" in seen.getvalue()
    assert "\\" not in seen.getvalue()


@pytest.mark.parametrize(("variable", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_colour_can_be_had_off(monkeypatch, variable, value):
    monkeypatch.setenv(variable, value)

    with terminal() as seen:
        tables.show_rows(("state", "what"), [("broken", "engine")], ["broken engine"])

    assert "31m" not in seen.getvalue()
    assert (seen.getvalue() == "broken engine\n") is (variable == "TERM")


def test_a_table_fits_the_terminal():
    with terminal() as seen:
        tables.show_rows(("picture", "what is wrong"), [("holiday/" * 20, "a word and another " * 9)])

    lines = re.sub(r"\x1b\[[0-9;]*m", "", seen.getvalue()).splitlines()
    assert max(map(len, lines)) <= 80
    assert "".join(line[:38].strip() for line in lines).count("holiday/") == 20


@pytest.mark.parametrize("name", ["cat/tom.jpg", "Bild\u202f1.png", "\U0001f469\u200d\U0001f680.png", "mañana 猫.png"])
def test_the_name_of_a_file_stays_as_it_is(name):
    assert tables.printable(name) == name


def test_what_would_end_a_line_or_steer_is_shown_instead(capsys):
    tables.show_rows(("picture",), [], ["a\nb.jpg", "\x1b[31mc.jpg", "\x9b31md.jpg", "\udcffe.jpg"])

    assert capsys.readouterr().out == "a\\nb.jpg\n\\x1b[31mc.jpg\n\\x9b31md.jpg\n\\udcffe.jpg\n"


def test_the_name_of_a_file_cannot_steer_the_terminal():
    with terminal() as seen:
        tables.show_rows(("picture",), [("\x1b]0;owned\x07.jpg",), ("[bold]x[/bold].jpg",)])

    assert "\x1b]0;" not in seen.getvalue()
    assert "\\x1b]0;owned\\x07.jpg" in seen.getvalue()
    assert "[bold]x[/bold].jpg" in seen.getvalue()


def test_rows_in_a_pipe_stand_in_columns_without_a_head(capsys):
    tables.show_rows(("name", "value"), [("a", "1"), ("long", "2")])

    assert capsys.readouterr().out == "a     1\nlong  2\n"


def test_a_growing_table_shows_each_row_as_it_comes(capsys):
    with tables.growing(("load", "ms"), " ".join) as add:
        assert capsys.readouterr().out == "load ms\n"
        add(("one", "1"))
        assert capsys.readouterr().out == "one 1\n"


def test_a_growing_table_on_a_terminal_is_redrawn():
    with terminal() as seen, tables.growing(("load", "ms"), " ".join) as add:
        add(("one", "1"))
        before = seen.getvalue()
        add(("two", "2"))

    assert "one" in before
    assert "two" not in before
    assert "two" in seen.getvalue()
