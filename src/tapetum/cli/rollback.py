"""`tapetum rollback`: the champion before becomes champion again."""

import click

from tapetum.cli.terminal import JSON, echo_json


@click.command("rollback")
@click.argument("name")
@click.option("--from", "only_from", metavar="VERSION", help="Only if this version is champion; else exit code 2.")
@JSON
def command(name: str, only_from: str | None, as_json: bool) -> None:
    """Make that version of model NAME champion again which was before the present one; repeated, the one before that.

    Its bundle is fetched and verified first; where it is gone, nothing is changed.

    Example: tapetum rollback cats-dogs
    """
    from dataclasses import asdict
    from datetime import UTC, datetime

    from tapetum import settings
    from tapetum.delivery import promote, registry

    with registry.opened(settings.load().mlflow_tracking_uri, name) as registered:
        moved = promote.rollback(registered, datetime.now(UTC), only_from)
    assert moved.previous is not None, "somebody was rolled back"
    if as_json:
        echo_json(asdict(moved))
    else:
        click.echo(
            f"champion  {name} is version {moved.version} again, in place of {moved.previous.version}, "
            f"digest {moved.digest}"
        )
