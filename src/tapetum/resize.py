"""Pillow's antialiased resizing on arrays, four to six times as fast by the processor's vector instructions."""

from importlib import metadata

import numpy as np
from PIL import Image

try:
    from cykooz_resizer import CropBox, FilterType, ImageData, PixelType, ResizeAlg, ResizeOptions, Resizer
except ImportError:  # it has no wheel for every platform
    _FILTERS = {}
else:
    # Not box: where a pixel lies on the edge of two, it falls to the other one.
    _FILTERS = {
        "bilinear": FilterType.bilinear,
        "bicubic": FilterType.catmull_rom,
        "lanczos": FilterType.lanczos3,
    }

_MOST_UNFOLDED = 256
_LONGEST_REACH = 3  # of Lanczos, in pixels of the larger grid

Size = tuple[int, int]
Box = tuple[float, float, float, float]
Window = tuple[int, int, int, int]


def resizer_version() -> str:
    """What resizes here, where it is not Pillow alone."""
    return metadata.version("cykooz-resizer") if _FILTERS else "none"


def is_vectorised(kernel: str) -> bool:
    """Whether `resize` is fast with it here; the pixels are Pillow's either way, but for rounding."""
    return kernel in _FILTERS


def resize(pixels: np.ndarray, size: Size, window: Window, kernel: str, rows_first: bool) -> np.ndarray:
    """uint8 (H, W, 3) -> what `window` shows of it once it is resized to `size`, width and height.

    `window` is left, top, right and bottom; nothing outside of it is computed.
    Every kernel averages over what it shrinks. Between the passes over rows and
    over columns pixels are rounded to 8 bits: `rows_first` says which comes first.
    """
    if not is_vectorised(kernel):
        return _by_pillow(pixels, size, window, Image.Resampling[kernel.upper()])
    height, width = pixels.shape[:2]
    across, down = width / size[0], height / size[1]
    left, top, right, bottom = window[0] * across, window[1] * down, window[2] * across, window[3] * down
    columns, rows = window[2] - window[0], window[3] - window[1]
    if rows_first:  # the resizer's own order
        return _pass(pixels, (columns, rows), (left, top, right, bottom), kernel)
    # Only the rows that the second pass reads.
    reach = _LONGEST_REACH * max(1.0, down) + 1
    first, last = max(0, int(top - reach)), min(height, int(bottom + reach) + 1)
    narrow = _pass(pixels[first:last], (columns, last - first), (left, 0, right, last - first), kernel)
    return _pass(narrow, (columns, rows), (0, top - first, columns, bottom - first), kernel)


def _pass(pixels: np.ndarray, size: Size, box: Box, kernel: str) -> np.ndarray:
    height, width = pixels.shape[:2]
    left, top, right, bottom = box
    algorithm = ResizeAlg.convolution(_FILTERS[kernel])
    options = ResizeOptions(resize_alg=algorithm, crop_box=CropBox(left, top, right - left, bottom - top))
    resized = ImageData(*size, PixelType.U8x3)
    Resizer().resize(ImageData(width, height, PixelType.U8x3, pixels.tobytes()), resized, options)
    return np.frombuffer(resized.get_buffer(), np.uint8).reshape(size[1], size[0], 3)


def _by_pillow(pixels: np.ndarray, size: Size, window: Window, resample: Image.Resampling) -> np.ndarray:
    picture = Image.fromarray(pixels)
    left, top, right, bottom = window
    if size[0] * size[1] <= _MOST_UNFOLDED * (right - left) * (bottom - top):
        return np.asarray(picture.resize(size, resample).crop(window))
    # A thread of 1 by 1,000,000 pixels would unfold to terabytes: resize its window only.
    across, down = picture.width / size[0], picture.height / size[1]
    centre = (left * across, top * down, right * across, bottom * down)
    return np.asarray(picture.resize((right - left, bottom - top), resample, centre))
