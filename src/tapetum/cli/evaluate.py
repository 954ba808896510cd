"""`tapetum evaluate`: scores on pictures the model never saw."""

from dataclasses import asdict
from pathlib import Path

import click

from tapetum.cli.tables import show
from tapetum.cli.terminal import ANY_PATH, BUNDLE, FOLDER, JSON, echo_json, progress, to_json


@click.command("evaluate")
@BUNDLE
@click.option("--data", "manifest", type=ANY_PATH, required=True, help="Manifest of the draft's training run.")
@click.option("--engine", default="openvino", show_default=True, help="What computes.")
@click.option("--to", "target", type=FOLDER, help="Leave the draft as it is, and write an evaluated copy here.")
@click.option("--metrics", type=ANY_PATH, help="Write the scores without intervals to this file, as JSON for DVC.")
@JSON
def command(
    bundle: Path, manifest: Path, engine: str, target: Path | None, metrics: Path | None, as_json: bool
) -> None:
    """Calibrate a draft on the validation part, score it on the test part, and write both into it.

    Its report.html shows curves, confusions, the worst mistakes and examples.

    Example: tapetum evaluate runs/pets/bundle --data runs/pets/manifest.json
    """
    from tapetum import bundle as bundles
    from tapetum import files
    from tapetum.data import manifest as manifests
    from tapetum.evaluation.evaluate import evaluate
    from tapetum.evaluation.report import report, values

    draft, divided = bundles.load(bundle), manifests.load(manifest)
    if target is not None:
        draft = bundles.copy(draft, target)
    with progress() as advance:
        evaluated = evaluate(draft, divided, engine, advance)
    scores = evaluated.facts.scores
    if metrics is not None:
        files.write_text(metrics, to_json(values(scores)) + "\n")
    if as_json:
        echo_json({name: asdict(entry) for name, entry in scores.items()})
    else:
        show(report(scores))
        click.echo(f"{evaluated.path / bundles.REPORT} shows plots and pictures")
