"""Small real things that many tests need: pictures in bytes, and a folder of them."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

MakePicture = Callable[..., bytes]


def encode(pixels: np.ndarray, kind: str = "JPEG", **options: object) -> bytes:
    """uint8 (H, W) or (H, W, 3) -> the bytes of a picture file."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind, **options)
    return stream.getvalue()


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture
def jpeg(rng: np.random.Generator) -> bytes:
    """A photograph-like JPEG, 60 wide and 40 high."""
    coarse = rng.integers(0, 256, (5, 8, 3), dtype=np.uint8)
    return encode(np.asarray(Image.fromarray(coarse).resize((60, 40), Image.Resampling.BICUBIC)))


def blob(rng: np.random.Generator, is_bright: bool, size: int = 24) -> np.ndarray:
    """uint8 (size, size, 3): noise around a light or a dark mean, which a small model tells apart at once."""
    noise = rng.normal(180 if is_bright else 70, 30, (size, size, 3))
    return noise.clip(0, 255).astype(np.uint8)


@pytest.fixture
def folder(tmp_path: Path, rng: np.random.Generator) -> Path:
    """80 PNG pictures of two classes, laid out as CLASS/picture."""
    root = tmp_path / "pictures"
    for label in ("bright", "dark"):
        (root / label).mkdir(parents=True)
        for number in range(40):
            (root / label / f"{number:02}.png").write_bytes(encode(blob(rng, label == "bright"), "PNG"))
    return root
