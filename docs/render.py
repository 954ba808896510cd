"""Write docs/cli.md, docs/settings.md, docs/recipe.md and its JSON Schema from the code: `make docs`."""

import json
from pathlib import Path

import click

from tapetum import files, settings
from tapetum.cli import main as cli
from tapetum.cli.ending import EXIT_CODES
from tapetum.recipe import Recipe
from tapetum.settings import Settings

DOCS = Path(__file__).parent

_CLI = """On a terminal commands draw tables and show how far they are; in a pipe they print plain lines, and with
`--json` one JSON document (`predict` one a line). What a stage says on the way, progress, warnings and errors then go
to standard error. `NO_COLOR` switches colours off, `TERM=dumb` tables and bars too.

An error is one line with the remedy, on standard error; `--debug`, before the name of a command or after it, shows the
traceback. Ctrl-C ends any command with exit code 130 and leaves nothing half-written: a download goes on where it broke
off, a training run with `--resume`. Pressed once more it does not cut short the clearing up; pressed a third time it
does. The service ends at the second.

`tapetum doctor` says what of this machine Tapetum can use, and what to do about the rest.

## Completion by the tab key

| shell | once |
|---|---|
| bash, from 4.4 | `echo 'eval "$(tapetum completion bash)"' >> ~/.bashrc` |
| zsh, after `compinit` | `echo 'eval "$(tapetum completion zsh)"' >> ~/.zshrc` |
| fish | `tapetum completion fish > ~/.config/fish/completions/tapetum.fish` |
"""


def render() -> dict[str, str]:
    """The generated pages by file name."""
    schema = json.dumps(Recipe.model_json_schema(), indent=1, ensure_ascii=False) + "\n"
    return {"cli.md": _cli(), "settings.md": _settings(), "recipe.md": _recipe(), "recipe.schema.json": schema}


def _cli() -> str:
    exit_codes = [f"| {code} | {meaning} |" for code, meaning in EXIT_CODES.items()]
    sections = [
        "# Command line\n\nWritten by `make docs` from the code; do not edit.\n",
        _CLI,
        "\n".join(["## Exit codes\n", "| code | meaning |", "|---|---|", *exit_codes]) + "\n",
        *_commands(cli.tapetum, click.Context(cli.tapetum, info_name="tapetum", **cli.tapetum.context_settings)),
    ]
    return "\n".join(sections)


def _commands(command: click.Command, context: click.Context) -> list[str]:
    context.terminal_width = 100
    sections = [f"## {context.command_path}\n\n```text\n{command.get_help(context)}\n```\n"]
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            assert child is not None
            sections += _commands(child, click.Context(child, parent=context, info_name=name))
    return sections


def _settings() -> str:
    rows = [
        f"| `{settings.variable(name)}` | {_default(field.default)} | {field.description} |"
        for name, field in Settings.model_fields.items()
    ]
    return "\n".join(
        [
            "# Settings\n\nWritten by `make docs` from the code; do not edit.\n",
            "Each is a variable of the environment or of a file `.env` in the working folder; the "
            "environment wins, and options of the command line win over both. `tapetum config show` prints "
            "those in force.\n",
            "| variable | default | meaning |",
            "|---|---|---|",
            *rows,
            "",
        ]
    )


def _default(value: object) -> str:
    return "unset" if value is None else f"`{value}`"


def _recipe() -> str:
    schema = Recipe.model_json_schema()
    rows = []
    for section, entry in schema["properties"].items():
        keys = schema["$defs"].get(entry.get("$ref", "").rpartition("/")[2], {}).get("properties")
        for key, about in (keys or {"": entry}).items():
            default = json.dumps(about["default"], ensure_ascii=False) if "default" in about else ""
            name = f"{section}.{key}".rstrip(".")
            rows.append(f"| `{name}` | {f'`{default}`' if default else ''} | {about.get('description', '')} |")
    return "\n".join(
        [
            "# Recipes\n\nWritten by `make docs` from the code; do not edit.\n",
            "A recipe is a YAML file with every choice of an experiment; `tapetum train RECIPE KEY=VALUE` changes one. "
            "An editor that knows YAML language servers completes and checks it where its first line is "
            "`# yaml-language-server: $schema=…/docs/recipe.schema.json`.\n",
            "| key | default | meaning |",
            "|---|---|---|",
            *rows,
            "",
        ]
    )


if __name__ == "__main__":
    for name, page in render().items():
        files.write_text(DOCS / name, page)
        print(f"wrote {DOCS / name}")
