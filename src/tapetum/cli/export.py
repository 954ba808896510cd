"""`tapetum export`: a bundle that also computes in int8."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tapetum.cli.tables import show
from tapetum.cli.terminal import ANY_PATH, BUNDLE, FOLDER, JSON, echo_json, progress

if TYPE_CHECKING:
    from tapetum.evaluation.quantise import Outcome, Try


@click.command("export")
@BUNDLE
@click.option("--precision", type=click.Choice(["int8"]), required=True, help="Arithmetic that the new bundle has too.")
@click.option(
    "--data",
    "pictures",
    type=ANY_PATH,
    required=True,
    help="The pictures it was made from: the manifest of its training run, or what that was given.",
)
@click.option("--out", type=FOLDER, help="Folder of the new bundle; BUNDLE-int8 by default.")
@click.option(
    "--max-accuracy-loss",
    type=click.FloatRange(0, 1),
    default=0.005,
    show_default=True,
    help="Share of test pictures answered rightly that may be lost.",
)
@click.option(
    "--max-changed",
    type=click.FloatRange(0, 1),
    default=0.02,
    show_default=True,
    help="Share of test pictures that may get another label.",
)
@JSON
@click.pass_context
def command(
    context: click.Context,
    bundle: Path,
    precision: str,
    pictures: Path,
    out: Path | None,
    max_accuracy_loss: float,
    max_changed: float,
    as_json: bool,
) -> None:
    """Copy a sealed bundle and add a graph in int8, measured and sealed; exit code 1 where int8 costs too much.

    Ranges of values come from pictures of the training part. Layers that int8
    harms stay in fp32 where that keeps the bounds. The bundle itself is left as
    it is.

    Example: tapetum export runs/pets/bundle --precision int8 --data runs/pets/manifest.json
    """
    import tempfile

    from tapetum import bundle as bundles
    from tapetum import pipeline
    from tapetum.errors import ConfigError
    from tapetum.evaluation.quantise import quantise
    from tapetum.quantised import Bounds
    from tapetum.recipe import Parts

    out = out or bundle.with_name(f"{bundle.resolve().name}-{precision}")
    if out.resolve() == bundle.resolve():
        raise ConfigError(f"--out {out} is the bundle itself, which stays as it is: name another folder")
    source = bundles.load(bundle)
    parts = Parts.model_validate(source.facts.recipe.get("parts", {}))
    with progress() as advance, tempfile.TemporaryDirectory() as place:
        manifest, _ = pipeline.divide(pictures, parts, Path(place), advance)
        bounds = Bounds(accuracy_loss=max_accuracy_loss, changed=max_changed)
        outcome = quantise(source, manifest, out, bounds, advance)
    if as_json:
        echo_json({"sealed": str(out) if outcome.bundle else None, "tries": [asdict(entry) for entry in outcome.tries]})
    else:
        _say(outcome)
    context.exit(0 if outcome.bundle else 1)


def _say(outcome: "Outcome") -> None:
    from tapetum.cli.stages import say
    from tapetum.evaluation import in_int8

    for entry in outcome.tries:
        say("int8", _line(entry))
    for check in outcome.verdict.checks if outcome.verdict else ():
        say("gate", check.to_text())
    if outcome.bundle is None:
        say("seal", "no: int8 costs more than the bounds allow, and nothing was written")
        return
    facts = outcome.bundle.facts
    assert facts.quantised is not None
    show(f"\n{in_int8.text(facts.quantised)}")
    say("seal", f"{outcome.bundle.path}, version {facts.version}, answers in int8 unless it is told another precision")


def _line(entry: "Try") -> str:
    found = entry.agreement
    kept = f"{', '.join(entry.kept)} in fp32" if entry.kept else "every layer"
    return (
        f"{'pass' if entry.passed else 'FAIL'}  {kept}, {entry.part} part: accuracy "
        f"{100 * found.accuracy_change:+.2f} points, other labels {found.changed:.2%}"
    )
