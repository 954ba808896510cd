"""What every command tells of itself, and what the shell is told of it."""

import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from tapetum.cli import ending, usage
from tapetum.cli import main as cli

# Needs no JSON: it runs until it is stopped and logs JSON by TAPETUM_LOG_FORMAT, or it prints a program.
WITHOUT_JSON = {"tapetum serve", "tapetum completion"}
# What nobody who asks for help or for completion should wait for.
HEAVY = {"numpy", "openvino", "pydantic", "rich", "structlog", "httpx", "PIL", "torch", "yaml"}


def walk(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            assert child is not None
            yield from walk(child, f"{path} {name}")


COMMANDS = dict(walk(cli.tapetum, "tapetum"))
LEAVES = {path: command for path, command in COMMANDS.items() if not isinstance(command, click.Group)}


def context(command: click.Command) -> click.Context:
    """As from the command line; a command keeps the names of --help that it is first asked with."""
    return click.Context(command, **cli.tapetum.context_settings)


@pytest.mark.parametrize("path", COMMANDS)
def test_every_command_says_its_purpose_on_a_line_and_has_an_example(path):
    command = COMMANDS[path]

    assert (command.help or "").strip().splitlines()[0].rstrip().endswith((".", ":", ","))
    assert usage.examples(command), f"{path} has no line `Example: {path} …` in its docstring"
    assert all(line.startswith(path) for line in usage.examples(command))


@pytest.mark.parametrize("path", COMMANDS)
def test_no_mark_for_the_layout_shows_in_a_help(path):
    assert "\\b" not in COMMANDS[path].get_help(context(COMMANDS[path]))


@pytest.mark.parametrize("path", COMMANDS)
def test_every_example_parses(path, tmp_path, monkeypatch):
    """Options that want a file which exists get one."""
    monkeypatch.chdir(tmp_path)
    for line in usage.examples(COMMANDS[path]):
        words = shlex.split(line)[1:]
        for word in words:
            if Path(word).suffix and "=" not in word and "://" not in word:
                Path(word).parent.mkdir(parents=True, exist_ok=True)
                Path(word).touch()
        name, command = "tapetum", COMMANDS["tapetum"]
        while isinstance(command, click.Group):
            name = f"{name} {words.pop(0)}"
            command = COMMANDS[name]

        command.make_context(name, words)


@pytest.mark.parametrize("path", COMMANDS)
def test_an_example_is_not_broken_over_lines(path, capsys):
    """Else it cannot be copied."""
    settings = {"info_name": path, "terminal_width": 80, **cli.tapetum.context_settings}
    context = click.Context(COMMANDS[path], **settings)

    shown = [line.strip() for line in COMMANDS[path].get_help(context).splitlines()]

    assert all(f"Example: {line}" in shown for line in usage.examples(COMMANDS[path]))


@pytest.mark.parametrize("path", LEAVES)
def test_every_command_that_has_a_result_has_it_as_json_too(path):
    options = {name for option in LEAVES[path].params for name in option.opts}

    assert ("--json" in options) is (path not in WITHOUT_JSON)


@pytest.mark.parametrize("path", LEAVES)
def test_debug_may_stand_before_and_after_the_name_of_a_command(path):
    assert [option.name for option in LEAVES[path].params].count("debug") == 1
    assert "debug" in {option.name for option in cli.tapetum.params}


def test_the_help_says_what_the_exit_codes_mean():
    shown = cli.tapetum.get_help(context(cli.tapetum))

    for code in (ending.SAID_NO, ending.IMPOSSIBLE, ending.BUG, ending.INTERRUPTED, ending.PIPE_CLOSED):
        assert f"\n    {code:>3}  " in shown


def test_help_and_completion_import_nothing_that_is_slow():
    """Of commands whose modules are imported, none imports at the top what it needs to run."""
    program = (
        "import sys, click\nfrom tapetum.cli import main as cli\nroot = cli.tapetum\n"
        "for name in root.list_commands(None):\n    root.get_command(None, name).get_help(click.Context(root))\n"
        f"print(sorted({HEAVY!r} & set(sys.modules)))"
    )

    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert ran.stdout == "[]\n"


EMPTY_WORD = "''"
COMPLETIONS = {
    "tapetum do": ["doctor"],
    "tapetum bundle s": ["seal", "show"],
    "tapetum data check pictures --fail": ["--fail-on"],
    "tapetum completion ": ["bash", "fish", "zsh"],
    "tapetum train --deb": ["--debug"],
}


def test_bash_completes_commands_and_options(tmp_path):
    """A real bash with the script that is printed, asked as its tab key asks."""
    program = tmp_path / "tapetum"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m tapetum "$@"\n')
    program.chmod(0o755)
    asked = "\n".join(
        f"COMP_WORDS=({line}{EMPTY_WORD * line.endswith(' ')}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); "
        f'COMPREPLY=(); _tapetum_completion tapetum; echo "${{COMPREPLY[*]}}"'
        for line in COMPLETIONS
    )
    script = f'set -eu\nPATH={tmp_path}:$PATH\neval "$(tapetum completion bash)"\ncomplete -p tapetum\n{asked}'

    ran = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)

    assert ran.stderr == ""
    registered, *answers = ran.stdout.splitlines()
    assert registered.endswith("-F _tapetum_completion tapetum")
    assert [sorted(answer.split()) for answer in answers] == list(COMPLETIONS.values())


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_the_script_of_another_shell_is_one(shell):
    ran = subprocess.run([sys.executable, "-m", "tapetum", "completion", shell], capture_output=True, check=True)

    assert b"_TAPETUM_COMPLETE" in ran.stdout
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=ran.stdout, check=True)
