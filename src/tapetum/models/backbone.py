"""What an architecture offers; Network adds normalisation before it and pooling within it."""

from abc import ABC, abstractmethod

import torch
from torch import nn


class Backbone(nn.Module, ABC):
    """A convolutional network in two halves, so that its last feature map can be seen."""

    @abstractmethod
    def forward_features(self, images: torch.Tensor) -> torch.Tensor:
        """Normalised (N, 3, H, W) -> last feature map (N, C, h, w)."""

    @abstractmethod
    def forward_head(self, features: torch.Tensor) -> torch.Tensor:
        """Pooled features (N, C) -> logits (N, K)."""
