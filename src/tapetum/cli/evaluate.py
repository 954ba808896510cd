"""`tapetum evaluate`: scores on pictures the model never saw."""

from dataclasses import asdict
from pathlib import Path

import click

from tapetum.cli.terminal import ANY_PATH, BUNDLE, JSON, echo_json, progress


@click.command("evaluate")
@BUNDLE
@click.option("--data", "manifest", type=ANY_PATH, required=True, help="Manifest of the draft's training run.")
@click.option("--engine", default="openvino", show_default=True, help="What computes.")
@JSON
def command(bundle: Path, manifest: Path, engine: str, as_json: bool) -> None:
    """Calibrate a draft on the validation part, score it on the test part, and write both into it.

    Its report.html shows curves, confusions, the worst mistakes and examples.

    Example: tapetum evaluate runs/pets/bundle --data runs/pets/manifest.json
    """
    from tapetum import bundle as bundles
    from tapetum.data import manifest as manifests
    from tapetum.evaluation.evaluate import evaluate
    from tapetum.evaluation.report import report

    with progress() as advance:
        evaluated = evaluate(bundles.load(bundle), manifests.load(manifest), engine, advance)
    scores = evaluated.facts.scores
    if as_json:
        echo_json({name: asdict(entry) for name, entry in scores.items()})
    else:
        click.echo(report(scores))
        click.echo(f"{evaluated.path / bundles.REPORT} shows plots and pictures")
