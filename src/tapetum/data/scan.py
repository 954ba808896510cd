"""What a folder holds: every picture read, decoded and hashed once."""

import hashlib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from tapetum import image
from tapetum.data import corrections, layouts, near, packing
from tapetum.data.finding import Finding
from tapetum.data.looks import Look, look
from tapetum.data.quality import mismatch
from tapetum.data.sample import Sample
from tapetum.errors import DataError, PictureError
from tapetum.machine import cores
from tapetum.progress import Advance, silent


@dataclass(frozen=True)
class Excluded:
    """A picture file that takes no part, and why."""

    path: str
    reason: str


@dataclass(frozen=True)
class View:
    """What else was seen when a picture was read."""

    look: Look
    file_bytes: int
    mismatch: list[Finding]


@dataclass(frozen=True)
class Scan:
    """What a folder holds: pictures that can be decoded, and those that cannot.

    `views` go by path; `near` are groups of samples that show almost the same
    picture; `decided` is what a person said of some of them, corrected labels
    by path, without a label where a picture is left out. `labels` are those of
    all of them, so that a class without a single readable picture is noticed.
    """

    root: Path
    labels: tuple[str, ...]
    samples: list[Sample]
    broken: list[Excluded]
    views: dict[str, View] = field(default_factory=dict)
    near: list[list[Sample]] = field(default_factory=list)
    decided: dict[str, str] = field(default_factory=dict)

    def originals(self) -> dict[str, str]:
        """From the digest of each version of a picture to the smallest of its group."""
        return {sample.digest: min(member.digest for member in group) for group in self.near for sample in group}


def scan(root: Path, advance: Advance = silent, corrected: Path | None = None) -> Scan:
    """Read and decode every picture of a folder, an archive or a listing; `advance` follows the work.

    `corrected` is a file of labels that hold in place of the folder's. Raises
    DataError where the layout or that file is not understood, or fewer than two classes are there.
    """
    if packing.is_packed(root):
        root = packing.unfold(root, advance)
    found, folder = layouts.find(root), layouts.base(root)
    decided = corrections.read(corrected, found, folder) if corrected else {}
    found = [replace(sample, label=decided.get(sample.path, sample.label)) for sample in found]
    found = [sample for sample in found if sample.label]
    samples: list[Sample] = []
    broken: list[Excluded] = []
    views: dict[str, View] = {}
    with ThreadPoolExecutor(cores()) as pool:
        for done, result in enumerate(pool.map(lambda sample: _inspect(folder, sample), found), start=1):
            if isinstance(result, Excluded):
                broken.append(result)
            else:
                sample, views[result[0].path] = result
                samples.append(sample)
            advance("read pictures", done, len(found))
    if len({sample.label for sample in samples}) < 2:
        held = ", ".join(f"{label} ({n})" for label, n in Counter(sample.label for sample in samples).items())
        raise DataError(
            f"{root} holds readable pictures of {held or 'no class'}, not of two classes, and {len(broken)} "
            f"broken ones, such as {broken[0].path}: {broken[0].reason}"
        )
    labels = tuple(sorted({sample.label for sample in found}))
    return Scan(folder, labels, samples, broken, views, _near(samples, views), decided)


def read(root: Path, sample: Sample) -> bytes:
    """The bytes of a scanned picture. Raises DataError where they are no longer what was scanned."""
    path = root / sample.path
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read any more: {error.strerror}; run `tapetum data split` again") from error
    if hashlib.sha256(content).hexdigest() != sample.digest:
        raise DataError(f"{path} changed since the manifest was written: run `tapetum data split` again")
    return content


def _near(samples: list[Sample], views: dict[str, View]) -> list[list[Sample]]:
    """Of equal files only the first is considered, and of pictures with too little structure none."""
    large = [sample for sample in samples if views[sample.path].look.shorter_side >= near.SHORTEST_SIDE]
    unique = list({sample.digest: sample for sample in reversed(large)}.values())[::-1]
    if not unique:
        return []
    thumbnails = np.stack([views[sample.path].look.thumbnail for sample in unique])
    return [[unique[number] for number in group] for group in near.groups(len(unique), near.pairs(thumbnails))]


def _inspect(folder: Path, sample: Sample) -> tuple[Sample, View] | Excluded:
    file = folder / sample.path
    try:
        content = file.read_bytes()
        seen = look(image.decode(content))
    except PictureError as error:
        return Excluded(sample.path, str(error))
    except OSError as error:
        link = f"a link to {file.readlink()}, which " if file.is_symlink() else "the file "
        return Excluded(sample.path, f"{link}cannot be read: {error.strerror}")
    view = View(seen, len(content), mismatch(sample.path, content))
    return replace(sample, digest=hashlib.sha256(content).hexdigest()), view
