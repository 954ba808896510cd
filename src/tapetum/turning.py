"""Pictures are stored as the camera was held, with a tag that says how to turn them upright."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from tapetum.resize import Size, Window

_ORIENTATION_TAG = 0x0112


@dataclass(frozen=True)
class Turn:
    """From stored to upright: columns become rows where `is_transposed`, then `rows` and `columns` are reversed."""

    is_transposed: bool
    rows: bool
    columns: bool

    def size(self, stored: Size) -> Size:
        """Width and height once turned, or from turned back to stored."""
        return stored[::-1] if self.is_transposed else stored

    def stored(self, window: Window, size: Size) -> Window:
        """Where in the stored picture a window of the upright one of `size` lies."""
        left, top, right, bottom = window
        if self.columns:
            left, right = size[0] - right, size[0] - left
        if self.rows:
            top, bottom = size[1] - bottom, size[1] - top
        return (top, left, bottom, right) if self.is_transposed else (left, top, right, bottom)

    def apply(self, pixels: np.ndarray) -> np.ndarray:
        """Stored (H, W, 3) -> upright."""
        turned = pixels.swapaxes(0, 1) if self.is_transposed else pixels
        return np.ascontiguousarray(turned[:: -1 if self.rows else 1, :: -1 if self.columns else 1])


NONE = Turn(is_transposed=False, rows=False, columns=False)

_BY_TAG = {
    2: (Turn(False, False, True), Image.Transpose.FLIP_LEFT_RIGHT),
    3: (Turn(False, True, True), Image.Transpose.ROTATE_180),
    4: (Turn(False, True, False), Image.Transpose.FLIP_TOP_BOTTOM),
    5: (Turn(True, False, False), Image.Transpose.TRANSPOSE),
    6: (Turn(True, False, True), Image.Transpose.ROTATE_270),
    7: (Turn(True, True, True), Image.Transpose.TRANSVERSE),
    8: (Turn(True, True, False), Image.Transpose.ROTATE_90),
}


def of(picture: Image.Image) -> Turn:
    """What the tags of an opened picture say."""
    tag = _tag(picture)
    return _BY_TAG[tag][0] if tag in _BY_TAG else NONE


def upright(picture: Image.Image) -> Image.Image:
    """The picture turned as its tags say."""
    tag = _tag(picture)
    return picture.transpose(_BY_TAG[tag][1]) if tag in _BY_TAG else picture


def _tag(picture: Image.Image) -> int | None:
    try:
        return picture.getexif().get(_ORIENTATION_TAG)
    except Exception:  # damaged metadata must not cost a picture whose pixels are whole
        return None
