"""`tapetum stack`: the files of monitoring, written from the catalogue of series, the objectives and the alerts."""

from pathlib import Path

import click

from tapetum.cli.terminal import JSON, echo_json


@click.group("stack")
def command() -> None:
    """Write the files of Prometheus, Alertmanager and Grafana.

    Example: tapetum stack render
    """


@command.command()
@JSON
@click.option(
    "--root",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    default=".",
    help="Folder that gets deploy/monitoring/ and docs/metrics.md; by default the working folder.",
)
def render(as_json: bool, root: Path) -> None:
    """Write what has changed: rules and their tests, configurations, dashboards, pages.

    Example: tapetum stack render
    """
    from tapetum import files
    from tapetum.stack.render import render

    written = []
    for path, content in render().items():
        target = root / path
        if not target.exists() or target.read_text() != content:
            files.write_text(target, content)
            written.append(str(target))
            if not as_json:
                click.echo(f"wrote {target}")
    if as_json:
        echo_json({"written": written})
