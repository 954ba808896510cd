"""Pillow's antialiased resizing on arrays, four to six times as fast by the processor's vector instructions."""

from importlib import metadata
from itertools import pairwise

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
_REACH = {"bilinear": 1, "bicubic": 2, "lanczos": 3}  # in pixels of the coarser grid
_STRIP_BYTES = 1_000_000

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
    """uint8 (H, W, 3) or (H, W) -> what `window` shows of it once it is resized to `size`, width and height.

    `window` is left, top, right and bottom; nothing outside of it is computed.
    Every kernel averages over what it shrinks. Between the passes over rows and
    over columns pixels are rounded to 8 bits: `rows_first` says which comes first.
    """
    if not is_vectorised(kernel):
        return _by_pillow(pixels, size, window, Image.Resampling[kernel.upper()])
    # In strips that the processor's caches hold: whole, 12 megapixels are copied through fresh memory twice.
    strips = min(window[3] - window[1], 1 + pixels.nbytes // _STRIP_BYTES)
    edges = np.linspace(window[1], window[3], strips + 1).astype(int).tolist()
    shown = [_strip(pixels, size, (window[0], *rows, window[2]), kernel, rows_first) for rows in pairwise(edges)]
    return np.concatenate(shown) if strips > 1 else shown[0]


def _strip(
    pixels: np.ndarray, size: Size, window: tuple[int, int, int, int], kernel: str, rows_first: bool
) -> np.ndarray:
    start, above, below, end = window
    height, width = pixels.shape[:2]
    left, right = start * width / size[0], end * width / size[0]
    top, bottom = above * height / size[1], below * height / size[1]
    # Only the rows that these are made of.
    reach = _REACH[kernel] * max(1.0, height / size[1]) + 1
    first, last = max(0, int(top - reach)), min(height, int(bottom + reach) + 1)
    top, bottom = top - first, bottom - first
    if rows_first:  # the resizer's own order
        return _pass(pixels[first:last], (end - start, below - above), (left, top, right, bottom), kernel)
    narrow = _pass(pixels[first:last], (end - start, last - first), (left, 0, right, last - first), kernel)
    return _pass(narrow, (end - start, below - above), (0, top, end - start, bottom), kernel)


def _pass(pixels: np.ndarray, size: Size, box: Box, kernel: str) -> np.ndarray:
    height, width = pixels.shape[:2]
    left, top, right, bottom = box
    # The resizer refuses a box that float error takes a hair beyond the edge.
    crop_box = CropBox(left, top, min(right - left, width - left), min(bottom - top, height - top))
    options = ResizeOptions(resize_alg=ResizeAlg.convolution(_FILTERS[kernel]), crop_box=crop_box)
    kind = PixelType.U8x3 if pixels.ndim == 3 else PixelType.U8
    resized = ImageData(*size, kind)
    Resizer().resize(ImageData(width, height, kind, pixels.tobytes()), resized, options)
    return np.frombuffer(resized.get_buffer(), np.uint8).reshape(size[1], size[0], *pixels.shape[2:])


def _by_pillow(pixels: np.ndarray, size: Size, window: Window, resample: Image.Resampling) -> np.ndarray:
    picture = Image.fromarray(pixels)
    left, top, right, bottom = window
    if size[0] * size[1] <= _MOST_UNFOLDED * (right - left) * (bottom - top):
        return np.asarray(picture.resize(size, resample).crop(window))
    # A thread of 1 by 1,000,000 pixels would unfold to terabytes: resize its window only.
    across, down = picture.width / size[0], picture.height / size[1]
    centre = (left * across, top * down, right * across, bottom * down)
    return np.asarray(picture.resize((right - left, bottom - top), resample, centre))
