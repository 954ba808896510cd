"""What a folder holds: its layout, and every picture read, decoded and hashed once."""

import hashlib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

from tapetum import image
from tapetum.errors import DataError, PictureError
from tapetum.machine import cores
from tapetum.progress import Advance, silent

Part = Literal["train", "val", "test"]
PARTS: tuple[Part, ...] = get_args(Part)
PART_FOLDERS: dict[str, Part] = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
}
SUFFIXES = {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff"}
_LAYOUTS = "CLASS/picture.jpg, or PART/CLASS/picture.jpg with the parts train, val and test"


@dataclass(frozen=True)
class Sample:
    """One picture file; `path` is relative to the folder, `part` is None until one is assigned."""

    path: str
    label: str
    part: Part | None
    digest: str  # SHA-256 of the file's content


@dataclass(frozen=True)
class Excluded:
    """A picture file that takes no part, and why."""

    path: str
    reason: str


@dataclass(frozen=True)
class Scan:
    """What a folder holds: pictures that can be decoded, and those that cannot.

    `labels` are those of all of them, so that a class without a single readable picture is noticed.
    """

    root: Path
    labels: tuple[str, ...]
    samples: list[Sample]
    broken: list[Excluded]


def scan(root: Path, advance: Advance = silent) -> Scan:
    """Read and decode every picture below `root`; `advance` follows the work.

    Raises DataError where the layout is not understood or holds fewer than two classes.
    """
    found = _find(root)
    samples: list[Sample] = []
    broken: list[Excluded] = []
    with ThreadPoolExecutor(cores()) as pool:
        for done, result in enumerate(pool.map(lambda sample: _inspect(root, sample), found), start=1):
            if isinstance(result, Sample):
                samples.append(result)
            else:
                broken.append(result)
            advance("read pictures", done, len(found))
    if len({sample.label for sample in samples}) < 2:
        held = ", ".join(f"{label} ({n})" for label, n in Counter(sample.label for sample in samples).items())
        raise DataError(
            f"{root} holds readable pictures of {held or 'no class'}: two classes are needed, laid out as {_LAYOUTS}"
        )
    return Scan(root, tuple(sorted({sample.label for sample in found})), samples, broken)


def _find(root: Path) -> list[Sample]:
    if not root.is_dir():
        raise DataError(f"{root} is not a folder: expected {_LAYOUTS}")
    folders = _subfolders(root)
    if not folders:
        seen = ", ".join(sorted(entry.name for entry in root.iterdir())[:5]) or "nothing"
        raise DataError(f"{root} holds no folders but {seen}: expected {_LAYOUTS}")
    filled = [folder for folder in folders if _pictures(folder)]
    if not filled:
        names = ", ".join(folder.name for folder in folders[:5])
        raise DataError(f"{root} has the folders {names}, but no pictures in them: expected {_LAYOUTS}")
    parts = [folder for folder in filled if _is_part(folder)]
    if not parts:
        return [_sample(root, file, label, None) for label in filled for file in _pictures(label)]
    strangers = [folder.name for folder in filled if folder not in parts]
    if strangers:
        raise DataError(
            f"{root} has the part {parts[0].name} and beside it {', '.join(strangers)}, which is neither train, "
            f"val nor test: move it away; expected {_LAYOUTS}"
        )
    return [
        _sample(root, file, label, PART_FOLDERS[folder.name.lower()])
        for folder in parts
        for label in _subfolders(folder)
        for file in _pictures(label)
    ]


def _is_part(folder: Path) -> bool:
    """A folder called train may also be a class: of trains. Then the pictures lie in it, not in folders of it."""
    is_named_so = folder.name.lower() in PART_FOLDERS
    return is_named_so and all(file.parent != folder for file in _pictures(folder))


def _sample(root: Path, file: Path, label: Path, part: Part | None) -> Sample:
    return Sample(file.relative_to(root).as_posix(), label.name, part, "")


def _subfolders(folder: Path) -> list[Path]:
    return sorted(entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))


def _pictures(folder: Path) -> list[Path]:
    return sorted(
        entry
        for entry in folder.rglob("*")
        if entry.suffix.lower() in SUFFIXES and entry.is_file() and "/." not in f"/{entry.relative_to(folder)}"
    )


def _inspect(root: Path, sample: Sample) -> Sample | Excluded:
    try:
        content = (root / sample.path).read_bytes()
        image.decode(content)
    except (PictureError, OSError) as error:
        return Excluded(sample.path, str(error))
    return replace(sample, digest=hashlib.sha256(content).hexdigest())
