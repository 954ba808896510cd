"""`tapetum drift`: whether pictures look to a model as those did that it was measured on."""

from pathlib import Path

import click

from tapetum.cli.tables import show
from tapetum.cli.terminal import ANY_PATH, BUNDLE, JSON, NEW_FILE, files_of, progress


@click.command("drift")
@BUNDLE
@click.argument("paths", metavar="FOLDER...", nargs=-1, required=True, type=ANY_PATH)
@JSON
@click.option("--html", type=NEW_FILE, help="Write a report to this file, with the pictures that moved it most.")
@click.option("--engine", default="openvino", show_default=True, help="What computes.")
@click.pass_context
def command(
    context: click.Context, bundle: Path, paths: tuple[Path, ...], as_json: bool, html: Path | None, engine: str
) -> None:
    """Compare pictures with the profile of a bundle, as the service does with what it is asked.

    Exit code 0 where there is no drift, 1 where there is, 2 where it cannot be
    told: the bundle has no profile, or fewer than 100 pictures can be read. With
    fewer than 500 it says that false alarms are more frequent than stated.

    Example: tapetum drift runs/pets/bundle holiday/ --html drift.html
    """
    from tapetum.evaluation import drift

    with progress() as advance:
        found = drift.measure(bundle, list(files_of(paths)), engine, advance)
    if html is not None:
        from tapetum import files
        from tapetum.evaluation import drift_page  # which draws, and the serving install cannot

        files.write_text(html, drift_page.html(found))
    if as_json:
        click.echo(found.verdict.model_dump_json(indent=1))
    else:
        show(drift.text(found))
    context.exit(0 if found.verdict.grade == "none" else 1)
