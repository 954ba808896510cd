"""What an architecture offers; Network adds normalisation before it."""

from abc import ABC, abstractmethod
from collections.abc import Mapping

import torch
from torch import nn

from tapetum.errors import ConfigError
from tapetum.image import Preprocess


class Backbone(nn.Module, ABC):
    """A network in parts, so that what it saw last, and what it made of that, can be looked at."""

    has_feature_map = True  # whether what `forward_features` gives is one, and its mean is what the head reads

    @property
    def named(self) -> nn.Module:
        """The module whose parameters have the names that checkpoints of this architecture have."""
        return self

    @property
    @abstractmethod
    def last(self) -> nn.Module:
        """What makes the logits: a linear layer, but in a few of timm's architectures."""

    @abstractmethod
    def before_last(self, features: torch.Tensor) -> torch.Tensor:
        """Pooled features (N, C) -> what the last layer reads, (N, D)."""

    @abstractmethod
    def forward_features(self, images: torch.Tensor) -> torch.Tensor:
        """Normalised (N, 3, H, W) -> last feature map (N, C, h, w), or where there is none what `pool` takes."""

    def pool(self, seen: torch.Tensor) -> torch.Tensor:
        """What `forward_features` gave -> pooled features (N, C)."""
        return seen.mean(dim=(2, 3))

    @abstractmethod
    def forward_head(self, features: torch.Tensor) -> torch.Tensor:
        """Pooled features (N, C) -> logits (N, K)."""


def require_preprocess(architecture: str, learned: Mapping[str, object], spec: Preprocess) -> None:
    """Raise ConfigError where pictures would reach weights otherwise than those they were `learned` from."""
    differing = [
        f"image.{key}={list(value) if isinstance(value, tuple) else value}"
        for key, value in learned.items()
        if getattr(spec, key) != value
    ]
    if differing:
        raise ConfigError(
            f"the pretrained weights of {architecture} were learned from other values: "
            f"set {' '.join(text.replace(' ', '') for text in differing)}"
        )
