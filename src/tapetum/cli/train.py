"""`tapetum train`: labelled pictures in, bundle out."""

import os
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tapetum.cli.stages import say, say_verdict, to_summary
from tapetum.cli.terminal import ANY_PATH, CORRECTIONS, FOLDER, JSON, echo_json, progress, stages_aside

if TYPE_CHECKING:
    from tapetum.pipeline import Outcome
    from tapetum.recipe import Recipe
    from tapetum.training.distributed import Group
    from tapetum.training.fit import EpochResult
    from tapetum.training.tracking import Tracker

_FINDINGS_SHOWN = 5
# A bundle, its copy in MLflow and the tables; the cache of pictures asks for its own room.
_LEAST_FREE_BYTES = 50_000_000
# Of 4,000 photographs transfer made the better model (docs/results.md), of 50,000 pictures of 32 pixels the worse.
_MANY, _PHOTOGRAPH = 10_000, 96


class _Choosing(click.Command):
    """Tells who asks for a choice of the recipe as an option, such as --epochs 5, its one name: train.epochs=5."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            from tapetum import recipe

            name = error.option_name.lstrip("-").replace("-", "_")
            keys = [
                f"{section}.{name}="
                for section, field in recipe.Recipe.model_fields.items()
                if name in getattr(field.annotation, "model_fields", {})
            ]
            if not keys:
                raise
            raise click.NoSuchOption(error.option_name, possibilities=keys, ctx=ctx) from None


@click.command("train", cls=_Choosing)
@click.argument("recipe_or_pictures", metavar="RECIPE|PICTURES", type=ANY_PATH)
@click.argument("overrides", metavar="[KEY=VALUE]...", nargs=-1)
@click.option(
    "--data",
    "pictures",
    type=ANY_PATH,
    help="Folder, archive, CSV or JSON-lines file of labelled pictures, or a manifest.",
)
@click.option("--transfer", is_flag=True, help="Learn a new last layer for a model that knows ImageNet, in seconds.")
@click.option("--out", type=FOLDER, help="Folder of the run; runs/NAME by default.")
@click.option("--resume", is_flag=True, help="Continue the run of that folder, if one was interrupted.")
@click.option("--draft", "is_draft", is_flag=True, help="Stop at the draft, for evaluate, gate and bundle seal.")
@CORRECTIONS
@JSON
@click.pass_context
def command(
    context: click.Context,
    recipe_or_pictures: Path,
    overrides: tuple[str, ...],
    pictures: Path | None,
    transfer: bool,
    out: Path | None,
    resume: bool,
    is_draft: bool,
    corrections: Path | None,
    as_json: bool,
) -> None:
    """Train, evaluate, hold to the gate, and seal; exit code 1 if the gate says no.

    RECIPE is a file, or the name of a shipped recipe such as cats-dogs.
    PICTURES alone, a folder, an archive, or a CSV or JSON-lines file of path and
    label, get a recipe chosen for them. KEY=VALUE changes one choice of the recipe;
    --transfer changes those of the model and its training.

    Example: tapetum train photos --transfer --out runs/pets

    Example: tapetum train cats-dogs --data photos train.epochs=5
    """
    from tapetum import machine

    machine.keep_freed_memory()  # first, since whatever was imported before would be imported twice
    machine.collect_seldom()

    from tapetum import recipe

    if transfer:
        overrides = (*recipe.TRANSFER, *overrides)
    with stages_aside(as_json):
        outcome = _run(recipe_or_pictures, overrides, pictures, out, resume, is_draft, corrections)
    if outcome is None:
        return
    if as_json:
        echo_json(to_summary(outcome.bundle, outcome.verdict) | {"tracked": outcome.tracked})
    context.exit(0 if outcome.passed else 1)


def _run(
    recipe_or_pictures: Path,
    overrides: tuple[str, ...],
    pictures: Path | None,
    out: Path | None,
    resume: bool,
    is_draft: bool,
    corrections: Path | None,
) -> "Outcome | None":
    """Find recipe and pictures, and train; None in a process that only helps another."""
    from tapetum import files, recipe
    from tapetum.data import listing, packing
    from tapetum.errors import ConfigError

    is_pictures = recipe_or_pictures.is_dir() or packing.is_packed(recipe_or_pictures)
    if pictures is None and (is_pictures or listing.is_listing(recipe_or_pictures)):
        chosen, pictures = _choose(recipe_or_pictures, overrides), recipe_or_pictures
    else:
        chosen = recipe.load(recipe_or_pictures, overrides)
    out = out or Path("runs") / chosen.name
    with tracking() as tracker:  # its process imports MLflow while this one imports torch
        from tapetum import pipeline, settings
        from tapetum.training import distributed, run

        with distributed.joined() as group:
            if not group.is_first:
                group.wait()
                pipeline.help_train(chosen, out, settings.load().cache_dir, resume, group)
                return None
            files.require_space(out, _LEAST_FREE_BYTES)
            with files.held(out):
                run.require_no_other(out, resume)  # before its manifest is written anew
                if pictures is None:
                    if chosen.source is None:
                        raise ConfigError(f"recipe {chosen.name} has no source: name a folder of pictures with --data")
                    pictures = fetch(chosen.source, out)
                return train(chosen, pictures, out, tracker, resume, group, is_draft, corrections)


def _choose(pictures: Path, overrides: tuple[str, ...]) -> "Recipe":
    """A recipe for pictures that came without one."""
    from tapetum import recipe
    from tapetum.data.survey import survey

    seen = survey(pictures)
    chosen = recipe.for_pictures(pictures, seen.counts, seen.side, overrides)
    choices = chosen.train
    weights = ", rare classes weigh more" if choices.class_weights else ""
    say(
        "recipe",
        f"chosen for {sum(seen.counts.values())} pictures of {len(seen.counts)} classes, about {seen.side} pixels: "
        f"{_planned(chosen)}{weights}",
    )
    if chosen.model.architecture == "simple_cnn" and sum(seen.counts.values()) < _MANY and seen.side > _PHOTOGRAPH:
        say("hint", "this learns from scratch; --transfer needs far fewer pictures, and seconds")
    return chosen


def _planned(chosen: "Recipe") -> str:
    model = f"{chosen.model.architecture} at {chosen.image.width}×{chosen.image.height}"
    epochs = chosen.train.epochs - chosen.train.linear_head
    fitted = f"{epochs} epochs in batches of {chosen.train.batch_size}"
    if not chosen.train.linear_head:
        return f"{model}, {fitted}"
    return f"a new last layer of {model}" + (f", then {fitted}" if epochs else "")


def tracking() -> AbstractContextManager["Tracker"]:
    """Where the settings want runs to be recorded; of processes that torchrun started, by the first."""
    from tapetum import settings
    from tapetum.training.aside import open_tracker

    deployment = settings.load()
    is_first = os.environ.get("RANK", "0") == "0"
    return open_tracker(deployment.mlflow_tracking_uri if is_first else "none", deployment.mlflow_experiment_name)


def fetch(source: str, out: Path) -> Path:
    """The pictures of a source, kept below the run's folder."""
    from tapetum import files
    from tapetum.data import sources

    files.require_space(out, _LEAST_FREE_BYTES)

    pictures = out / "pictures"
    with progress() as advance:
        sources.fetch(source, pictures, advance=advance)
    say("fetch", f"{source} → {pictures}")
    return pictures


