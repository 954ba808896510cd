"""`tapetum config`: the settings in force."""

from dataclasses import asdict

import click

from tapetum.cli.tables import show_rows
from tapetum.cli.terminal import JSON, echo_json


@click.group("config")
def command() -> None:
    """Show the current settings.

    Example: tapetum config show --json
    """


@command.command()
@JSON
def show(as_json: bool) -> None:
    """Print each setting, its value with secrets as ***, and where it comes from.

    Example: tapetum config show
    """
    from tapetum import settings

    rows = settings.origins()
    if as_json:
        echo_json([asdict(row) for row in rows])
        return
    show_rows(("variable", "value", "from"), [(row.variable, row.value, row.origin) for row in rows])
    for complaint in settings.unknown_variables(settings.given()):
        click.echo(f"warning: {complaint}", err=True)
