"""`tapetum promote`: the challenger becomes champion, if it is fit to."""

from pathlib import Path

import click

from tapetum.cli.tables import show_checks
from tapetum.cli.terminal import ANY_PATH, API_KEY_FILE, JSON, authorisation, echo_json, progress


@click.command("promote")
@click.argument("name")
@click.option("--data", "manifest", type=ANY_PATH, help="Measure the champion on this manifest's test part.")
@click.option("--recipe", type=ANY_PATH, help="Take the gate of this recipe in place of the challenger's own.")
@click.option("--shadow", metavar="URL", help="Demand that this service ran the challenger in shadow.")
@click.option("--again", is_flag=True, help="Even if the challenger was champion and was rolled back.")
@API_KEY_FILE
@JSON
@click.pass_context
def command(
    context: click.Context,
    name: str,
    manifest: Path | None,
    recipe: Path | None,
    shadow: str | None,
    again: bool,
    api_key_file: Path | None,
    as_json: bool,
) -> None:
    """Make the challenger of model NAME its champion, if it passes a gate against the present one.

    Both come from the registry of MLflow. A line for each check; exit code 1 where one fails, and nothing is changed.

    Example: tapetum promote cats-dogs
    """
    import tempfile
    from dataclasses import asdict
    from datetime import UTC, datetime

    from tapetum import recipe as recipes
    from tapetum import settings
    from tapetum.data import manifest as manifests
    from tapetum.delivery import promote as promotion
    from tapetum.delivery import registry, shadowed
    from tapetum.delivery.promote import Demands

    demands = Demands(
        manifest=manifests.load(manifest) if manifest else None,
        shadow=shadowed.ask(shadow, authorisation(api_key_file)) if shadow else None,
        rules=recipes.load(recipe).gate if recipe else None,
        again=again,
    )
    uri = settings.load().mlflow_tracking_uri
    with registry.opened(uri, name) as registered, tempfile.TemporaryDirectory() as place:
        with progress() as advance:
            held = promotion.contest(registered, demands, Path(place), advance)
        if not as_json:
            show_checks(held.checks)
        if not held.passed:
            if as_json:
                echo_json({"name": name, "refused": asdict(held.challenger), "checks": [*map(asdict, held.checks)]})
            context.exit(1)
        moved = promotion.promote(registered, held, datetime.now(UTC))
    if as_json:
        echo_json(asdict(moved))
    else:
        was = f", after version {moved.previous.version}" if moved.previous else ""
        already = "" if moved.checks else " already"
        click.echo(f"champion  {name} is version {moved.version}{already}{was}, digest {moved.digest}")