def train(
    chosen: "Recipe",
    pictures: Path,
    out: Path,
    tracker: "Tracker",
    resume: bool = False,
    group: "Group | None" = None,
    is_draft: bool = False,
    corrections: Path | None = None,
) -> "Outcome":
    """Go through the stages, showing each."""
    from tapetum import pipeline, settings
    from tapetum.data import packing
    from tapetum.data.sample import PARTS
    from tapetum.training.distributed import ALONE

    with progress() as advance:
        manifest, findings = pipeline.divide(pictures, chosen.parts, out, advance, corrections)
        for finding in findings[:_FINDINGS_SHOWN]:
            say("check", finding.to_text())
        if pictures.is_dir() or packing.is_packed(pictures):
            say(
                "check",
                f"{len(findings) or 'no'} finding{'s' * (len(findings) != 1)}"
                + ("; `tapetum data check` lists all" if findings else ""),
            )
        sizes = ", ".join(f"{part} {len(manifest.part(part))}" for part in PARTS)
        say("split", f"{sizes}, left out {len(manifest.excluded)} → {out / pipeline.MANIFEST}")
        group = group or ALONE
        group.wait()
        outcome = pipeline.train(
            chosen,
            manifest,
            out,
            settings.load().cache_dir,
            tracker,
            _say_epoch,
            advance,
            resume=resume,
            group=group,
            is_draft=is_draft,
        )
    if outcome.verdict is None:
        say("draft", f"{outcome.bundle.path}, for `tapetum evaluate`")
    else:
        say_verdict(outcome.bundle, outcome.verdict, out)
    say("tracked", outcome.tracked)
    return outcome


def _say_epoch(result: "EpochResult") -> None:
    say(
        "train",
        f"epoch {result.epoch:3}  train loss {result.train_loss:.4f} accuracy {result.train_accuracy:.4f}  "
        f"val loss {result.val_loss:.4f} accuracy {result.val_accuracy:.4f}  {result.seconds:.1f} s",
    )
