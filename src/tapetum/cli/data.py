"""`tapetum data`: fetch, check and split pictures."""

from collections import Counter
from dataclasses import asdict
from pathlib import Path

import click

from tapetum.cli.terminal import ANY_PATH, FOLDER, JSON, echo_json, progress


@click.group("data")
def command() -> None:
    """Fetch, check and split pictures."""


@command.command()
@click.argument("source")
@click.option("--to", "target", type=FOLDER, required=True, help="Folder to fill; kept as it is where it exists.")
@click.option(
    "--limit", type=click.IntRange(min=1), metavar="N", help="Take N pictures, evenly over classes and parts."
)
@click.option("--sha256", metavar="HEX", help="What an archive must have as its SHA-256.")
def fetch(source: str, target: Path, limit: int | None, sha256: str | None) -> None:
    """Fill a folder from SOURCE: a name, an address, an archive or a folder of pictures.

    Names are `digits`, `cifar10`, and `cats-dogs` from Kaggle. Addresses begin
    with http:// or https:// and lead to an archive; a download that broke off
    goes on. Archives are .zip, .tar, .tar.gz and .tgz.

    Example: tapetum data fetch cifar10 --to data/cifar10 --limit 1000
    """
    from tapetum.data import sources
    from tapetum.settings import masked

    with progress() as advance:
        is_filled = sources.fetch(source, target, limit, sha256, advance)
    shown = masked(source)
    click.echo(f"{shown} → {target}" if is_filled else f"{target} exists and is kept as it is; {shown} was not fetched")


@command.command()
@click.argument("pictures", type=ANY_PATH)
@JSON
@click.pass_context
def check(context: click.Context, pictures: Path, as_json: bool) -> None:
    """Look for broken, copied and contradictory pictures; exit code 1 where there are findings.

    PICTURES is a folder, or a CSV or JSON-lines file of path and label.

    Example: tapetum data check photos
    """
    from tapetum.data import checks
    from tapetum.data.scan import scan

    with progress() as advance:
        scanned = scan(pictures, advance)
    findings = checks.check(scanned)
    counts = Counter(sample.label for sample in scanned.samples)
    if as_json:
        echo_json(
            {
                "pictures": str(pictures),
                "classes": dict(sorted(counts.items())),
                "findings": [asdict(entry) for entry in findings],
            }
        )
    else:
        classes = ", ".join(f"{label} {count}" for label, count in sorted(counts.items()))
        click.echo(f"{pictures}: {counts.total()} readable pictures in {len(counts)} classes ({classes})")
        for finding in findings:
            click.echo(finding.to_text())
        if not findings:
            click.echo("nothing wrong found")
    context.exit(1 if findings else 0)


@command.command()
@click.argument("pictures", type=ANY_PATH)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Manifest to write, such as manifest.json.")
@click.option("--val", type=float, help="Share of the validation part; as in recipes by default.")
@click.option("--test", type=float, help="Share of the test part; as in recipes by default.")
@click.option("--seed", type=int, help="Another seed gives another division.")
def split(pictures: Path, out: Path, val: float | None, test: float | None, seed: int | None) -> None:
    """Divide pictures into train, val and test by the hash of their content.

    PICTURES is a folder, or a CSV or JSON-lines file of path and label.

    Example: tapetum data split photos --out manifest.json
    """
    from tapetum.data import manifest
    from tapetum.data.sample import PARTS
    from tapetum.data.scan import scan
    from tapetum.recipe import parts

    choices = parts(val=val, test=test, seed=seed)
    with progress() as advance:
        divided = manifest.build(scan(pictures, advance), choices)
    manifest.save(divided, out)
    sizes = ", ".join(f"{part} {len(divided.part(part))}" for part in PARTS)
    click.echo(f"{out}: {sizes}; {len(divided.excluded)} left out; fingerprint {divided.fingerprint[:12]}")
