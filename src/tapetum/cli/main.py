"""The command `tapetum`: command groups found by name, and errors as one line with the remedy.

Exit codes: 0 done; 1 a check, a gate or a picture said no; 2 it could not be
done, and the message says why; 130 interrupted.
"""

import os
import signal
import sys
from importlib import import_module

import click

from tapetum import __version__
from tapetum.errors import Interrupted, TapetumError

# Each command lives in a module of its own, imported only when it is called or its help is asked for.
_COMMANDS = {
    "bench": "Measure a service under load.",
    "bundle": "Verify, show or seal a bundle.",
    "config": "Show the settings in force.",
    "data": "Fetch, check and split pictures.",
    "demo": "Run everything on handwritten digits.",
    "drift": "Compare pictures with those a model was measured on.",
    "evaluate": "Score a model on pictures it never saw.",
    "export": "Add a graph in int8 to a bundle.",
    "gate": "Decide whether a model may go on.",
    "import": "Turn foreign weights into a bundle.",
    "predict": "Classify picture files.",
    "promote": "Make the challenger champion, past a gate.",
    "rollback": "Make the champion before it champion again.",
    "serve": "Answer POST /predict.",
    "smoke": "Check a running service.",
    "stack": "Write the files of monitoring.",
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
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.command(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="tapetum")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def tapetum(debug: bool) -> None:
    """From a folder of labelled pictures to an image classifier in production."""


def main() -> None:
    """Run the command line and end the process."""
    # SIGTERM unwinds like Ctrl-C, so that half-written files and started services are cleared away.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        code = tapetum.main(standalone_mode=False) or 0
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        code = 130
    except Interrupted as error:
        click.echo(f"tapetum: {error}", err=True)
        code = 130
    except TapetumError as error:
        if "--debug" in sys.argv:
            raise
        click.echo(f"tapetum: {error}", err=True)
        code = 2
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("tapetum") or "--debug" in sys.argv:
            raise
        library = error.name.partition(".")[0]
        extra = {"grafana_foundation_sdk": "dev", "onnxruntime": "onnxruntime"}.get(library, "train")
        click.echo(
            f"tapetum: this needs {error.name}, which is not installed: pip install 'tapetum[{extra}]'", err=True
        )
        code = 2
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    except OSError as error:
        if "--debug" in sys.argv or error.strerror is None:
            raise
        place = f"{error.filename}: " if error.filename else ""
        click.echo(f"tapetum: {place}{error.strerror}", err=True)
        code = 2
    sys.exit(code)
