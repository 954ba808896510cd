"""What a folder holds: every picture read, decoded and hashed once."""

import hashlib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from tapetum import image
from tapetum.data import layouts
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
class Scan:
    """What a folder holds: pictures that can be decoded, and those that cannot.

    `labels` are those of all of them, so that a class without a single readable picture is noticed.
    """

    root: Path
    labels: tuple[str, ...]
    samples: list[Sample]
    broken: list[Excluded]


def scan(root: Path, advance: Advance = silent) -> Scan:
    """Read and decode every picture of a folder or of a listing; `advance` follows the work.

    Raises DataError where the layout is not understood or holds fewer than two classes.
    """
    found, folder = layouts.find(root), layouts.base(root)
    samples: list[Sample] = []
    broken: list[Excluded] = []
    with ThreadPoolExecutor(cores()) as pool:
        for done, result in enumerate(pool.map(lambda sample: _inspect(folder, sample), found), start=1):
            if isinstance(result, Sample):
                samples.append(result)
            else:
                broken.append(result)
            advance("read pictures", done, len(found))
    if len({sample.label for sample in samples}) < 2:
        held = ", ".join(f"{label} ({n})" for label, n in Counter(sample.label for sample in samples).items())
        raise DataError(
            f"{root} holds readable pictures of {held or 'no class'}, not of two classes, and {len(broken)} "
            f"broken ones, such as {broken[0].path}: {broken[0].reason}"
        )
    return Scan(folder, tuple(sorted({sample.label for sample in found})), samples, broken)


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


def _inspect(folder: Path, sample: Sample) -> Sample | Excluded:
    file = folder / sample.path
    try:
        content = file.read_bytes()
        image.decode(content)
    except PictureError as error:
        return Excluded(sample.path, str(error))
    except OSError as error:
        link = f"a link to {file.readlink()}, which " if file.is_symlink() else "the file "
        return Excluded(sample.path, f"{link}cannot be read: {error.strerror}")
    return replace(sample, digest=hashlib.sha256(content).hexdigest())
