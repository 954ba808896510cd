"""Blocks of code in the pages: found, made into one script for each page, and held to what programs really take.

The first word after the fence is the language. A block of shell that cannot run in a test says so behind it:
`needs=` and one of NEEDS, or `tested-by=` and the test that runs the same commands with more around them.
"""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import click

from tapetum.cli.main import tapetum

ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "SECURITY.md",
    *sorted((ROOT / "docs").glob("*.md")),
]
SHELL, PYTHON = ("sh", "bash", "console", "shell"), ("python", "py")
# What no test has, or not in the seconds that a page may take.
NEEDS = {"ci", "cluster", "containers", "kaggle", "minutes", "network", "root"}

_FENCE = re.compile(r"^( *)```(\S*) ?(.*)$")
_PREAMBLE = (
    "set -Eeuo pipefail; trap 'echo \"{page}:$LINENO: this command failed\" >&2' ERR; "
    'curl() {{ command curl --fail-with-body --silent --show-error "$@"; }}'
)


class Block(NamedTuple):
    """A block, and where it stands."""

    page: Path
    line: int  # of its fence, from 1
    language: str
    marks: dict[str, str]
    text: str

    @property
    def place(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def is_shell(self) -> bool:
        return self.language in SHELL

    @property
    def runs(self) -> bool:
        """Whether it can run here."""
        return (self.is_shell or self.language in PYTHON) and not self.marks


def blocks(page: Path) -> Iterator[Block]:
    """The blocks of a page, in order."""
    begun: tuple[int, str, str, str] | None = None
    inside: list[str] = []
    for number, line in enumerate(page.read_text().splitlines(), 1):
        fence = _FENCE.match(line)
        if begun is None and fence:
            begun, inside = (number, *fence.groups()), []
        elif begun is not None and fence:
            start, indent, language, info = begun
            text = "".join(f"{each.removeprefix(indent)}\n" for each in inside)
            yield Block(page, start, language, dict(word.split("=", 1) for word in info.split()), text)
            begun = None
        else:
            inside.append(line)
    assert begun is None, f"{page.name}:{begun} is never closed"


def script(page: Path) -> str:
    """The blocks of a page that run, as one script of Bash in which every line has the number that it has there."""
    lines = [""] * (len(page.read_text().splitlines()) + 1)
    lines[0] = _PREAMBLE.format(page=page.name)
    for block in blocks(page):
        if block.runs:
            inside = block.text.splitlines()
            lines[block.line : block.line + len(inside)] = inside
            if block.language in PYTHON:
                lines[block.line - 1], lines[block.line + len(inside)] = "python - <<'PYTHON'", "PYTHON"
    return "\n".join(lines) + "\n"


# Programs of others, with the words that the pages may give them.
_WORDS = {
    "docker": {"build", "compose", "exec", "images", "load", "login", "logs", "pull", "push", "run", "save", "stop"},
    "dvc": {"exp", "metrics", "params", "plots", "pull", "push", "repro"},
    "git": {"add", "clone", "commit", "diff", "fetch", "log", "push", "rebase", "status", "switch", "tag"},
    "gh": {"pr", "release", "run", "workflow"},
    "kind": {"create", "delete", "export", "get", "load"},
    "kubectl": {
        *("annotate", "apply", "config", "create", "delete", "describe", "edit", "exec", "get", "kustomize", "label"),
        *("logs", "patch", "port-forward", "rollout", "scale", "top", "wait"),
    },
    "kustomize": {"build", "edit"},
    "mlflow": {"artifacts", "models", "ui"},
    "pip": {"install", "uninstall"},
    "pre-commit": {"install", "run"},
}
_SHELL_WORDS = {
    *("apt", "base64", "cat", "cd", "chmod", "cp", "curl", "echo", "export", "grep", "kill", "mkdir", "mv", "openssl"),
    "tail",
}


def commands(text: str) -> Iterator[list[str]]:
    """The words of each simple command of a script, without assignments before it and redirections."""
    for line in re.sub(r"\\\n", " ", text).splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        command: list[str] = []
        is_target = False
        for word in (*lexer, ";"):
            if set(word) <= set(";&|()"):
                if command:
                    yield command
                command = []
            elif set(word) <= set("<>&"):
                is_target = True
            elif is_target:
                is_target = False
            elif command or not re.match(r"\w+=", word):
                command.append(word)


def complaints(block: Block) -> Iterator[str]:
    """What is wrong with the commands of a block: programs, subcommands, options, targets that do not exist."""
    if not block.is_shell:
        compile(block.text, block.place, "exec")
        return
    for program, *words in commands(block.text):
        if program == "sudo":
            program, *words = words
        if program == "tapetum":
            yield from _of_tapetum(words)
        elif program == "make":
            yield from _of_make(words)
        elif program in ("python", "python3.11"):
            yield from _of_python(words)
        elif program == "torchrun":
            yield from _of_tapetum(words[words.index("tapetum") + 1 :])
        elif program in _WORDS:
            if words and not _WORDS[program] & set(words):
                yield f"{program} {' '.join(words)} has no word that is known: {', '.join(sorted(_WORDS[program]))}"
        elif program not in _SHELL_WORDS and program not in (".", "curl"):
            yield f"{program} is unknown to tests/blocks.py"


def _of_tapetum(words: list[str]) -> Iterator[str]:
    command: click.Command = tapetum
    context = click.Context(command)
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        found = command.get_command(context, words[0])
        if found is None:
            yield f"{command.name} has no command {words[0]}"
            return
        command, words = found, words[1:]
    known = {"-h", "--help"} | {
        option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)
    }
    for word in words:
        if word.startswith("-") and word.partition("=")[0] not in known:
            yield f"tapetum {command.name} has no option {word}"


def _of_make(words: list[str]) -> Iterator[str]:
    files = "\n".join(path.read_text() for path in (ROOT / "Makefile", *sorted((ROOT / "deploy").glob("*.mk"))))
    targets = {name for line in re.findall(r"^([\w. -]+):(?!=)", files, flags=re.MULTILINE) for name in line.split()}
    for word in words:
        name, is_variable, _ = word.partition("=")
        if is_variable and not re.search(rf"\b{name}\b", files):
            yield f"no Makefile knows the variable {name}"
        elif not is_variable and word not in targets:
            yield f"no Makefile has the target {word}"


def _of_python(words: list[str]) -> Iterator[str]:
    if words[:1] == ["-m"]:
        if words[1] == "tapetum":
            yield from _of_tapetum(words[2:])
        return
    if not (ROOT / words[0]).is_file():
        yield f"there is no {words[0]}"
        return
    known = (ROOT / words[0]).read_text()
    for word in words[1:]:
        if word.startswith("--") and f'"{word.partition("=")[0]}"' not in known:
            yield f"{words[0]} has no option {word}"
