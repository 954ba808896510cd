"""What a picture is like, in eight numbers: the same code for the reference and for every picture that is served."""

from typing import NamedTuple

import numpy as np
from PIL import Image

from tapetum.image import Read

_PATCH = 128
_GRID = 32
_BLANK_CONTRAST = 4.0
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_LEAST_DETAIL = 0.05


class Traits(NamedTuple):
    """One picture; levels run from 0 to 255. NaN stands where only the model's input was given.

    `width` and `height` are the log2 of pixels, of the upright picture.
    `detail` is the log2 of the mean absolute Laplacian of up to 128×128
    pixels at its centre, as they were decoded: blur, noise, hard compression
    and enlargement change it, and resizing to the model's input would hide
    them. The others are taken from some 32×32 points of the model's input:
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


def measure(seen: Read) -> Traits:
    """Traits of a picture."""
    rows, columns = (max(1, side // _GRID) for side in seen.pixels.shape[:2])
    points = seen.pixels[::rows, ::columns].reshape(-1, 3).astype(np.float32)
    luma = points @ _LUMA
    red, green, blue = points.mean(axis=0).tolist()
    contrast = float(luma.std())
    width = height = detail = float("nan")
    if seen.decoded is not None:
        width, height = (float(np.log2(side)) for side in seen.size)
        detail = _detail(seen.decoded)
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


def _detail(decoded: np.ndarray) -> float:
    top, left = (max(0, (side - _PATCH) // 2) for side in decoded.shape[:2])
    patch = np.ascontiguousarray(decoded[top : top + _PATCH, left : left + _PATCH])
    grey = np.asarray(Image.fromarray(patch).convert("L")).astype(np.int16)
    if min(grey.shape) < 3:
        return float(np.log2(_LEAST_DETAIL))
    laplacian = 4 * grey[1:-1, 1:-1] - grey[:-2, 1:-1] - grey[2:, 1:-1] - grey[1:-1, :-2] - grey[1:-1, 2:]
    return float(np.log2(np.abs(laplacian).mean() + _LEAST_DETAIL))
