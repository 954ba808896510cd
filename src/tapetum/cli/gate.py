"""`tapetum gate`: a verdict and its exit code."""

from dataclasses import asdict
from pathlib import Path

import click

from tapetum.cli.tables import show_checks
from tapetum.cli.terminal import ANY_PATH, BUNDLE, FOLDER, JSON, echo_json, to_json


@click.command("gate")
@BUNDLE
@click.option("--against", type=FOLDER, help="Bundle of the incumbent, compared on the same test pictures.")
@click.option("--data", "manifest", type=ANY_PATH, help="Measure the incumbent on this manifest's test part.")
@click.option("--recipe", type=ANY_PATH, help="Take the gate of this recipe in place of the bundle's own.")
@JSON
@click.option("--out", type=ANY_PATH, help="Write what --json prints to this file.")
@click.pass_context
def command(
    context: click.Context,
    bundle: Path,
    against: Path | None,
    manifest: Path | None,
    recipe: Path | None,
    as_json: bool,
    out: Path | None,
) -> None:
    """Hold an evaluated bundle to its recipe's gate; exit code 1 where it says no.

    Example: tapetum gate runs/new/bundle --against runs/old/bundle
    """
    from tapetum import bundle as bundles
    from tapetum import files
    from tapetum import recipe as recipes
    from tapetum.data import manifest as manifests
    from tapetum.evaluation import gate

    if manifest is not None and against is None:
        raise click.UsageError("--data measures an incumbent: name it with --against")
    incumbent = None
    if against is not None:
        rival = bundles.load(against)
        incumbent = gate.measured(rival, manifests.load(manifest)) if manifest else gate.recorded(rival)
    candidate = bundles.load(bundle)
    if recipe is not None:
        candidate = gate.held_to(candidate, recipes.load(recipe).gate)
    verdict = gate.decide(candidate, incumbent)
    if out is not None:
        files.write_text(out, to_json(asdict(verdict)) + "\n")
    if as_json:
        echo_json(asdict(verdict))
    else:
        show_checks(verdict.checks)
    context.exit(0 if verdict.passed else 1)
