"""The architectures by name: those of MODELS, and all that timm has."""

from collections.abc import Callable

from tapetum.errors import ConfigError
from tapetum.image import Preprocess
from tapetum.models.backbone import Backbone
from tapetum.models.simple_cnn import SimpleCNN
from tapetum.recipe import Model
from tapetum.registry import Registry, did_you_mean

Build = Callable[[Model, int, Preprocess], Backbone]


def build(choices: Model, n_classes: int, spec: Preprocess) -> Backbone:
    """The architecture for pictures of `spec`. Raises ConfigError, and DownloadError for pretrained weights."""
    name = choices.architecture
    if name in MODELS:
        return MODELS.get(name)(choices, n_classes, spec)
    from tapetum.models import timm_models  # timm takes seconds to import

    if not timm_models.has(name):
        near = did_you_mean(name, [*MODELS, *timm_models.names()])
        raise ConfigError(
            f"unknown architecture {name!r}{near}: expected one of {', '.join(MODELS)}, or another of timm"
        )
    return timm_models.build(choices, n_classes, spec)


def _simple_cnn(choices: Model, n_classes: int, spec: Preprocess) -> Backbone:
    if choices.pretrained:
        raise ConfigError(
            "model.pretrained is true, and nobody offers weights of simple_cnn: `tapetum import` takes a file"
        )
    if choices.stem != "standard":
        raise ConfigError(f"model.stem is {choices.stem!r}, and simple_cnn has no stem: leave it at standard")
    return SimpleCNN(n_classes, choices.dropout)


def _resnet50(choices: Model, n_classes: int, spec: Preprocess) -> Backbone:
    from tapetum.models import timm_models

    return timm_models.build(choices, n_classes, spec)


def _efficientnet_lite0(choices: Model, n_classes: int, spec: Preprocess) -> Backbone:
    from tapetum.models import efficientnet_lite0

    return efficientnet_lite0.build(choices, n_classes, spec)


MODELS: Registry[Build] = Registry("architecture")
MODELS.add("simple_cnn", _simple_cnn)
MODELS.add("resnet50", _resnet50)  # that of timm has torchvision's names and arithmetic
MODELS.add("efficientnet_lite0", _efficientnet_lite0)
