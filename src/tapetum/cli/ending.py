"""How a command ends that did not come to its end: one line with the remedy, and an exit code."""

import os
import shutil
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path

import click

from tapetum.cli.tables import printable
from tapetum.errors import Interrupted, TapetumError

SAID_NO, IMPOSSIBLE, BUG, INTERRUPTED, PIPE_CLOSED = 1, 2, 70, 130, 141
EXIT_CODES = {
    0: "done",
    SAID_NO: "a check, a gate or a picture said no",
    IMPOSSIBLE: "it could not be done, and the message says why and what to do",
    BUG: "a bug of Tapetum: run again with --debug, and report it",
    INTERRUPTED: "interrupted by Ctrl-C",
    PIPE_CLOSED: "what it printed to was closed, as by `head`",
    143: "ended by SIGTERM",
}
# Ends that are no errors, for which there is no traceback to show.
PLAIN = (SystemExit, KeyboardInterrupt, Interrupted, BrokenPipeError, click.ClickException, click.Abort)

_EXTRAS = {"grafana_foundation_sdk": "dev", "onnxruntime": "onnxruntime", "pynvml": "gpu", "kagglehub": "kaggle"}


@dataclass
class Wishes:
    """What holds for any command, wherever on the line it stands: whether an error shows its traceback."""

    traceback: bool = False


def end(error: BaseException, asked: int | None) -> int:
    """Say on standard error what ended a command, on one line, or some where the error lists things; its exit code.

    Where Ctrl-C or SIGTERM came before, `asked` is the code for that, and whatever a library made of it is no bug.
    """
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    if isinstance(error, BrokenPipeError):
        # Python would flush once more as it ends, and complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        click.echo(error.format_message(), err=True)
        return IMPOSSIBLE
    code, line = _told(error, asked)
    listed = isinstance(error, TapetumError)
    for part in line.splitlines() if listed else [" ".join(line.split())]:
        click.echo(printable(part), err=True)
    return code


def _told(error: BaseException, asked: int | None) -> tuple[int, str]:
    if isinstance(error, Interrupted):
        return INTERRUPTED, f"tapetum: {error}"
    if asked or isinstance(error, (KeyboardInterrupt, click.Abort)):
        return asked or INTERRUPTED, "tapetum: interrupted"
    if isinstance(error, click.UsageError):
        path = error.ctx.command_path if error.ctx else "tapetum"
        return IMPOSSIBLE, f"{path}: {_lowered(error.format_message())} `{path} --help` says more"
    if isinstance(error, (TapetumError, click.ClickException)):
        return IMPOSSIBLE, f"tapetum: {error if isinstance(error, TapetumError) else error.format_message()}"
    if isinstance(error, ModuleNotFoundError) and error.name and not error.name.startswith("tapetum"):
        extra = _EXTRAS.get(error.name.partition(".")[0], "train")
        return IMPOSSIBLE, f"tapetum: this needs {error.name}, which is not installed: pip install 'tapetum[{extra}]'"
    if isinstance(error, shutil.Error) and isinstance(error.args[0], list):
        # What a copied folder lost: pairs of paths, each with the reason.
        (path, _, reason), *others = error.args[0]
        more = f", and {len(others):,} more" if others else ""
        return IMPOSSIBLE, f"tapetum: {path} cannot be copied: {reason}{more}"
    if isinstance(error, OSError) and error.strerror is not None:
        return IMPOSSIBLE, f"tapetum: {f'{error.filename}: ' if error.filename else ''}{error.strerror}"
    return BUG, (
        f"tapetum: a bug: {type(error).__name__}{f': {error}' if str(error) else ''} ({_place(error)}); "
        "run again with --debug for the traceback, and report it"
    )


def _lowered(message: str) -> str:
    return message[:1].lower() + message[1:]


def _place(error: BaseException) -> str:
    """File and line where it was raised; the last of ours where a library raised it."""
    frames = traceback.extract_tb(error.__traceback__)
    package = str(Path(__file__).parents[1])
    own = [frame for frame in frames if frame.filename.startswith(package)] or frames[-1:]
    return f"{Path(own[-1].filename).name}:{own[-1].lineno}" if own else "nowhere"
