"""How commands end that did not come to their end."""

import shutil
import subprocess
import sys

import click
import pytest

from tapetum.cli import ending
from tapetum.errors import ConfigError, Interrupted


def end(capsys, error: BaseException, asked: int | None = None) -> tuple[int, str]:
    code = ending.end(error, asked)
    return code, capsys.readouterr().err


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "tapetum", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (ConfigError("the port is 0: name one"), 2, "tapetum: the port is 0: name one"),
        (click.UsageError("No such thing."), 2, "tapetum: no such thing. `tapetum --help` says more"),
        (Interrupted("stopped in epoch 3"), 130, "tapetum: stopped in epoch 3"),
        (KeyboardInterrupt(), 130, "tapetum: interrupted"),
        (PermissionError(13, "Permission denied", "/x"), 2, "tapetum: /x: Permission denied"),
        (
            shutil.Error([("a/1.jpg", "b/1.jpg", "no room"), ("a/2.jpg", "b/2.jpg", "no room")]),
            2,
            "tapetum: a/1.jpg cannot be copied: no room, and 1 more",
        ),
        (
            ModuleNotFoundError("No module named 'timm.layers'", name="timm.layers"),
            2,
            "tapetum: this needs timm.layers, which is not installed: pip install 'tapetum[train]'",
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)
def test_an_error_has_its_code_and_one_line(capsys, error, code, line):
    assert end(capsys, error) == (code, f"{line}\n")


def test_a_bug_is_one_line_with_its_place_and_the_way_to_more(capsys):
    try:
        {}["key"]
    except KeyError as error:
        code, line = end(capsys, error)

    assert code == ending.BUG
    assert line.startswith("tapetum: a bug: KeyError: 'key' (test_ending.py:")
    assert line.endswith("run again with --debug for the traceback, and report it\n")
    assert line.count("\n") == 1


def test_a_message_of_several_lines_becomes_one_unless_it_is_a_list_of_ours(capsys):
    assert end(capsys, click.ClickException("first\n  second"))[1] == "tapetum: first second\n"
    assert (
        end(capsys, ConfigError("two are wrong\n  first\n  second"))[1] == "tapetum: two are wrong\n  first\n  second\n"
    )


def test_what_a_library_makes_of_ctrl_c_is_no_bug(capsys):
    assert end(capsys, ImportError("initialisation interrupted"), asked=130) == (130, "tapetum: interrupted\n")


def test_an_unknown_command_and_option_name_the_nearest():
    assert run("trian").stderr == "tapetum: no such command 'trian'. Did you mean 'train'? `tapetum --help` says more\n"
    assert "Did you mean '--out'? `tapetum train --help` says more" in run("train", "--otu").stderr


def test_a_choice_of_the_recipe_asked_for_as_an_option_is_given_its_name():
    asked = run("train", "cats-dogs", "--batch-size", "64").stderr

    assert "no such option '--batch-size'. Did you mean 'train.batch_size='?" in asked


@pytest.mark.parametrize("arguments", [("--debug", "config", "show"), ("config", "show", "--debug")], ids=" ".join)
def test_debug_shows_the_traceback_wherever_it_stands(arguments, monkeypatch):
    monkeypatch.setenv("TAPETUM_PORT", "none")

    ran = run(*arguments)

    assert "Traceback" in ran.stderr
    assert "Traceback" not in run("config", "show").stderr


def test_the_first_interrupt_unwinds_the_second_does_not_and_the_third_ends_at_once():
    program = """
import os, signal
from tapetum.cli.interrupts import Interrupts
interrupts = Interrupts()
interrupts.watch()
try:
    os.kill(os.getpid(), signal.SIGINT)
except KeyboardInterrupt:
    os.kill(os.getpid(), signal.SIGINT)
    print("cleared up", interrupts.code, flush=True)
os.kill(os.getpid(), signal.SIGINT)
print("not reached", flush=True)
"""

    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert (ran.returncode, ran.stdout) == (130, "cleared up 130\n")
    assert ran.stderr == "tapetum: clearing up; once more ends it as it is\n"
