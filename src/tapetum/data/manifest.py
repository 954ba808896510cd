"""From a folder of labelled pictures to a manifest: which picture, which label, which part."""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal, get_args

from tapetum import files, image
from tapetum.errors import DataError, PictureError
from tapetum.machine import cores
from tapetum.progress import Advance, silent
from tapetum.recipe import Parts

Part = Literal["train", "val", "test"]
PARTS: tuple[Part, ...] = get_args(Part)
SCHEMA_VERSION = 1

_PART_FOLDERS: dict[str, Part] = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
}
_SUFFIXES = {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff"}
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
    """What a folder holds: pictures that can be decoded, and those that cannot."""

    root: Path
    samples: list[Sample]
    broken: list[Excluded]


@dataclass(frozen=True)
class Manifest:
    """Pictures with labels and parts, and the fingerprint that follows the model everywhere."""

    root: Path
    labels: tuple[str, ...]
    samples: list[Sample]
    excluded: list[Excluded]
    fingerprint: str

    def part(self, name: Part) -> list[Sample]:
        """The samples of one part, in order of their paths."""
        return [sample for sample in self.samples if sample.part == name]


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
    return Scan(root, samples, broken)


def build(scanned: Scan, parts: Parts) -> Manifest:
    """Leave out what would mislead, assign parts, and take the fingerprint. Raises DataError."""
    kept, dropped = _without_copies(scanned.samples)
    samples = split(kept, parts)
    labels = _labels(samples)
    if len(labels) < 2:
        raise DataError(
            f"{scanned.root}: only pictures of {labels[0] if labels else 'no class'} are left once copies "
            "under several labels are taken out, and two classes are needed: label each picture once"
        )
    _require_parts(samples, labels, scanned.root)
    return Manifest(scanned.root, labels, samples, scanned.broken + dropped, _fingerprint(samples))


def split(samples: list[Sample], parts: Parts) -> list[Sample]:
    """Give each sample a part by the hash of its content, where its folder gives none.

    The same picture always lands in the same part, so a test picture cannot
    drift into training when the folder grows. Parts that the folder names are
    kept; the ones it lacks are carved out of train.
    """
    given = {sample.part for sample in samples}
    shares = {"test": parts.test, "val": parts.val}

    def assign(sample: Sample) -> Sample:
        if sample.part in ("val", "test"):
            return sample
        key = hashlib.sha256(f"{parts.seed}:{sample.digest}".encode()).digest()
        position = int.from_bytes(key[:8]) / 2**64
        if position < shares["test"]:
            part: Part = "train" if "test" in given else "test"
        elif position < shares["test"] + shares["val"]:
            part = "train" if "val" in given else "val"
        else:
            part = "train"
        return replace(sample, part=part)

    return [assign(sample) for sample in samples]


def save(manifest: Manifest, path: Path) -> None:
    """Write a manifest as JSON."""
    content = {
        "schema_version": SCHEMA_VERSION,
        "root": str(manifest.root),
        "labels": manifest.labels,
        "fingerprint": manifest.fingerprint,
        "samples": [asdict(sample) for sample in manifest.samples],
        "excluded": [asdict(entry) for entry in manifest.excluded],
    }
    files.write_text(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def load(path: Path) -> Manifest:
    """Read a manifest. Raises DataError where it is none, or was changed by hand."""
    try:
        content = json.loads(path.read_text())
        manifest = Manifest(
            Path(content["root"]),
            tuple(content["labels"]),
            [Sample(**entry) for entry in content["samples"]],
            [Excluded(**entry) for entry in content["excluded"]],
            content["fingerprint"],
        )
    except OSError as error:
        raise DataError(f"manifest {path} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} is not a manifest ({error}): `tapetum data split` writes one") from error
    is_whole = manifest.labels == _labels(manifest.samples)
    if not is_whole or _fingerprint(manifest.samples) != manifest.fingerprint:
        raise DataError(f"manifest {path} was changed by hand: `tapetum data split {manifest.root}` writes it anew")
    return manifest


def _find(root: Path) -> list[Sample]:
    if not root.is_dir():
        raise DataError(f"{root} is not a folder: expected {_LAYOUTS}")
    folders = _subfolders(root)
    if not folders:
        seen = ", ".join(sorted(entry.name for entry in root.iterdir())[:5]) or "nothing"
        raise DataError(f"{root} holds no folders but {seen}: expected {_LAYOUTS}")
    parts = {folder: _PART_FOLDERS.get(folder.name.lower()) for folder in folders}
    if all(parts.values()):
        found = [
            Sample(file.relative_to(root).as_posix(), label.name, part, "")
            for folder, part in parts.items()
            for label in _subfolders(folder)
            for file in _pictures(label)
        ]
    else:
        found = [
            Sample(file.relative_to(root).as_posix(), label.name, None, "")
            for label in folders
            for file in _pictures(label)
        ]
    if not found:
        names = ", ".join(folder.name for folder in folders[:5])
        raise DataError(f"{root} has the folders {names}, but no pictures in them: expected {_LAYOUTS}")
    return found


def _subfolders(folder: Path) -> list[Path]:
    return sorted(entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))


def _pictures(folder: Path) -> Iterable[Path]:
    return sorted(
        entry
        for entry in folder.rglob("*")
        if entry.suffix.lower() in _SUFFIXES and entry.is_file() and "/." not in f"/{entry.relative_to(folder)}"
    )


def _inspect(root: Path, sample: Sample) -> Sample | Excluded:
    try:
        content = (root / sample.path).read_bytes()
        image.decode(content)
    except (PictureError, OSError) as error:
        return Excluded(sample.path, str(error))
    return replace(sample, digest=hashlib.sha256(content).hexdigest())


def _without_copies(samples: list[Sample]) -> tuple[list[Sample], list[Excluded]]:
    """One of each group of equal files: a test picture first, none where labels contradict."""
    groups: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        groups[sample.digest].append(sample)
    rank = {"test": 0, "val": 1, "train": 2, None: 3}
    kept, dropped = [], []
    for group in groups.values():
        first, *copies = sorted(group, key=lambda sample: (rank[sample.part], sample.path))
        labels = sorted({sample.label for sample in group})
        if len(labels) > 1:
            reason = f"the same picture is labelled {' and '.join(labels)}"
            dropped += [Excluded(sample.path, reason) for sample in group]
        else:
            kept.append(first)
            dropped += [Excluded(copy.path, f"a copy of {first.path}") for copy in copies]
    return sorted(kept, key=lambda sample: sample.path), sorted(dropped, key=lambda entry: entry.path)


def _require_parts(samples: list[Sample], labels: tuple[str, ...], root: Path) -> None:
    counts = Counter((sample.part, sample.label) for sample in samples)
    for part in PARTS:
        missing = [label for label in labels if not counts[part, label]]
        if missing:
            raise DataError(
                f"{root}: part {part} has no picture of {', '.join(missing)}: add pictures of it, "
                "or change parts.val, parts.test or parts.seed"
            )


def _labels(samples: list[Sample]) -> tuple[str, ...]:
    return tuple(sorted({sample.label for sample in samples}))


def _fingerprint(samples: list[Sample]) -> str:
    lines = sorted(f"{sample.digest} {sample.label} {sample.part}" for sample in samples)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
