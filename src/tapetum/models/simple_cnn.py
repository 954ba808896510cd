"""SimpleCNN: four convolution blocks, global average pooling, two linear layers; 422,530 parameters for two classes."""

from itertools import pairwise

import torch
from torch import nn

from tapetum.models.backbone import Backbone

WIDTHS = (3, 32, 64, 128, 256)


class SimpleCNN(Backbone):
    """Names of layers and parameters are those of published checkpoints: conv1.0.weight … fc.4.bias."""

    def __init__(self, n_classes: int, dropout: float) -> None:
        super().__init__()
        self.conv1, self.conv2, self.conv3, self.conv4 = (
            _Block(inputs, outputs) for inputs, outputs in pairwise(WIDTHS)
        )
        self.fc = nn.Sequential(
            nn.Flatten(),
            nn.Linear(WIDTHS[-1], 128),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(128, n_classes),
        )

    @property
    def last(self) -> nn.Module:
        """The second of the two linear layers."""
        return self.fc[-1]

    def before_last(self, features: torch.Tensor) -> torch.Tensor:
        """Pooled features (N, 256) -> (N, 128)."""
        hidden: torch.Tensor = self.fc[:-1](features)
        return hidden

    def forward_features(self, images: torch.Tensor) -> torch.Tensor:
        """Normalised (N, 3, H, W) -> feature map (N, 256, H / 16, W / 16)."""
        features: torch.Tensor = self.conv4(self.conv3(self.conv2(self.conv1(images))))
        return features

    def forward_head(self, features: torch.Tensor) -> torch.Tensor:
        """Pooled features (N, 256) -> logits (N, K)."""
        logits: torch.Tensor = self.fc(features)
        return logits


class _Block(nn.Sequential):
    """Convolution, batch norm, ReLU, max-pool."""

    def __init__(self, inputs: int, outputs: int) -> None:
        convolution = nn.Conv2d(inputs, outputs, kernel_size=3, padding=1)
        super().__init__(convolution, nn.BatchNorm2d(outputs), nn.ReLU(), nn.MaxPool2d(2))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(N, inputs, H, W) -> (N, outputs, H / 2, W / 2)."""
        convolve, normalise, rectify, pool = self
        # The larger of two values is rectified as both are, so the order is free: pooling first leaves
        # a quarter to rectify, which training gains by; engines fuse the other order into the convolution.
        last = (pool, rectify) if self.training else (rectify, pool)
        result: torch.Tensor = last[1](last[0](normalise(convolve(images))))
        return result
