"""What is done to pictures to see whether drift is noticed."""

import io
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageFilter

Corrupt = Callable[[Image.Image, np.random.Generator], Image.Image]


def _scaled(picture: Image.Image, factors: tuple[float, float, float]) -> Image.Image:
    return Image.fromarray(np.clip(np.asarray(picture) * np.array(factors), 0, 255).astype(np.uint8))


def _noisy(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    noise = rng.normal(0, 25, (picture.height, picture.width, 3))
    return Image.fromarray(np.clip(np.asarray(picture) + noise, 0, 255).astype(np.uint8))


def _compressed(picture: Image.Image) -> Image.Image:
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=10)
    return Image.open(stream).convert("RGB")


def _half(picture: Image.Image) -> Image.Image:
    width, height = picture.size
    small = picture.resize((max(1, width // 2), max(1, height // 2)), Image.Resampling.BILINEAR)
    return small.resize((width, height), Image.Resampling.BILINEAR)


CORRUPTIONS: dict[str, Corrupt] = {
    "blur": lambda picture, rng: picture.filter(ImageFilter.GaussianBlur(3 if min(picture.size) > 64 else 1)),
    "noise": _noisy,
    "JPEG quality 10": lambda picture, rng: _compressed(picture),
    "night": lambda picture, rng: _scaled(picture, (0.25, 0.25, 0.25)),
    "rotation": lambda picture, rng: picture.rotate(float(rng.choice([90, 180, 270])), expand=True),
    "half-size upscaled": lambda picture, rng: _half(picture),
    "colour cast": lambda picture, rng: _scaled(picture, (1.2, 1.0, 0.75)),
}
