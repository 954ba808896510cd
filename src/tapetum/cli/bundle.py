"""`tapetum bundle`: verify, show or seal a bundle."""

from pathlib import Path

import click

from tapetum.cli.terminal import BUNDLE, echo_json


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
@click.pass_context
def seal(context: click.Context, bundle: Path) -> None:
    """Seal a draft that passes its gate: from here on a changed byte is noticed; exit code 1 where it does not pass.

    Example: tapetum bundle seal runs/pets/bundle
    """
    from tapetum import bundle as bundles
    from tapetum.evaluation.gate import decide
    from tapetum.inference import golden

    draft = bundles.load(bundle)
    verdict = decide(draft)
    if not verdict.passed:
        for check in verdict.checks:
            click.echo(check.to_text())
        context.exit(1)
    sealed = golden.seal(draft)
    click.echo(f"{bundle} is sealed: version {sealed.facts.version}, digest {bundles.digest(sealed)[:12]}")
