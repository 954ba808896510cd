"""`tapetum bundle`: verify, show or seal a bundle."""

from pathlib import Path

import click

from tapetum.cli.terminal import ANY_PATH, BUNDLE, FOLDER, echo_json


@click.group("bundle")
def command() -> None:
    """Verify, show or seal a bundle."""


@command.command()
@BUNDLE
@click.option("--engine", default="openvino", show_default=True, help="What computes.")
def verify(bundle: Path, engine: str) -> None:
    """Check every hash, and the answers to the golden pictures.

    Example: tapetum bundle verify runs/pets/bundle
    """
    from tapetum import bundle as bundles
    from tapetum.inference import golden
    from tapetum.inference.engine import open_engine

    sealed = bundles.load_sealed(bundle)
    opened = open_engine(engine, sealed)
    golden.check(sealed, opened)
    click.echo(f"{bundle}: {len(sealed.facts.files or ())} files and, in {opened.precision}, the golden pictures hold")


@command.command()
@BUNDLE
def show(bundle: Path) -> None:
    """Print the facts of a bundle as JSON.

    Example: tapetum bundle show runs/pets/bundle
    """
    from tapetum import bundle as bundles
    from tapetum.evaluation.card import UNMEASURED

    facts = bundles.load(bundle).facts
    echo_json(facts.model_dump(mode="json"))
    if facts.imported and not facts.scores:
        click.echo(f"{bundle}: {UNMEASURED}", err=True)


@command.command()
@BUNDLE
@click.option("--to", "target", type=FOLDER, help="Leave the draft as it is, and write the sealed bundle here.")
@click.option("--recipe", type=ANY_PATH, help="Take the gate of this recipe in place of the draft's own.")
@click.pass_context
def seal(context: click.Context, bundle: Path, target: Path | None, recipe: Path | None) -> None:
    """Seal a draft that passes its gate: from here on a changed byte is noticed; exit code 1 where it does not pass.

    Example: tapetum bundle seal runs/pets/bundle
    """
    from tapetum import bundle as bundles
    from tapetum import files
    from tapetum import recipe as recipes
    from tapetum.evaluation.evaluate import regate
    from tapetum.evaluation.gate import decide, held_to
    from tapetum.inference import golden

    draft = bundles.load(bundle)
    bundles.require_draft(draft)
    rules = recipes.load(recipe).gate if recipe else None
    verdict = decide(held_to(draft, rules) if rules else draft)
    if not verdict.passed:
        for check in verdict.checks:
            click.echo(check.to_text())
        context.exit(1)
    # Beside the bundle that may be there, which only a sealed one replaces.
    with files.replacing(target or bundle) as fresh:
        copied = bundles.copy(draft, fresh)
        golden.seal(regate(copied, rules) if rules else copied)
    sealed = bundles.load(target or bundle)
    click.echo(f"{sealed.path} is sealed: version {sealed.facts.version}, digest {bundles.digest(sealed)[:12]}")
