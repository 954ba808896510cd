"""Batches of training pictures: shuffled, augmented on uint8, and prepared one ahead of their use."""

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from tapetum.data.augment import DRAWS, augmented, mixed
from tapetum.data.cache import Rows
from tapetum.machine import cores
from tapetum.recipe import Augment


class Pictures(NamedTuple):
    """`pixels` uint8 (N, H, W, 3), or rows of a cache of such, `labels` int64 (N,), and file names."""

    pixels: np.ndarray | Rows
    labels: np.ndarray
    names: Sequence[str]


class Batch(NamedTuple):
    """Pictures to learn from: `share` of each is the one at `rows` with `labels`, the rest one with `others`."""

    images: np.ndarray  # uint8 (n, H, W, 3)
    labels: np.ndarray  # int64 (n,)
    others: np.ndarray  # int64 (n,), the labels themselves where nothing is mixed
    share: float
    rows: np.ndarray  # (n,)
    counted: int  # pictures in the batch of all processes


class Shuffle(NamedTuple):
    """Which batches of which epoch: those from `first` on, and of each every `of`-th picture from `rank` on."""

    size: int
    seed: int
    epoch: int
    first: int = 0
    rank: int = 0
    of: int = 1


def shuffled(pictures: Pictures, shuffle: Shuffle, augment: Augment, size: tuple[int, int]) -> Iterator[Batch]:
    """The batches of one epoch, of pictures `size`, height and width; n ≤ `shuffle.size`.

    A batch depends on seed, epoch and its number alone, so an epoch can be taken up in its middle.
    """
    order = np.random.default_rng((shuffle.seed, shuffle.epoch)).permutation(len(pictures.labels))
    steps = steps_of(len(order), shuffle.size, shuffle.of)

    with ThreadPoolExecutor(1) as ahead, ThreadPoolExecutor(cores()) as pool:

        def prepare(number: int) -> Batch:
            rng = np.random.default_rng((shuffle.seed, shuffle.epoch, number))
            chunk = order[number * shuffle.size : (number + 1) * shuffle.size]
            draws = rng.random((len(chunk), DRAWS))
            partners = rng.permutation(len(chunk))
            mine = np.arange(shuffle.rank, len(chunk), shuffle.of)

            def changed(place: int) -> np.ndarray:
                return augmented(pictures.pixels[int(chunk[place])], augment, draws[place], size)

            rows, theirs = chunk[mine], chunk[partners[mine]]
            labels = pictures.labels[rows]
            images = np.stack(list(pool.map(changed, mine)))
            if not augment.mixup and not augment.cutmix:
                return Batch(images, labels, labels, 1.0, rows, len(chunk))
            # Alone, every partner is in the batch already.
            is_alone = shuffle.of == 1
            others = images[partners] if is_alone else np.stack(list(pool.map(changed, partners[mine])))
            blended, share = mixed(images, others, augment, rng)
            return Batch(blended, labels, pictures.labels[theirs], share, rows, len(chunk))

        pending = ahead.submit(prepare, shuffle.first) if shuffle.first < steps else None
        for number in range(shuffle.first, steps):
            assert pending is not None
            batch = pending.result()
            if number + 1 < steps:
                pending = ahead.submit(prepare, number + 1)
            yield batch


def steps_of(count: int, size: int, processes: int = 1) -> int:
    """How many batches an epoch has: a rest too small for batch norm, two pictures a process, is left out."""
    rest = count % size
    return math.ceil(count / size) - (count > size and 0 < rest < 2 * processes)


def in_order(pictures: Pictures, size: int) -> Iterator[np.ndarray]:
    """All pictures unchanged, in batches of uint8 (n, H, W, 3)."""
    for start in range(0, len(pictures.labels), size):
        yield np.asarray(pictures.pixels[start : start + size])
