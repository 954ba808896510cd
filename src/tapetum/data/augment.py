"""Random changes to training pictures, on uint8, decided by numbers drawn elsewhere."""

import numpy as np
from PIL import Image

from tapetum.recipe import Augment

# flip, angle, scale, stretch, right, down, brightness, contrast, saturation
DRAWS = 9
# What red, green and blue give to grey, by ITU-R 601-2.
_LUMA = (0.299, 0.587, 0.114)


def augmented(picture: np.ndarray, augment: Augment, draw: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """uint8 (H, W, 3) -> uint8 (height, width, 3), changed as `draw`, nine numbers from 0 to 1, says.

    Flip, rotation, scale, stretch and shift are one map, so pixels are interpolated once; without rotation
    and shift, which leave the picture, pixels are averaged where they shrink, as they are before inference.
    """
    changed = _moved(Image.fromarray(picture), augment, draw, size)
    if augment.brightness or augment.contrast or augment.saturation:
        changed = changed.convert("RGB", _colours(augment, *(2 * draw[-3:] - 1)))
    return np.asarray(changed)


def _colours(augment: Augment, brightness: float, contrast: float, saturation: float) -> tuple[float, ...]:
    """Three rows of four: what red, green, blue and one give to each new value; the draws are from -1 to 1."""
    kept = 1 + augment.saturation * saturation
    gain = 1 + augment.contrast * contrast
    offset = 128 * (1 - gain + augment.brightness * brightness)
    rows = gain * (kept * np.eye(3) + (1 - kept) * np.array(_LUMA))
    return tuple(np.column_stack((rows, np.full(3, offset))).ravel())


def _moved(picture: Image.Image, augment: Augment, draw: np.ndarray, size: tuple[int, int]) -> Image.Image:
    source, target = np.array(picture.size), np.array(size[::-1])
    moves = augment.rotation_deg or augment.min_scale < 1 or augment.stretch or augment.shift or augment.flip
    if not moves and (source == target).all():
        return picture
    flip, angle, scale, stretch, right, down = draw[:6]
    turn = np.deg2rad(augment.rotation_deg) * (2 * angle - 1)
    ratio = (1 + augment.stretch) ** (stretch - 0.5)
    zoom = (1 - (1 - augment.min_scale) * scale) * np.array([ratio, 1 / ratio]).clip(max=1)
    is_mirrored = augment.flip and flip < 0.5
    # Cutting out a part leaves room to move it without leaving the picture.
    move = (augment.shift + (1 - zoom) / 2) * (2 * np.array([right, down]) - 1)
    if not augment.rotation_deg and not augment.shift:
        first = (source * ((1 - zoom) / 2 + move)).clip(min=0)
        box = (*first, *(first + source * zoom).clip(max=source))
        cut = picture.resize(size[::-1], Image.Resampling.BILINEAR, box)
        return cut.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if is_mirrored else cut
    mirror = -1.0 if is_mirrored else 1.0
    rotation = np.array([[mirror * np.cos(turn), np.sin(turn)], [-mirror * np.sin(turn), np.cos(turn)]])
    to_source = (zoom * source / target)[:, None] * rotation
    shift = source / 2 + source * move - to_source @ (target / 2)
    matrix = (*to_source[0], shift[0], *to_source[1], shift[1])
    corner = picture.getpixel((0, 0))
    return picture.transform(size[::-1], Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR, fillcolor=corner)


def mixed(
    images: np.ndarray, others: np.ndarray, augment: Augment, rng: np.random.Generator
) -> tuple[np.ndarray, float]:
    """Two batches uint8 (n, H, W, 3) -> one, and the share of the first in it.

    Mixup (Zhang et al. 2018) adds them up; CutMix (Yun et al. 2019) pastes a
    rectangle of the second into the first.
    """
    uses_cutmix = augment.cutmix and (not augment.mixup or rng.random() < 0.5)
    if not uses_cutmix:
        # In 256ths, which sixteen bits hold: floats would cost more than the changes before.
        parts = round(256 * rng.beta(augment.mixup, augment.mixup))
        sums = np.multiply(images, parts, dtype=np.uint16) + np.multiply(others, 256 - parts, dtype=np.uint16)
        return ((sums + 128) >> 8).astype(np.uint8), parts / 256
    side = np.sqrt(1 - rng.beta(augment.cutmix, augment.cutmix))
    (top, bottom), (left, right) = (_span(length, side, rng.random()) for length in images.shape[1:3])
    pasted = images.copy()
    pasted[:, top:bottom, left:right] = others[:, top:bottom, left:right]
    return pasted, 1 - (bottom - top) * (right - left) / (images.shape[1] * images.shape[2])


def _span(length: int, share: float, centre: float) -> tuple[int, int]:
    """Where a share of a side begins and ends round a centre, within the side."""
    half = share * length / 2
    return max(0, round(centre * length - half)), min(length, round(centre * length + half))
