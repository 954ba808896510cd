"""The recipe of a model: every choice of an experiment, read from recipes/*.yaml, frozen."""

import copy
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tapetum.errors import ConfigError
from tapetum.image import Positive, Preprocess, Share
from tapetum.registry import did_you_mean

Count = Annotated[int, Field(ge=1)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Parts(_Section):
    """How pictures are divided where the folder itself does not say."""

    val: Annotated[float, Field(gt=0, lt=0.5)] = 0.15
    test: Annotated[float, Field(gt=0, lt=0.5)] = 0.15
    seed: int = 0


class Model(_Section):
    """Which architecture; its input is the recipe's image."""

    architecture: Annotated[str, Field(description="A name of ours, or any of timm's.")] = "simple_cnn"
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5
    pretrained: Annotated[bool, Field(description="Begin with the weights that timm offers, downloaded once.")] = False
    stem: Annotated[
        Literal["standard", "small"],
        Field(description="How a ResNet begins; small, for pictures of about 32 pixels, keeps all of them."),
    ] = "standard"


class Augment(_Section):
    """Random changes to a training picture; the neutral values switch them off."""

    flip: bool = False
    rotation_deg: Annotated[float, Field(ge=0, le=180)] = 0.0
    min_scale: Annotated[float, Field(gt=0, le=1)] = 1.0
    shift: Annotated[float, Field(ge=0, lt=1)] = 0.0
    brightness: Annotated[float, Field(ge=0, lt=1)] = 0.0
    contrast: Annotated[float, Field(ge=0, lt=1)] = 0.0


class Train(_Section):
    """The loop: AdamW, a linear warm-up, then a cosine down to zero."""

    epochs: Count = 10
    batch_size: Count = 32
    lr: Positive = 1e-3
    weight_decay: Annotated[float, Field(ge=0)] = 1e-2
    warmup_share: Share = 0.1
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    seed: int = 0


class Gate(_Section):
    """What a model must reach on the test part before it may go on."""

    accuracy: Annotated[float, Field(ge=0.5, le=1)] = 0.5
    class_recall: Share = 0.0
    calibration_error: Share = 1.0
    accuracy_loss: Annotated[Share, Field(description="How much accuracy may be lost against an incumbent.")] = 0.01


class Recipe(_Section):
    """Everything that decides how a model comes out, but the pictures themselves."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
    title: str
    source: str | None = None
    image: Preprocess
    parts: Parts = Parts()
    model: Model = Model()
    augment: Augment = Augment()
    train: Train = Train()
    gate: Gate = Gate()


_PHOTOGRAPHS: dict[str, Any] = {
    "image": {"height": 128, "width": 128},
    "augment": {"flip": True, "rotation_deg": 10, "min_scale": 0.7, "brightness": 0.2, "contrast": 0.2},
    "train": {"epochs": 30, "lr": 0.003, "weight_decay": 0.05, "label_smoothing": 0.1},
}


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
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"recipe {path} is not YAML: {error}") from error
    if not isinstance(choices, dict):
        held = type(choices).__name__ if choices else "nothing"
        raise ConfigError(f"recipe {path} holds {held}: expected keys such as name, image, train")
    return build(choices, overrides)


def for_pictures(pictures: Path, overrides: Sequence[str] = ()) -> Recipe:
    """A recipe for photographs that have none, named as their folder or their listing is. Raises ConfigError."""
    place = pictures.resolve()
    title = (place.stem if place.is_file() else place.name) or "pictures"
    return build({"name": to_name(title), "title": title, **_PHOTOGRAPHS}, overrides)


def to_name(title: str) -> str:
    """`Cats & Dogs` -> `cats-dogs`; `pictures` where nothing is left."""
    return re.sub("[^a-z0-9]+", "-", title.lower()).strip("-") or "pictures"


def parts(**given: float | None) -> Parts:
    """How to divide pictures, from what the command line gave. Raises ConfigError."""
    try:
        return Parts.model_validate({key: value for key, value in given.items() if value is not None})
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
    except yaml.YAMLError as error:
        raise ConfigError(f"override {override!r}: {value!r} is not a YAML value") from error


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
