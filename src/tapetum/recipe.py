"""The recipe of a model: every choice of an experiment, read from recipes/*.yaml, frozen."""

import copy
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tapetum.errors import ConfigError
from tapetum.image import Positive, Preprocess, Share
from tapetum.registry import did_you_mean

Count = Annotated[int, Field(ge=1)]
_NOT_YAML = (yaml.YAMLError, ValueError, RecursionError)  # it lets through a 13th month and endless brackets


# A new last layer on what a model of ImageNet sees, whose pictures were prepared like this.
TRANSFER = (
    *("model.architecture=efficientnet_lite0", "model.pretrained=true"),
    *("image.height=224", "image.width=224", "image.fit=crop", "image.crop_share=0.875", "image.kernel=bicubic"),
    *("image.mean=[0.5,0.5,0.5]", "image.std=[0.5,0.5,0.5]"),
    *("train.linear_head=true", "train.epochs=1", "train.sizes=[]", "train.lr=0.0003", "train.label_smoothing=0"),
)


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Parts(_Section):
    """How pictures are divided where the folder itself does not say."""

    val: Annotated[float, Field(gt=0, lt=0.5, description="Share that chooses the epoch and the temperature.")] = 0.15
    test: Annotated[float, Field(gt=0, lt=0.5, description="Share that scores are taken on.")] = 0.15
    seed: Annotated[int, Field(description="Another one gives another division.")] = 0


class Model(_Section):
    """Which architecture; its input is the recipe's image."""

    architecture: Annotated[str, Field(description="A name of ours, or any of timm's.")] = "simple_cnn"
    dropout: Annotated[float, Field(ge=0, lt=1, description="Share of features left out before the last layer.")] = 0.5
    pretrained: Annotated[
        bool, Field(description="Begin with learned weights: installed ones, or timm's, downloaded once.")
    ] = False
    stem: Annotated[
        Literal["standard", "small"],
        Field(description="How a ResNet begins; small, for pictures of about 32 pixels, keeps all of them."),
    ] = "standard"


class Augment(_Section):
    """Random changes to a training picture; the neutral values switch them off."""

    flip: Annotated[bool, Field(description="Mirror half of them left and right.")] = False
    rotation_deg: Annotated[float, Field(ge=0, le=180, description="Furthest turn, to either side.")] = 0.0
    min_scale: Annotated[float, Field(gt=0, le=1, description="Smallest part cut out, as a share of the side.")] = 1.0
    stretch: Annotated[float, Field(ge=0, lt=1, description="How much a side may grow against the other.")] = 0.0
    shift: Annotated[float, Field(ge=0, lt=1, description="Furthest move, as a share of the side.")] = 0.0
    brightness: Annotated[float, Field(ge=0, lt=1, description="Largest change, as a share of half the range.")] = 0.0
    contrast: Annotated[float, Field(ge=0, lt=1, description="Largest change, as a share.")] = 0.0
    saturation: Annotated[float, Field(ge=0, lt=1, description="Largest change, as a share.")] = 0.0
    mixup: Annotated[float, Field(ge=0, description="α of mixup's Beta(α, α); 0 is off.")] = 0.0
    cutmix: Annotated[float, Field(ge=0, description="α of CutMix's Beta(α, α); with both, batches alternate.")] = 0.0


