"""Batches of training pictures: shuffled, augmented on uint8, and prepared one ahead of their use."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from PIL import Image

from tapetum.data.cache import Rows
from tapetum.machine import cores
from tapetum.recipe import Augment

Batch = tuple[np.ndarray, np.ndarray]


def shuffled(
    pixels: np.ndarray | Rows, labels: np.ndarray, size: int, augment: Augment, rng: np.random.Generator
) -> Iterator[Batch]:
    """One epoch as (uint8 (n, H, W, 3), int64 (n,)) batches, n ≤ `size`; the same `rng` gives the same epoch."""
    order = rng.permutation(len(pixels))
    chunks = [order[start : start + size] for start in range(0, usable(len(order), size), size)]
    draws = rng.random((len(order), 7))

    with ThreadPoolExecutor(1) as ahead, ThreadPoolExecutor(cores()) as pool:

        def prepare(number: int) -> Batch:
            rows = chunks[number]
            changed = pool.map(lambda row: augmented(pixels[row], augment, draws[row]), rows)
            return np.stack(list(changed)), labels[rows]

        pending = ahead.submit(prepare, 0)
        for number in range(len(chunks)):
            batch = pending.result()
            if number + 1 < len(chunks):
                pending = ahead.submit(prepare, number + 1)
            yield batch


def usable(count: int, size: int) -> int:
    """How many of `count` pictures an epoch takes: a last batch of one is left out, for batch norm needs a variance."""
    return count - 1 if count > size and count % size == 1 else count


def in_order(pixels: np.ndarray | Rows, labels: np.ndarray, size: int) -> Iterator[Batch]:
    """All pictures unchanged, in batches."""
    for start in range(0, len(pixels), size):
        yield np.asarray(pixels[start : start + size]), labels[start : start + size]


def augmented(picture: np.ndarray, augment: Augment, draw: np.ndarray) -> np.ndarray:
    """uint8 (H, W, 3) -> the same shape, changed as `draw`, seven numbers from 0 to 1, says.

    Flip, rotation, scale and shift are one affine map, so pixels are interpolated once.
    """
    flip, angle, scale, right, down, brightness, contrast = draw
    height, width, _ = picture.shape
    changed = Image.fromarray(picture)
    if augment.rotation_deg or augment.min_scale < 1 or augment.shift or augment.flip:
        turn = np.deg2rad(augment.rotation_deg) * (2 * angle - 1)
        zoom = 1 - (1 - augment.min_scale) * scale
        mirror = -1.0 if augment.flip and flip < 0.5 else 1.0
        # Cutting out a part leaves room to move it without leaving the picture.
        move = augment.shift + (1 - zoom) / 2
        center = np.array([width, height]) / 2
        to_source = zoom * np.array([[mirror * np.cos(turn), np.sin(turn)], [-mirror * np.sin(turn), np.cos(turn)]])
        offset = center + np.array([width * move * (2 * right - 1), height * move * (2 * down - 1)])
        shift = offset - to_source @ center
        matrix = (*to_source[0], shift[0], *to_source[1], shift[1])
        fill = tuple(int(value) for value in picture[0, 0])
        changed = changed.transform(
            (width, height), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR, fillcolor=fill
        )
    pixels = np.asarray(changed)
    if augment.brightness or augment.contrast:
        gain = 1 + augment.contrast * (2 * contrast - 1)
        offset = 128 * augment.brightness * (2 * brightness - 1)
        table = ((np.arange(256) - 128) * gain + 128 + offset).clip(0, 255).astype(np.uint8)
        pixels = table[pixels]
    return pixels
