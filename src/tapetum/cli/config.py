"""`tapetum config`: the settings in force."""

from dataclasses import asdict

import click

from tapetum.cli.terminal import JSON, echo_json


@click.group("config")
def command() -> None:
    """Show the settings in force."""


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
    width, value_width = (max(len(getattr(row, name)) for row in rows) for name in ("variable", "value"))
    for row in rows:
        click.echo(f"{row.variable:{width}}  {row.value:{value_width}}  {row.origin}")
    for complaint in settings.unknown_variables(settings.given()):
        click.echo(f"warning: {complaint}", err=True)
