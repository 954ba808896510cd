"""`tapetum data`: fetch, check and split pictures."""

from collections import Counter
from dataclasses import asdict
from pathlib import Path

import click

from tapetum.cli.check import check, restore
from tapetum.cli.tables import show_rows
from tapetum.cli.terminal import ANY_PATH, CORRECTIONS, JSON, echo_json, progress

_MOVED_SHOWN = 20


@click.group("data")
def command() -> None:
    """Fetch, check and split pictures.

    Example: tapetum data check photos --html report.html
    """


command.add_command(check)
command.add_command(restore)


@command.command(short_help="Fetch pictures into a folder or a .tar.")
@click.argument("source")
@click.option(
    "--to", "target", type=ANY_PATH, required=True, help="Folder to fill, or .tar to pack; kept where it exists."
)
@click.option(
    "--limit", type=click.IntRange(min=0), metavar="N", help="Take N pictures, evenly over classes and parts; 0: all."
)
@click.option("--sha256", metavar="HEX", help="What an archive must have as its SHA-256.")
@click.option("--from", "place", type=ANY_PATH, help="With `feedback`: the folder that a service kept pictures in.")
@JSON
def fetch(source: str, target: Path, limit: int | None, sha256: str | None, place: Path | None, as_json: bool) -> None:
    """Fetch pictures into a folder or a .tar from SOURCE: a name, an address, an archive, a folder, or a recipe.

    Names are `digits`, `cifar10`, and `cats-dogs` from Kaggle. Addresses begin
    with http:// or https:// and lead to an archive; an interrupted download
    is continued. Archives are .zip, .tar, .tar.gz and .tgz. Recipes end in
    .yaml. `feedback` adds the pictures that people labelled, from the folder
    --from in which a service kept them; run it again to add newer ones.

    Example: tapetum data fetch cifar10 --to data/cifar10 --limit 1000
    """
    from tapetum.data import feedback, sources
    from tapetum.errors import ConfigError
    from tapetum.settings import masked

    if source == feedback.SOURCE:
        _gather(place, target, is_narrowed=bool(limit or sha256), as_json=as_json)
        return
    if place is not None:
        raise ConfigError(f"--from {place} goes with the source {feedback.SOURCE}, and the source is {source}")
    if source.endswith(".yaml"):
        source = _source(Path(source))
    with progress() as advance:
        is_filled = sources.fetch(source, target, limit or None, sha256, advance)
    shown = masked(source)
    if as_json:
        echo_json({"source": shown, "to": str(target), "fetched": is_filled})
    elif is_filled:
        click.echo(f"{shown} → {target}")
    else:
        click.echo(f"{target} exists and is kept as it is; {shown} was not fetched")


def _gather(place: Path | None, target: Path, *, is_narrowed: bool, as_json: bool) -> None:
    from tapetum.data import feedback
    from tapetum.errors import ConfigError

    if place is None:
        raise ConfigError("feedback lies where the service keeps pictures: name that folder with --from")
    if is_narrowed:
        raise ConfigError("--limit and --sha256 go with other sources than feedback, of which all is taken")
    with progress() as advance:
        gathered = feedback.gather(place, target, advance)
    if as_json:
        echo_json({"source": str(place), "to": str(target), **asdict(gathered)})
        return
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


@command.command(short_help="Divide pictures into train, val and test.")
@click.argument("pictures", type=ANY_PATH)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Manifest to write, such as manifest.json.")
@click.option("--recipe", type=ANY_PATH, help="Take the shares and the seed of this recipe.")
@click.option("--val", type=float, help="Share of the validation part; the recipe's, or 0.15, by default.")
@click.option("--test", type=float, help="Share of the test part; the recipe's, or 0.15, by default.")
@click.option("--seed", type=int, help="Another seed gives another division; the recipe's, or 0, by default.")
@CORRECTIONS
@JSON
def split(
    pictures: Path,
    out: Path,
    recipe: Path | None,
    val: float | None,
    test: float | None,
    seed: int | None,
    corrections: Path | None,
    as_json: bool,
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
    strays = manifest.moved(divided, previous) if previous else []
    counts = {part: Counter(sample.label for sample in divided.part(part)) for part in PARTS}
    excluded = len(divided.excluded)
    if as_json:
        facts = {"manifest": str(out), "fingerprint": divided.fingerprint, "parts": counts, "excluded": excluded}
        echo_json(facts | {"moved": [{"path": sample.path, "to": sample.part} for sample in strays]})
        return
    sizes = ", ".join(f"{part} {count.total()}" for part, count in counts.items())
    click.echo(f"{out}: {sizes}; {excluded} left out; fingerprint {divided.fingerprint[:12]}")
    rows = [(label, *(str(counts[part][label]) for part in PARTS)) for label in divided.labels]
    show_rows(("class", *PARTS), rows, lines=())
    for sample in strays[:_MOVED_SHOWN]:
        click.echo(f"moved to {sample.part}: {sample.path}, for the sake of its versions, of --seed, or of the folder")
