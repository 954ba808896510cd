"""`tapetum data`: fetch, check and split pictures."""

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tapetum.cli.terminal import ANY_PATH, CORRECTIONS, FOLDER, JSON, progress, to_json

if TYPE_CHECKING:
    from tapetum.data.confident import Doubts
    from tapetum.data.scan import Scan
    from tapetum.progress import Advance

_MOVED_SHOWN = 20


@click.group("data")
def command() -> None:
    """Fetch, check and split pictures."""


@command.command()
@click.argument("source")
@click.option(
    "--to", "target", type=ANY_PATH, required=True, help="Folder to fill, or .tar to pack; kept where it exists."
)
@click.option(
    "--limit", type=click.IntRange(min=0), metavar="N", help="Take N pictures, evenly over classes and parts; 0: all."
)
@click.option("--sha256", metavar="HEX", help="What an archive must have as its SHA-256.")
@click.option("--from", "place", type=ANY_PATH, help="With `feedback`: the folder that a service kept pictures in.")
def fetch(source: str, target: Path, limit: int | None, sha256: str | None, place: Path | None) -> None:
    """Fill a folder or a .tar from SOURCE: a name, an address, an archive, a folder, or a recipe that says it.

    Names are `digits`, `cifar10`, and `cats-dogs` from Kaggle. Addresses begin
    with http:// or https:// and lead to an archive; a download that broke off
    goes on. Archives are .zip, .tar, .tar.gz and .tgz. Recipes end in .yaml.
    `feedback` adds the pictures that people labelled, out of the folder --from
    that a service kept them in, and may be asked again for those of since.

    Example: tapetum data fetch cifar10 --to data/cifar10 --limit 1000
    """
    from tapetum.data import feedback, sources
    from tapetum.errors import ConfigError
    from tapetum.settings import masked

    if source == feedback.SOURCE:
        _gather(place, target, is_narrowed=bool(limit or sha256))
        return
    if place is not None:
        raise ConfigError(f"--from {place} goes with the source {feedback.SOURCE}, and the source is {source}")
    if source.endswith(".yaml"):
        source = _source(Path(source))
    with progress() as advance:
        is_filled = sources.fetch(source, target, limit or None, sha256, advance)
    shown = masked(source)
    click.echo(f"{shown} → {target}" if is_filled else f"{target} exists and is kept as it is; {shown} was not fetched")


def _gather(place: Path | None, target: Path, *, is_narrowed: bool) -> None:
    from tapetum.data import feedback
    from tapetum.errors import ConfigError

    if place is None:
        raise ConfigError("feedback lies where the service keeps pictures: name that folder with --from")
    if is_narrowed:
        raise ConfigError("--limit and --sha256 go with other sources than feedback, of which all is taken")
    with progress() as advance:
        gathered = feedback.gather(place, target, advance)
    for conflict in gathered.conflicts:
        click.echo(conflict, err=True)
    click.echo(
        f"{place} → {target}: {gathered.added} added, {gathered.known} there already, "
        f"{len(gathered.conflicts)} in conflict, {gathered.unlabelled} without a label left out"
    )


def _source(path: Path) -> str:
    from tapetum import recipe
    from tapetum.errors import ConfigError

    chosen = recipe.load(path)
    if chosen.source is None:
        raise ConfigError(f"recipe {path} names no source: add one, such as `source: https://…/photos.zip`")
    return chosen.source