class Train(_Section):
    """The loop: a linear warm-up, then a cosine down to zero."""

    epochs: Annotated[Count, Field(le=100_000, description="Times every picture is seen.")] = 10
    batch_size: Annotated[Count, Field(description="Pictures a step, over all processes.")] = 32
    sizes: tuple[Annotated[int, Field(ge=8, le=4096)], ...] = Field(
        (), description="Heights to train at, one after another for equal shares of the epochs; image.height if empty."
    )
    linear_head: Annotated[
        bool,
        Field(description="Learn the last layer alone as epoch 1, from what learned weights see; then all layers."),
    ] = False
    optimiser: Annotated[Literal["adamw", "sgd"], Field(description="What takes the steps.")] = "adamw"
    lr: Annotated[Positive, Field(description="Peak of the learning rate.")] = 1e-3
    momentum: Annotated[float, Field(ge=0, lt=1, description="Nesterov momentum of sgd.")] = 0.9
    weight_decay: Annotated[float, Field(ge=0, description="On weights, not on biases and normalisation.")] = 1e-2
    warmup_share: Annotated[Share, Field(description="Share of the steps in which the rate rises.")] = 0.1
    label_smoothing: Annotated[float, Field(ge=0, lt=1, description="Share of the truth given to all classes.")] = 0.0
    class_weights: Annotated[bool, Field(description="Weigh classes by how rare they are.")] = False
    clip_norm: Annotated[float, Field(ge=0, description="Longest gradient; 0 is off.")] = 0.0
    ema: Annotated[float, Field(ge=0, lt=1, description="Decay of the averaged weights; 0 is off.")] = 0.0
    patience: Annotated[int, Field(ge=0, description="Epochs without a better one before it stops; 0 is off.")] = 0
    device: Annotated[Literal["auto", "cpu", "cuda"], Field(description="auto takes CUDA where there is one.")] = "auto"
    precision: Annotated[Literal["auto", "fp32", "bf16"], Field(description="auto takes bf16 where it is fast.")] = (
        "auto"
    )
    seed: Annotated[int, Field(ge=0, lt=2**63, description="The same one gives the same weights.")] = 0


class Gate(_Section):
    """What a model must reach on the test part before it may go on, beside being better than chance."""

    accuracy: Annotated[float, Field(ge=0.5, le=1, description="Least share of right answers.")] = 0.5
    class_recall: Annotated[Share, Field(description="Least recall of the weakest class.")] = 0.0
    calibration_error: Annotated[Share, Field(description="Largest expected calibration error.")] = 1.0
    accuracy_loss: Annotated[Share, Field(description="How much accuracy may be lost against an incumbent.")] = 0.01
    recall_loss: Annotated[Share, Field(description="How much recall any class may lose beyond chance.")] = 0.05
    calibration_loss: Annotated[Share, Field(description="How much calibration error may grow beyond chance.")] = 0.02
    latency_growth: Annotated[float, Field(ge=0, description="Share by which p95 may exceed the champion's.")] = 0.5
    memory_growth: Annotated[float, Field(ge=0, description="Share by which a worker's memory may.")] = 0.5
    size_growth: Annotated[float, Field(ge=0, description="Share by which the bundle's size may.")] = 1.0
    shadow_pictures: Annotated[Count, Field(description="Least pictures compared in shadow, where that is asked.")] = (
        500
    )
    shadow_agreement: Annotated[Share, Field(description="Least share of them answered as the champion did.")] = 0.9


class Recipe(_Section):
    """Everything that decides how a model comes out, but the pictures themselves."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$", description="For folders, MLflow and images.")]
    title: Annotated[str, Field(description="For people.")]
    source: Annotated[str | None, Field(description="Where `tapetum data fetch` finds the pictures.")] = None
    image: Preprocess
    parts: Parts = Parts()
    model: Model = Model()
    augment: Augment = Augment()
    train: Train = Train()
    gate: Gate = Gate()


def shipped() -> dict[str, Path]:
    """The recipes that come with Tapetum, by name: from the wheel, or from the checkout."""
    here = Path(__file__)
    folder = next(folder for folder in (here.parent / "recipes", here.parents[2] / "recipes") if folder.is_dir())
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def load(path: Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe from a file, or by the name of a shipped one.

    `overrides` are `section.key=value`. Raises ConfigError.
    """
    if not path.is_file():
        known = shipped()
        if str(path) not in known:
            raise ConfigError(f"there is no recipe {path}: expected a file, or one of {', '.join(known)}")
        path = known[str(path)]
    try:
        choices = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"recipe {path} cannot be read: {error.strerror}") from error
    except _NOT_YAML as error:
        raise ConfigError(f"recipe {path} is not YAML: {error}") from error
    if not isinstance(choices, dict):
        held = type(choices).__name__ if choices else "nothing"
        raise ConfigError(f"recipe {path} holds {held}: expected keys such as name, image, train")
    return build(choices, overrides)


