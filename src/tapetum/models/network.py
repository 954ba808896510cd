"""The whole network: uint8 pictures in, logits and pooled features out."""

from typing import NamedTuple

import torch
from torch import nn

from tapetum.image import Preprocess
from tapetum.models.catalog import build
from tapetum.recipe import Model


class Answer(NamedTuple):
    """`logits` (N, K) and pooled `features` (N, C), which the head reads."""

    logits: torch.Tensor
    features: torch.Tensor


class Network(nn.Module):
    """An architecture behind normalisation, which no caller can then forget."""

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, choices: Model, n_classes: int, spec: Preprocess) -> None:
        """Raises ConfigError where the architecture is unknown or does not fit, DownloadError for its weights."""
        super().__init__()
        self.backbone = build(choices, n_classes, spec)
        self.register_buffer("mean", 255 * torch.tensor(spec.mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", 255 * torch.tensor(spec.std).view(1, 3, 1, 1), persistent=False)

    def forward(self, images: torch.Tensor) -> Answer:
        """uint8 (N, H, W, 3) -> Answer."""
        # NHWC memory seen as NCHW is channels-last already, without a copy.
        normalised = (images.permute(0, 3, 1, 2).float() - self.mean) / self.std
        features = self.backbone.pool(self.backbone.forward_features(normalised))
        return Answer(self.backbone.forward_head(features), features)
