"""One labelled picture file, and the parts that pictures are divided into."""

import re
from dataclasses import dataclass
from typing import Literal, get_args

Part = Literal["train", "val", "test"]
# The last three cannot be decoded, which is to be said: a class of a telephone's pictures must not go unnoticed.
SUFFIXES = {
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff"),
    *(".heic", ".heif", ".avif"),
}
PARTS: tuple[Part, ...] = get_args(Part)
_PART_NAMES: dict[str, Part] = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
}
# A label becomes part of the name of a file in the bundle, and of lines.
_LONGEST_LABEL_BYTES = 240
_NOT_IN_LABELS = re.compile("[\0-\x1f\x7f-\x9f/\\\\\u2028\u2029\ud800-\udfff]")


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


def label_fault(label: str) -> str | None:
    """What forbids a label, where something does."""
    if _NOT_IN_LABELS.search(label) or len(label.encode()) > _LONGEST_LABEL_BYTES:
        return (
            f"label {label[:60]!r}: expected at most {_LONGEST_LABEL_BYTES} bytes, "
            "and no slash, backslash or control character among them"
        )
    return None
