"""`tapetum import`: weights that others made in, bundle out."""

import os
import unicodedata
from pathlib import Path

import click

from tapetum.cli.stages import say, say_verdict, to_summary
from tapetum.cli.terminal import ANY_PATH, FOLDER, JSON, echo_json, progress

# What torchvision's own recipes and most courses use.
_USUAL = {"height": 224, "width": 224, "mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}


@click.command("import")
@click.argument("file", type=ANY_PATH)
@click.option("--arch", required=True, help="simple_cnn, resnet50, or another architecture of timm.")
@click.option("--labels", required=True, help="The classes in the model's order: a,b,c or a file with one a line.")
@click.option("--out", type=FOLDER, required=True, help="Folder for the bundle and what was measured.")
@click.option(
    "--preprocess",
    metavar="KEY=VALUE",
    multiple=True,
    help="What the model was trained behind: size, height, width, fit (squash or crop), crop_share, kernel, mean, std.",
)
@click.option("--stem", type=click.Choice(["standard", "small"]), default="standard", help="How its ResNet begins.")
@click.option("--name", help="Name of the model; that of the file by default.")
@click.option("--title", help="Title of the model; its name by default.")
@click.option(
    "--data", "pictures", type=ANY_PATH, help="Measure it on these pictures: a folder, a listing, or a manifest."
)
@JSON
@click.pass_context
def command(
    context: click.Context,
    file: Path,
    arch: str,
    labels: str,
    out: Path,
    preprocess: tuple[str, ...],
    stem: str,
    name: str | None,
    title: str | None,
    pictures: Path | None,
    as_json: bool,
) -> None:
    """Turn a .pt or .pth file of weights into a bundle; with --data exit code 1 where the gate says no.

    FILE holds a state dict, or one under model_state_dict or state_dict; code
    in it is never run. Pictures reach the model squashed to 224×224 by a
    bilinear kernel, with ImageNet's mean and standard deviation, where
    --preprocess does not say otherwise.

    Example: tapetum import model.pth --arch resnet50 --labels cat,dog --preprocess size=32 --out runs/old
    """
    from tapetum import recipe

    classes = _classes(labels)
    name = name or recipe.to_name(file.stem)
    choices = recipe.build(
        {"name": name, "title": title or name, "image": _USUAL, "model": {"architecture": arch, "stem": stem}},
        [f"image.{pair}" for given in preprocess for pair in _sides(given)],
    )
    from tapetum import pipeline  # which brings torch, so after what can be refused at once

    with progress() as advance:
        manifest = None
        if pictures is not None:
            manifest, _ = pipeline.divide(pictures, choices.parts, out, advance)
        bundle, verdict = pipeline.import_model(file, choices, classes, manifest, out, advance)
    if as_json:
        echo_json(to_summary(bundle, verdict))
        context.exit(1 if verdict and not verdict.passed else 0)
    say("import", f"{file}: {arch}, {len(classes)} classes: {', '.join(classes)}")
    say("pictures", ", ".join(f"{key} {_text(value)}" for key, value in choices.image))
    if verdict is None:
        from tapetum.evaluation.card import UNMEASURED

        say("measured", f"no: {UNMEASURED} --data takes some")
        say("seal", f"{bundle.path}, version {bundle.facts.version}")
        return
    say_verdict(bundle, verdict, out)
    context.exit(0 if verdict.passed else 1)


def _sides(given: str) -> list[str]:
    """`size=32` -> height and width; anything else as it is."""
    key, _, value = given.partition("=")
    return [f"height={value}", f"width={value}"] if key == "size" else [given]


def _classes(labels: str) -> tuple[str, ...]:
    """The labels in order, from a file or from the text itself. Raises ConfigError."""
    from tapetum.data.sample import label_fault
    from tapetum.errors import ConfigError

    try:
        # Not Path.is_file, which cannot be asked of a text longer than any path.
        is_file = os.path.isfile(labels)
        lines = Path(labels).read_text(encoding="utf-8-sig").splitlines() if is_file else labels.split(",")
    except UnicodeDecodeError as error:
        raise ConfigError(f"--labels {labels} is not a text of one label a line ({error}): save it as UTF-8") from error
    # As the labels of pictures are: macOS takes letters with accents apart, others do not.
    classes = tuple(unicodedata.normalize("NFC", line.strip()) for line in lines if line.strip())
    if len(classes) < 2:
        raise ConfigError(f"--labels {labels!r} names {len(classes)}: expected two or more, such as cat,dog, or a file")
    if fault := next(filter(None, map(label_fault, classes)), None):
        raise ConfigError(f"--labels names the {fault}")
    twice = sorted({label for label in classes if classes.count(label) > 1})
    if twice:
        raise ConfigError(f"--labels names {', '.join(twice)} more than once: each class has a label of its own")
    return classes


def _text(value: object) -> str:
    return "/".join(map(str, value)) if isinstance(value, tuple) else str(value)
