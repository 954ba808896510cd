"""`tapetum data check` and `restore`: what is wrong with pictures, and taking it out and back."""

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tapetum.cli.tables import show_rows
from tapetum.cli.terminal import ANY_PATH, FOLDER, JSON, echo_json, progress, to_json

if TYPE_CHECKING:
    from tapetum.data.confident import Doubts
    from tapetum.data.scan import Scan
    from tapetum.progress import Advance


@click.command("check", short_help="Find broken, duplicate, leaking and doubtful pictures.")
@click.argument("pictures", type=ANY_PATH)
@JSON
@click.option("--out", type=ANY_PATH, help="Write what --json prints to this file.")
@click.option("--html", type=ANY_PATH, help="Write a report with thumbnails to this file.")
@click.option("--fail-on", metavar="KIND[,KIND]", help="Exit with 1 only for findings of these kinds.")
@click.option("--quarantine", type=FOLDER, help="Move what findings name to this folder; --fail-on chooses the kinds.")
@click.option("--labels", is_flag=True, help="Find labels that are likely wrong, too; needs tapetum[train].")
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
    """Find broken, duplicate, leaking and doubtful pictures; exit code 1 if there are any.

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
    # What is asked for is done before anything is printed: a reader such as `head` may end the printing.
    if out is not None:
        files.write_text(out, to_json(content) + "\n")
    if html is not None:
        files.write_text(html, report.html(f"Pictures in {pictures.name}", scanned.root, counts, findings))
    if doubts is not None and corrections is not None:
        propose(corrections, scanned.decided, doubts.suspects)
        click.echo(f"{corrections}: {len(scanned.decided)} decided, {len(doubts.suspects)} to decide", err=True)
    chosen = [finding for finding in findings if finding.kind in kinds]
    if quarantine is not None:
        moved = quarantines.move(scanned.root, chosen, quarantine)
        click.echo(
            f"moved {len(moved.reasons)} files to {quarantine}; `tapetum data restore {quarantine}` moves them back",
            err=True,
        )
    if as_json:
        click.echo(to_json(content))
    else:
        classes = ", ".join(f"{label} {count}" for label, count in counts.items())
        click.echo(f"{pictures}: {sum(counts.values())} readable pictures in {len(counts)} classes ({classes})")
        rows = [(each.kind, each.pictures, each.message) for each in findings]
        if rows:
            show_rows(("kind", "pictures", "what is wrong"), rows, [each.to_text() for each in findings])
        else:
            click.echo("nothing wrong found")
        if doubts is not None:
            click.echo(f"of {doubts.judged} labels {doubts.confirmed} are as the other pictures would have it")
    context.exit(1 if chosen else 0)


def _doubts(scanned: "Scan", advance: "Advance") -> "Doubts":
    from tapetum import pipeline, settings
    from tapetum.data.confident import doubt

    return doubt(scanned, pipeline.seen(scanned, settings.load().cache_dir, advance))


@click.command("restore")
@click.argument("quarantine", type=FOLDER)
@JSON
def restore(quarantine: Path, as_json: bool) -> None:
    """Move back what a check moved to a quarantine.

    Example: tapetum data restore set-aside
    """
    from tapetum.data import quarantine as quarantines

    count = len(quarantines.undo(quarantine))
    if as_json:
        echo_json({"restored": count})
    else:
        click.echo(f"{count} files are back where they were")


def _kinds(chosen: str | None) -> set[str]:
    from tapetum.data.finding import KINDS
    from tapetum.registry import did_you_mean

    if chosen is None:
        return set(KINDS)
    kinds = {kind.strip() for kind in chosen.split(",")}
    for kind in sorted(kinds - set(KINDS)):
        raise click.BadParameter(f"unknown kind {kind!r}{did_you_mean(kind, list(KINDS))}: expected {', '.join(KINDS)}")
    return kinds
