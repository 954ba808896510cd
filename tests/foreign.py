"""Models as others write and save them, and pictures as they prepare them, with nothing of ours."""

import io
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
import torchvision
from PIL import Image
from torch import nn
from torchvision.transforms import v2

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class SimpleCNN(nn.Module):
    """simple_cnn as others have it: conv1.0.weight … fc.4.bias, pooled before fc."""

    def __init__(self, n_classes: int) -> None:
        super().__init__()
        for number, (inputs, outputs) in enumerate([(3, 32), (32, 64), (64, 128), (128, 256)], start=1):
            block = nn.Sequential(
                nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU(), nn.MaxPool2d(2, 2)
            )
            setattr(self, f"conv{number}", block)
        self.pool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Sequential(
            nn.Flatten(), nn.Linear(256, 128), nn.ReLU(), nn.Dropout(0.5), nn.Linear(128, n_classes)
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        for number in range(1, 5):
            images = getattr(self, f"conv{number}")(images)
        return self.fc(self.pool(images))


def simple_cnn(n_classes: int, size: int = 32) -> nn.Module:
    torch.manual_seed(0)
    return lively(SimpleCNN(n_classes), size)


def resnet50(n_classes: int, size: int = 32) -> nn.Module:
    torch.manual_seed(0)
    return lively(torchvision.models.resnet50(num_classes=n_classes), size)


@torch.no_grad()
def lively(model: nn.Module, size: int) -> nn.Module:
    """Random weights as if trained at `size`: batch norm has seen pictures, and answers to them differ."""
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.weight.uniform_(0.5, 1.5)
        norm.bias.normal_(0, 0.2)
        norm.momentum = 1.0
    pictures = torch.stack([tensor(picture, size) for picture in jpegs(16, seed=1)])
    model.train()(pictures)
    head = [module for module in model.modules() if isinstance(module, nn.Linear)][-1]
    logits = model.eval()(pictures)
    spread = logits.std(dim=0)
    head.weight.div_(spread[:, None])
    head.bias.sub_(logits.mean(dim=0)).div_(spread)
    return model


def jpegs(count: int, seed: int = 0) -> list[bytes]:
    """Photograph-like JPEGs of many sizes."""
    rng = np.random.default_rng(seed)
    pictures = []
    for _ in range(count):
        width, height = (int(side) for side in rng.integers(40, 400, 2))
        coarse = Image.fromarray(rng.integers(0, 256, (5, 7, 3), dtype=np.uint8))
        shapes = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC), int)
        noisy = (shapes + rng.normal(0, 12, shapes.shape)).clip(0, 255).astype(np.uint8)
        stream = io.BytesIO()
        Image.fromarray(noisy).save(stream, "JPEG", quality=85)
        pictures.append(stream.getvalue())
    return pictures


def pixels(picture: bytes, size: int) -> np.ndarray:
    """uint8 (size, size, 3), by torchvision's transform on a Pillow picture."""
    opened = Image.open(io.BytesIO(picture)).convert("RGB")
    return np.asarray(v2.Resize((size, size), antialias=True)(opened))


def tensor(picture: bytes, size: int) -> torch.Tensor:
    """(3, size, size), by torchvision's transforms on a Pillow picture."""
    prepare = v2.Compose([v2.PILToTensor(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, STD)])
    return prepare(Image.fromarray(pixels(picture, size)))


@torch.inference_mode()
def answers(model: nn.Module, pictures: Iterable[bytes], size: int) -> np.ndarray:
    """Probabilities (N, K)."""
    return model(torch.stack([tensor(picture, size) for picture in pictures])).softmax(dim=1).numpy()


def save(model: nn.Module, path: Path) -> Path:
    torch.save(model.state_dict(), path)
    return path
