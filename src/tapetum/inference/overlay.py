"""A heat map as a picture: over a grey copy of the photograph, or alone."""

import io
from typing import Literal

import numpy as np
from PIL import Image

from tapetum.inference.explain import Explanation

View = Literal["overlay", "map"]

MOST_SIDE = 1024  # of a drawing, which is then at most 3.2 MB as PNG
# From brown to yellow and from dark to light: over grey, whatever has a colour is heat. A ramp that begins with blue
# passes through what is grey for the colour-blind.
_STOPS = (0.0, 0.5, 1.0)
_COLOURS = ((150, 40, 0), (240, 115, 0), (255, 240, 80))
_MOST_OPAQUE = 0.75
_FULL_FROM = 0.5  # heat from which the colour is as opaque as it gets
_FAINTNESS = 1.5  # above 1, faint heat hardly tints the grey
_GREY = 0.8


def draw(picture: Image.Image, explanation: Explanation, view: View) -> Image.Image:
    """The heat over an RGB picture as RGB, or alone as 8-bit grey, white the most; no side above MOST_SIDE."""
    scale = min(1.0, MOST_SIDE / max(picture.size))
    size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    heat = explanation.over(size)
    if view == "map":
        return Image.fromarray((heat * 255).round().astype(np.uint8))
    small = picture if size == picture.size else picture.resize(size, Image.Resampling.BILINEAR)
    grey = _GREY * np.asarray(small.convert("L"), np.float32)[:, :, None]
    colour = np.stack([np.interp(heat, _STOPS, levels) for levels in zip(*_COLOURS, strict=True)], axis=2)
    opacity = _MOST_OPAQUE * np.minimum(heat / _FULL_FROM, 1)[:, :, None] ** _FAINTNESS
    return Image.fromarray((grey + opacity * (colour - grey)).round().astype(np.uint8))


def to_png(drawing: Image.Image) -> bytes:
    """The bytes of a PNG file."""
    stream = io.BytesIO()
    drawing.save(stream, "PNG", compress_level=1)
    return stream.getvalue()
