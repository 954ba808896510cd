"""Every architecture of timm, with pretrained weights where timm offers them."""

from typing import Any

import timm
import torch
from huggingface_hub import get_hf_file_metadata, hf_hub_url, try_to_load_from_cache
from huggingface_hub.errors import EntryNotFoundError
from timm.models import PretrainedCfg
from timm.models.resnet import ResNet
from torch import nn

from tapetum.errors import ConfigError, DownloadError
from tapetum.image import Preprocess
from tapetum.models.backbone import Backbone, require_preprocess
from tapetum.recipe import Model

_FILES = ("model.safetensors", "pytorch_model.bin")  # in the order in which timm asks for them
_REACH_TIMEOUT_S = 5
_TOLERANCE = 1e-3


class Convolutional(Backbone):
    """A model of timm whose head reads the mean of its feature map."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model: Any = model

    @property
    def named(self) -> nn.Module:
        """Timm's own module."""
        module: nn.Module = self.model
        return module

    @property
    def last(self) -> nn.Module:
        """Timm's own."""
        module: nn.Module = self.model.get_classifier()
        return module

    def before_last(self, features: torch.Tensor) -> torch.Tensor:
        """Pooled features (N, C) -> what the last layer reads, (N, D)."""
        read: torch.Tensor = self.model.forward_head(features[:, :, None, None], pre_logits=True)
        return read

    def forward_features(self, images: torch.Tensor) -> torch.Tensor:
        """Normalised (N, 3, H, W) -> last feature map (N, C, h, w)."""
        features: torch.Tensor = self.model.forward_features(images)
        return features

    def forward_head(self, features: torch.Tensor) -> torch.Tensor:
        """Pooled features (N, C) -> logits (N, K)."""
        # As a map of one pixel, whose mean it is: timm's head pools by itself.
        logits: torch.Tensor = self.model.forward_head(features[:, :, None, None])
        return logits


class Unmapped(Convolutional):
    """A model of timm that sees in tokens, or pools otherwise than by the mean; its features are the classifier's."""

    has_feature_map = False

    def pool(self, seen: torch.Tensor) -> torch.Tensor:
        """What `forward_features` gave, in the model's own form -> pooled features (N, C)."""
        features: torch.Tensor = self.model.forward_head(seen, pre_logits=True)
        return features

    def before_last(self, features: torch.Tensor) -> torch.Tensor:
        """They are that."""
        return features

    def forward_head(self, features: torch.Tensor) -> torch.Tensor:
        """Pooled features (N, C) -> logits (N, K)."""
        logits: torch.Tensor = self.model.get_classifier()(features)
        return logits


def has(name: str) -> bool:
    """Whether timm has an architecture of this name, with or without a tag of its weights."""
    return timm.is_model(name)


def names() -> list[str]:
    """All of timm's architectures."""
    return timm.list_models()


def build(choices: Model, n_classes: int, spec: Preprocess) -> Backbone:
    """A model of timm for pictures of `spec`. Raises ConfigError, and DownloadError for pretrained weights."""
    offered = _offer_of(choices.architecture)
    if choices.pretrained:
        _require_preprocess(choices.architecture, offered, spec)
        _require_reachable(choices.architecture, offered)
    sized: dict[str, Any] = {"img_size": (spec.height, spec.width)} if offered.fixed_input_size else {}
    try:
        model = timm.create_model(
            choices.architecture,
            pretrained=choices.pretrained,
            num_classes=n_classes,
            drop_rate=choices.dropout,
            **sized,
        )
    except Exception as error:  # architectures, the hub, urllib and safetensors share no base but this
        if choices.pretrained:
            raise DownloadError(f"no pretrained {choices.architecture} could be made: {error}") from error
        raise ConfigError(
            f"{choices.architecture} cannot be made for {spec.width}×{spec.height} pixels: {error}"
        ) from error
    if choices.stem == "small":
        _shrink_stem(model, choices.architecture)
    return _in_parts(model, choices.architecture, spec)


