"""`tapetum bundle`: verify, show or seal a bundle."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tapetum.cli.tables import show_checks, show_rows
from tapetum.cli.terminal import ANY_PATH, BUNDLE, FOLDER, JSON, echo_json

if TYPE_CHECKING:
    from tapetum.bundle import Bundle


@click.group("bundle")
def command() -> None:
    """Verify, show or seal a bundle.

    Example: tapetum bundle verify runs/pets/bundle
    """


@command.command()
@BUNDLE
@click.option("--engine", default="openvino", show_default=True, help="What computes.")
@JSON
def verify(bundle: Path, engine: str, as_json: bool) -> None:
    """Check every hash, and the answers to the golden pictures.

    Example: tapetum bundle verify runs/pets/bundle
    """
    from tapetum import bundle as bundles
    from tapetum.inference import golden
    from tapetum.inference.engine import open_engine

    sealed = bundles.load_sealed(bundle)
    opened = open_engine(engine, sealed)
    golden.check(sealed, opened)
    count = len(sealed.facts.files or ())
    if as_json:
        facts = sealed.facts
        echo_json(
            {
                "bundle": str(bundle),
                "version": facts.version,
                "digest": bundles.digest(sealed),
                "files": count,
                "engine": engine,
                "precision": opened.precision,
            }
        )
    else:
        click.echo(f"{bundle}: {count} files and, in {opened.precision}, the golden pictures hold")


@command.command()
@BUNDLE
@JSON
def show(bundle: Path, as_json: bool) -> None:
    """Print the facts of a bundle; all of them, with its recipe, scores and hashes, as JSON.

    Example: tapetum bundle show runs/pets/bundle
    """
    from tapetum import bundle as bundles
    from tapetum.evaluation.card import UNMEASURED

    found = bundles.load(bundle)
    facts = found.facts
    if as_json:
        echo_json(facts.model_dump(mode="json"))
    else:
        show_rows(("fact", "value"), _facts(found))
    if facts.imported and not facts.scores:
        click.echo(f"{bundle}: {UNMEASURED}", err=True)


@command.command()
@BUNDLE
@click.option("--to", "target", type=FOLDER, help="Leave the draft as it is, and write the sealed bundle here.")
@click.option("--recipe", type=ANY_PATH, help="Take the gate of this recipe in place of the draft's own.")
@click.pass_context
@JSON
def seal(context: click.Context, bundle: Path, target: Path | None, recipe: Path | None, as_json: bool) -> None:
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
        if as_json:
            echo_json({"sealed": None, "checks": [asdict(check) for check in verdict.checks]})
        else:
            show_checks(verdict.checks)
        context.exit(1)
    # Beside the bundle that may be there, which only a sealed one replaces.
    with files.replacing(target or bundle) as fresh:
        copied = bundles.copy(draft, fresh)
        golden.seal(regate(copied, rules) if rules else copied)
    sealed = bundles.load(target or bundle)
    version, digest = sealed.facts.version, bundles.digest(sealed)
    if as_json:
        echo_json({"sealed": str(sealed.path), "version": version, "digest": digest})
    else:
        click.echo(f"{sealed.path} is sealed: version {version}, digest {digest[:12]}")


def _facts(bundle: "Bundle") -> list[tuple[str, str]]:
    from tapetum import bundle as bundles

    facts, image = bundle.facts, bundle.facts.preprocess
    made = f"imported from {facts.imported.file}" if facts.imported else f"by Tapetum {facts.code_version}"
    scores = [
        (
            f"accuracy in {precision}",
            f"{entry.accuracy.value:.4f} [{entry.accuracy.low:.4f}, {entry.accuracy.high:.4f}]",
        )
        for precision, entry in facts.scores.items()
    ]
    return [
        ("name", facts.name),
        ("title", facts.title),
        ("version", facts.version),
        ("state", f"sealed, digest {bundles.digest(bundle)[:12]}" if bundle.is_sealed else "a draft"),
        ("architecture", facts.architecture),
        ("classes", f"{len(facts.labels)}: {', '.join(facts.labels)}"),
        ("pictures", f"{image.width}×{image.height}, {image.fit}, {image.kernel}"),
        *(scores or [("accuracy", "not measured")]),
        ("made", made),
        ("data", facts.fingerprint[:12] if facts.fingerprint else "none"),
    ]
