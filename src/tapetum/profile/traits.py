"""What a picture is like, in eight numbers: the same code for the reference and for every picture that is served."""

from typing import NamedTuple

import numpy as np
from PIL import Image

_PATCH = 128
_GRID = 48
_BLANK_CONTRAST = 4.0
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_LEAST_DETAIL = 0.05


class Traits(NamedTuple):
    """One picture; levels run from 0 to 255. NaN stands where only the model's input was given.

    `width` and `height` are the log2 of pixels, of the upright picture.
    `detail` is the log2 of the mean absolute Laplacian of up to 128×128
    pixels at its centre, as they were decoded: blur, noise, hard compression
    and enlargement change it, and resizing to the model's input would hide
    them. The others are taken from some 48×48 points of the model's input:
    mean and standard deviation of the luma, red minus blue, green minus the
    mean of both, and whether it is near blank.
    """

    width: float
    height: float
    detail: float
    brightness: float
    contrast: float
    warmth: float
    greenness: float
    is_blank: float


def measure(picture: Image.Image | None, pixels: np.ndarray) -> Traits:
    """Traits of a decoded RGB picture, where there is one, and of uint8 (H, W, 3), the model's input made of it."""
    rows, columns = (max(1, side // _GRID) for side in pixels.shape[:2])
    points = pixels[::rows, ::columns].reshape(-1, 3).astype(np.float32)
    luma = points @ _LUMA
    red, green, blue = points.mean(axis=0).tolist()
    contrast = float(luma.std())
    width = height = detail = float("nan")
    if picture is not None:
        width, height = (float(np.log2(side)) for side in picture.size)
        detail = _detail(picture)
    return Traits(
        width=width,
        height=height,
        detail=detail,
        brightness=float(luma.mean()),
        contrast=contrast,
        warmth=red - blue,
        greenness=green - (red + blue) / 2,
        is_blank=float(contrast < _BLANK_CONTRAST),
    )


def _detail(picture: Image.Image) -> float:
    left, top = ((side - _PATCH) // 2 if side > _PATCH else 0 for side in picture.size)
    right, bottom = (min(start + _PATCH, side) for start, side in zip((left, top), picture.size, strict=True))
    grey = np.asarray(picture.crop((left, top, right, bottom)).convert("L")).astype(np.int16)
    if min(grey.shape) < 3:
        return float(np.log2(_LEAST_DETAIL))
    laplacian = 4 * grey[1:-1, 1:-1] - grey[:-2, 1:-1] - grey[2:, 1:-1] - grey[1:-1, :-2] - grey[1:-1, 2:]
    return float(np.log2(np.abs(laplacian).mean() + _LEAST_DETAIL))