@command.command()
@click.argument("pictures", type=ANY_PATH)
@JSON
@click.option("--out", type=ANY_PATH, help="Write what --json prints to this file.")
@click.option("--html", type=ANY_PATH, help="Write a report with thumbnails to this file.")
@click.option("--fail-on", metavar="KIND[,KIND]", help="Exit with 1 only for findings of these kinds.")
@click.option("--quarantine", type=FOLDER, help="Move what findings name to this folder; --fail-on chooses the kinds.")
@click.option("--labels", is_flag=True, help="Look for labels that are likely wrong, too; this needs tapetum[train].")
@click.option(
    "--corrections", type=ANY_PATH, help="Labels that a person corrected; with --labels doubted ones are added to it."
)
@click.pass_context
def check(
    context: click.Context,
    pictures: Path,
    as_json: bool,
    out: Path | None,
    html: Path | None,
    fail_on: str | None,
    quarantine: Path | None,
    labels: bool,
    corrections: Path | None,
) -> None:
    """Look for broken, copied, leaking and doubtful pictures; exit code 1 where there are findings.

    PICTURES is a folder, an archive, or a CSV or JSON-lines file of path and
    label. Kinds are broken, conflict, leak, duplicate, near_conflict, near_leak,
    near_duplicate, label, mismatch, tiny, blank, dark, blurred, shortcut, few
    and imbalance.

    Example: tapetum data check photos --html report.html --fail-on broken,conflict,near_leak
    """
    from tapetum import files
    from tapetum.data import checks, packing, report
    from tapetum.data import quarantine as quarantines
    from tapetum.data.corrections import propose
    from tapetum.data.scan import scan
    from tapetum.errors import ConfigError

    kinds = _kinds(fail_on)
    if quarantine is not None and packing.is_packed(pictures):
        raise ConfigError(f"--quarantine takes files out of a folder: `tapetum data fetch {pictures} --to` makes one")
    with progress() as advance:
        # With --labels the file may be yet to be written.
        known = corrections if corrections and (corrections.exists() or not labels) else None
        scanned = scan(pictures, advance, known)
        doubts = _doubts(scanned, advance) if labels else None
    findings = checks.check(scanned, doubts)
    counts = dict(sorted(Counter(sample.label for sample in scanned.samples).items()))
    found = dict(sorted(Counter(finding.kind for finding in findings).items()))
    entries = [asdict(entry) for entry in findings]
    content = {"pictures": str(pictures), "classes": counts, "kinds": found, "findings": entries}
    if doubts is not None:
        content["labels"] = asdict(doubts)
    if out is not None:
        files.write_text(out, to_json(content) + "\n")
    if as_json:
        click.echo(to_json(content))
    else:
        classes = ", ".join(f"{label} {count}" for label, count in counts.items())
        click.echo(f"{pictures}: {sum(counts.values())} readable pictures in {len(counts)} classes ({classes})")
        for finding in findings:
            click.echo(finding.to_text())
        if not findings:
            click.echo("nothing wrong found")
        if doubts is not None:
            click.echo(f"of {doubts.judged} labels {doubts.confirmed} are as the other pictures would have it")
    if doubts is not None and corrections is not None:
        propose(corrections, scanned.decided, doubts.suspects)
        click.echo(f"{corrections}: {len(scanned.decided)} decided, {len(doubts.suspects)} to decide", err=True)
    if html is not None:
        files.write_text(html, report.html(f"Pictures in {pictures.name}", scanned.root, counts, findings))
    chosen = [finding for finding in findings if finding.kind in kinds]
    if quarantine is not None:
        moved = quarantines.move(scanned.root, chosen, quarantine)
        click.echo(
            f"moved {len(moved.reasons)} files to {quarantine}; `tapetum data restore {quarantine}` moves them back",
            err=True,
        )
    context.exit(1 if chosen else 0)


def _doubts(scanned: "Scan", advance: "Advance") -> "Doubts":
    from tapetum import pipeline, settings
    from tapetum.data.confident import doubt

    return doubt(scanned, pipeline.seen(scanned, settings.load().cache_dir, advance))


@command.command()
@click.argument("quarantine", type=FOLDER)
def restore(quarantine: Path) -> None:
    """Move back what a check moved to a quarantine.

    Example: tapetum data restore set-aside
    """
    from tapetum.data import quarantine as quarantines

    click.echo(f"{len(quarantines.undo(quarantine))} files are back where they were")


def _kinds(chosen: str | None) -> set[str]:
    from tapetum.data.finding import KINDS
    from tapetum.registry import did_you_mean

    if chosen is None:
        return set(KINDS)
    kinds = {kind.strip() for kind in chosen.split(",")}
    for kind in sorted(kinds - set(KINDS)):
        raise click.BadParameter(f"unknown kind {kind!r}{did_you_mean(kind, list(KINDS))}: expected {', '.join(KINDS)}")
    return kinds


@command.command()
@click.argument("pictures", type=ANY_PATH)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Manifest to write, such as manifest.json.")
@click.option("--recipe", type=ANY_PATH, help="Take the shares and the seed of this recipe.")
@click.option("--val", type=float, help="Share of the validation part; as in recipes by default.")
@click.option("--test", type=float, help="Share of the test part; as in recipes by default.")
@click.option("--seed", type=int, help="Another seed gives another division.")
@CORRECTIONS
def split(
    pictures: Path,
    out: Path,
    recipe: Path | None,
    val: float | None,
    test: float | None,
    seed: int | None,
    corrections: Path | None,
) -> None:
    """Divide pictures into train, val and test by the hash of their content.

    PICTURES is a folder, an archive, or a CSV or JSON-lines file of path and
    label. Versions of one picture go to one part. Where --out exists, its division is kept as
    far as it can be.

    Example: tapetum data split photos --out manifest.json
    """
    from tapetum import recipe as recipes
    from tapetum.data import manifest
    from tapetum.data.sample import PARTS
    from tapetum.data.scan import scan

    usual = recipes.load(recipe).parts if recipe else recipes.Parts()
    choices = recipes.parts(usual, val=val, test=test, seed=seed)
    with progress() as advance:
        previous = manifest.load(out) if out.exists() else None
        divided = manifest.build(scan(pictures, advance, corrections), choices, previous)
    manifest.save(divided, out)
    sizes = ", ".join(f"{part} {len(divided.part(part))}" for part in PARTS)
    click.echo(f"{out}: {sizes}; {len(divided.excluded)} left out; fingerprint {divided.fingerprint[:12]}")
    for sample in manifest.moved(divided, previous)[:_MOVED_SHOWN] if previous else []:
        click.echo(f"moved to {sample.part}: {sample.path}, for the sake of its versions, of --seed, or of the folder")