def for_pictures(pictures: Path, counts: Mapping[str, int], side: int, overrides: Sequence[str] = ()) -> Recipe:
    """A recipe for pictures that have none, named as their folder, archive or listing is.

    `counts` are pictures by class, `side` is their median shorter side in pixels. Raises ConfigError.
    """
    place = pictures.resolve()
    title = (place.stem.removesuffix(".tar") if place.is_file() else place.name) or "pictures"
    total, rarest = sum(counts.values()), min(counts.values(), default=0)
    are_small = 0 < side <= 48
    length = 32 if are_small else 64 if 0 < side <= 96 else 128
    choices: dict[str, Any] = {
        "name": to_name(title),
        "title": title,
        "image": {"height": length, "width": length},
        # What is small is often a sign, which does not survive a mirror.
        "augment": {"rotation_deg": 10, "brightness": 0.2, "contrast": 0.2, "saturation": 0.2}
        | ({"shift": 0.1} if are_small else {"flip": True, "min_scale": 0.7, "stretch": 0.3}),
        "train": {
            # Few pictures are shown more often, many need fewer epochs for as many steps.
            "epochs": min(60, max(10, 200_000 // max(1, total))),
            "batch_size": 32 if total < 20_000 else 128,
            "lr": 0.003,
            "weight_decay": 0.05,
            "label_smoothing": 0.1,
            "class_weights": max(counts.values(), default=0) >= 3 * rarest > 0,
        },
    }
    return build(choices, overrides)


def to_name(title: str) -> str:
    """`Cats & Dogs` -> `cats-dogs`; `pictures` where nothing is left."""
    return re.sub("[^a-z0-9]+", "-", title.lower()).strip("-") or "pictures"


def parts(usual: Parts, **given: float | None) -> Parts:
    """How to divide pictures: as usual, but for what the command line gave. Raises ConfigError."""
    try:
        return Parts.model_validate(
            usual.model_dump() | {key: value for key, value in given.items() if value is not None}
        )
    except ValidationError as error:
        raise ConfigError("; ".join(_complaints(error, Parts))) from None


def build(choices: dict[str, Any], overrides: Sequence[str] = ()) -> Recipe:
    """Choices as read, with overrides -> Recipe. Raises ConfigError that names the key and the value."""
    choices = copy.deepcopy(choices)
    for override in overrides:
        _override(choices, override)
    try:
        return Recipe.model_validate(choices)
    except ValidationError as error:
        raise ConfigError("; ".join(_complaints(error, Recipe))) from None


def _override(choices: dict[str, Any], override: str) -> None:
    key, equals, value = override.partition("=")
    if not equals or not key:
        raise ConfigError(f"override {override!r}: expected key=value, such as train.lr=0.001")
    *sections, last = key.strip().split(".")
    for section in sections:
        choices = choices.setdefault(section, {})
        if not isinstance(choices, dict):
            raise ConfigError(f"override {override!r}: {section} is not a section")
    try:
        choices[last] = yaml.safe_load(value)
    except _NOT_YAML as error:
        raise ConfigError(f"override {override[:60]!r}: {value[:60]!r} is not a YAML value") from error


def _complaints(error: ValidationError, model: type[BaseModel]) -> list[str]:
    complaints = []
    for problem in error.errors():
        *section, key = (str(part) for part in problem["loc"])
        name = ".".join((*section, key))
        if problem["type"] == "extra_forbidden":
            known = _keys(model, section)
            complaints.append(f"unknown key {name}{did_you_mean(key, known)}: expected one of {', '.join(known)}")
        elif problem["type"] == "missing":
            complaints.append(f"{name} is missing")
        else:
            message = problem["msg"].replace("Input should be", "expected")
            complaints.append(f"{name} is {problem['input']!r}: {message}")
    return complaints


def _keys(model: Any, section: list[str]) -> list[str]:
    for part in section:
        model = model.model_fields[part].annotation
    return list(model.model_fields)
