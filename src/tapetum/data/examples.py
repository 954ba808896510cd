"""The pictures that a bundle carries, and must answer as recorded wherever it is opened."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from tapetum.data.manifest import Manifest
from tapetum.data.sample import Sample

COUNT = 16
_WIDTH, _HEIGHT = 320, 240


def chosen(manifest: Manifest) -> dict[str, bytes]:
    """A few pictures of the validation part, class by class in turn, by file name.

    The same ones whatever else the folder holds.
    """
    return {
        f"{number:02}-{sample.label}{Path(sample.path).suffix.lower()}": (manifest.root / sample.path).read_bytes()
        for number, sample in enumerate(across_classes(manifest.part("val"), manifest.labels, COUNT))
    }


def across_classes(samples: list[Sample], labels: Sequence[str], count: int) -> list[Sample]:
    """Up to `count` samples, class by class in turn, each class in the order of its digests."""
    rank = dict.fromkeys(labels, 0)
    turns = []
    for sample in sorted(samples, key=lambda sample: sample.digest):
        turns.append((rank[sample.label], sample.label, sample))
        rank[sample.label] += 1
    return [sample for _, _, sample in sorted(turns, key=lambda turn: turn[:2])[:count]]


def generated() -> dict[str, bytes]:
    """As many JPEGs of coloured shapes under fine noise, by file name, where no pictures are at hand."""
    return {f"{number:02}-generated.jpg": _picture(np.random.default_rng(number)) for number in range(COUNT)}


def _picture(rng: np.random.Generator) -> bytes:
    coarse = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8))
    shapes = np.asarray(coarse.resize((_WIDTH, _HEIGHT), Image.Resampling.BICUBIC), np.int16)
    noise = rng.integers(-20, 21, shapes.shape, dtype=np.int16)
    stream = io.BytesIO()
    Image.fromarray((shapes + noise).clip(0, 255).astype(np.uint8)).save(stream, "JPEG", quality=90)
    return stream.getvalue()
