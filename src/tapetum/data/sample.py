"""One labelled picture file, and the parts that pictures are divided into."""

from dataclasses import dataclass
from typing import Literal, get_args

Part = Literal["train", "val", "test"]
SUFFIXES = {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff"}
PARTS: tuple[Part, ...] = get_args(Part)
_PART_NAMES: dict[str, Part] = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
}


@dataclass(frozen=True)
class Sample:
    """One picture file; `path` is relative to the folder, `part` is None until one is assigned."""

    path: str
    label: str
    part: Part | None
    digest: str = ""  # SHA-256 of the file's content, once it was read


def to_part(name: str) -> Part | None:
    """`Training` -> `train`; None for a name that is no part's."""
    return _PART_NAMES.get(name.strip().lower())
