"""A first look at labelled pictures, to choose a recipe by: how many, and how large; nothing is decoded."""

import statistics
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from tapetum.data import layouts, packing

_LOOKED_AT = 200


@dataclass(frozen=True)
class Survey:
    """`counts` are pictures by class; `side` is the median of the shorter sides of some, in pixels."""

    counts: dict[str, int]
    side: int


def survey(pictures: Path) -> Survey:
    """Look at a folder, an archive or a listing. Raises DataError where it is not understood."""
    root = packing.unfold(pictures) if packing.is_packed(pictures) else pictures
    found, folder = layouts.find(root), layouts.base(root)
    sides = []
    for sample in found[:: max(1, len(found) // _LOOKED_AT)]:
        try:
            with Image.open(folder / sample.path) as picture:
                sides.append(min(picture.size))
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            continue  # the check names it
    counts = Counter(sample.label for sample in found)
    return Survey(dict(sorted(counts.items())), round(statistics.median(sides)) if sides else 0)