def _offer_of(architecture: str) -> PretrainedCfg:
    """What timm says of the weights it offers."""
    try:
        return timm.get_pretrained_cfg(architecture) or PretrainedCfg()
    except RuntimeError as error:
        name, _, tag = architecture.partition(".")
        tags = ", ".join(timm.list_pretrained(f"{name}.*")) or "none"
        raise ConfigError(f"{architecture!r}: timm has no weights {tag!r} of {name}; it has {tags}") from error


def _require_preprocess(architecture: str, offered: PretrainedCfg, spec: Preprocess) -> None:
    if not offered.has_weights:
        raise ConfigError(f"model.pretrained is true, and timm offers no weights of {architecture}: set it to false")
    learned = {"mean": tuple(offered.mean), "std": tuple(offered.std), "kernel": offered.interpolation}
    require_preprocess(architecture, learned, spec)


def _require_reachable(architecture: str, offered: PretrainedCfg) -> None:
    """Raise DownloadError where the hub does not answer: its own client would try for most of a minute."""
    hub_id = offered.hf_hub_id
    files = (offered.hf_hub_filename,) if offered.hf_hub_filename else _FILES
    if hub_id is None or any(isinstance(try_to_load_from_cache(hub_id, file), str) for file in files):
        return
    url = hf_hub_url(hub_id, files[0])
    try:
        get_hf_file_metadata(url, timeout=_REACH_TIMEOUT_S)
    except EntryNotFoundError:
        return  # it answers; timm asks for another file
    except Exception as error:  # the hub's errors and those of its HTTP client share no base but this
        raise DownloadError(
            f"the weights of {architecture} could not be fetched from {url} ({error}): connect to the network, set "
            "HF_ENDPOINT to a mirror, copy a machine's HF_HOME that has them, or set model.pretrained=false"
        ) from error


def _shrink_stem(model: nn.Module, architecture: str) -> None:
    """As for CIFAR in He et al. 2016 (Deep Residual Learning, section 4.2): a 3×3 convolution, and no halving."""
    first = model.conv1 if isinstance(model, ResNet) else None
    if not isinstance(first, nn.Conv2d):
        raise ConfigError(
            f"model.stem is small, and {architecture} has no stem that can be: "
            "choose a ResNet such as resnet18 or resnet50"
        )
    small = nn.Conv2d(first.in_channels, first.out_channels, kernel_size=3, padding=1, bias=False)
    nn.init.kaiming_normal_(small.weight, mode="fan_out", nonlinearity="relu")
    model.add_module("conv1", small)
    model.add_module("maxpool", nn.Identity())


@torch.no_grad()
def _in_parts(model: Any, architecture: str, spec: Preprocess) -> Backbone:
    """Find by trying where the model can be cut; raise ConfigError where nowhere."""
    shape = (1, 3, spec.height, spec.width)
    images = torch.linspace(0, 1000, spec.height * spec.width * 3).sin().view(shape)
    model.eval()
    problem = "its logits are not those of a classifier over pooled features"
    try:
        whole = model(images)
        for kind in (Convolutional, Unmapped):
            if _agrees(kind(model), images, whole):
                return kind(model.train())
    except (RuntimeError, AssertionError) as error:  # which timm's models raise for sizes that they cannot take
        problem = str(error)
    raise ConfigError(
        f"{architecture} cannot be used for pictures of {spec.width}×{spec.height} pixels ({problem}): "
        "try another size, or another architecture"
    )


def _agrees(parts: Backbone, images: torch.Tensor, whole: torch.Tensor) -> bool:
    """Whether the parts of a model, one after the other, give its own logits."""
    seen = parts.forward_features(images)
    try:
        logits = parts.forward_head(parts.pool(seen))
    except (RuntimeError, IndexError, TypeError):  # of parts that do not fit together
        return False
    return logits.shape == whole.shape and bool((logits - whole).abs().max() <= _TOLERANCE * whole.abs().max())
