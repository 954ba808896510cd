"""What the help of every command has: its example on a line of its own, to be copied, and --debug."""

import inspect
import re
from collections.abc import Callable
from typing import Any

import click

from tapetum.cli.ending import Wishes

_EXAMPLE = re.compile(r"^Example: ", re.MULTILINE)


def _note(context: click.Context, option: click.Parameter, value: bool) -> None:
    if value:
        context.ensure_object(Wishes).traceback = True


def debug_option(command: Callable[..., Any] | click.Command) -> Any:
    """Before the name of a command and after it."""
    return click.option(
        "--debug",
        is_flag=True,
        expose_value=False,
        is_eager=True,
        callback=_note,
        help="Show the traceback of an error.",
    )(command)


def complete_help(command: click.Command) -> click.Command:
    """Give a command and those below it --debug, and keep the lines `Example: …` of their docstrings whole."""
    if not any(option.name == "debug" for option in command.params):
        # Not by the decorator, which would have it before all others.
        command.params += debug_option(click.Command(None)).params
        # A raw docstring has click's mark for lines to be kept in two characters.
        text = inspect.cleandoc(command.help or "").replace(r"\b", "\b")
        command.help = _EXAMPLE.sub("\b\n\\g<0>", text)
    if isinstance(command, click.Group):
        for child in command.commands.values():
            complete_help(child)
    return command


def examples(command: click.Command) -> list[str]:
    """The command lines that its help shows."""
    text = f"{command.help or ''}\n{command.epilog or ''}"
    return [line.strip().partition(": ")[2] for line in text.splitlines() if _EXAMPLE.match(line.strip())]
