"""The command `tapetum`: command groups found by name, and errors as one line with the remedy."""

import gc
import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING

import click

from tapetum import __version__
from tapetum.cli import ending
from tapetum.cli.interrupts import Interrupts
from tapetum.cli.usage import complete_help, debug_option

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

# Each command lives in a module of its own, imported only when it is called or its help is asked for.
_COMMANDS = {
    "bench": "Measure a service under load.",
    "bundle": "Verify, show or seal a bundle.",
    "completion": "Print a completion script for your shell.",
    "config": "Show the current settings.",
    "data": "Fetch, check and split pictures.",
    "demo": "Run the whole pipeline on handwritten digits.",
    "doctor": "Check what Tapetum can use on this machine.",
    "drift": "Tell whether pictures differ from those a model was evaluated on.",
    "evaluate": "Score a model on pictures it has never seen.",
    "export": "Quantise a bundle to int8.",
    "gate": "Decide whether a model is good enough.",
    "import": "Turn a .pt or .pth checkpoint into a bundle.",
    "predict": "Classify picture files.",
    "promote": "Make the challenger champion if it passes the gate.",
    "rollback": "Make the previous champion champion again.",
    "serve": "Serve a bundle over HTTP.",
    "smoke": "Check a running service.",
    "stack": "Write the monitoring configuration.",
    "train": "Turn labelled pictures into a bundle.",
}


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module = "import_" if cmd_name == "import" else cmd_name  # which Python keeps for itself
        command: click.Command = import_module(f"tapetum.cli.{module}").command
        return complete_help(command)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in _COMMANDS and not args[0].startswith("-") and not ctx.resilient_parsing:
            raise click.exceptions.NoSuchCommand(args[0], possibilities=_COMMANDS, ctx=ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> "list[CompletionItem[str]]":
        """Names of commands by the table, for which none is imported; options as click has them."""
        from click.shell_completion import CompletionItem

        if incomplete.startswith("-"):
            return super().shell_complete(ctx, incomplete)
        found = ((name, purpose) for name, purpose in _COMMANDS.items() if name.startswith(incomplete))
        return [CompletionItem(name, help=purpose) for name, purpose in found]


_EXIT_CODES = "\n".join(f"  {code:>3}  {meaning}" for code, meaning in ending.EXIT_CODES.items())


@click.command(
    cls=_LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=f"\b\nExit codes:\n{_EXIT_CODES}\n\n\b\nExample: tapetum train photos --out runs/pets",
)
@click.version_option(__version__, prog_name="tapetum")
@debug_option
def tapetum() -> None:
    """From a folder of labelled pictures to an image classifier in production."""


def main() -> None:
    """Run the command line and end the process."""
    # They are none where they were closed, as by `>&-`.
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115  # for as long as the process lives
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115  # as above
    interrupts, wishes = Interrupts(), ending.Wishes()
    interrupts.watch()
    try:
        code = tapetum.main(prog_name="tapetum", standalone_mode=False, obj=wishes) or 0
    except BaseException as error:
        if wishes.traceback and interrupts.code is None and not isinstance(error, ending.PLAIN):
            raise
        code = ending.end(error, interrupts.code)
    # Else Python looks for cycles among all objects as it ends, again and again: seconds after torch and MLflow.
    gc.freeze()
    sys.exit(code)
