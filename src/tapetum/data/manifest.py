"""The manifest: which picture, which label, which part."""

import hashlib
import json
import os
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from tapetum import files
from tapetum.data import packing
from tapetum.data.sample import PARTS, Part, Sample
from tapetum.data.scan import Excluded, Scan
from tapetum.errors import DataError
from tapetum.recipe import Parts

SCHEMA_VERSION = 1
_USUAL_PARTS = Parts()
_MEASURES: dict[Part | None, int] = {"test": 0, "val": 1, "train": 2, None: 3}  # the first is kept from training most


@dataclass(frozen=True)
class Manifest:
    """Pictures with labels and parts, and the fingerprint that follows the model everywhere."""

    root: Path
    labels: tuple[str, ...]
    samples: list[Sample]
    excluded: list[Excluded]
    fingerprint: str
    parts: Parts = _USUAL_PARTS

    def part(self, name: Part) -> list[Sample]:
        """The samples of one part, in order of their paths."""
        return [sample for sample in self.samples if sample.part == name]


def build(scanned: Scan, parts: Parts, previous: Manifest | None = None) -> Manifest:
    """Leave out what would mislead, assign parts, and take the fingerprint. Raises DataError.

    A `previous` manifest of the same shares and seed wins where the folder
    itself names no parts; `moved` tells what it could not hold.
    """
    kept, dropped = _without_copies(scanned.samples)
    kept, leaked = _without_leaks(kept, scanned.near)
    dropped += leaked + [
        Excluded(path, "a correction leaves it out") for path, label in scanned.decided.items() if not label
    ]
    earlier = (
        {sample.digest: sample.part for sample in previous.samples} if previous and previous.parts == parts else {}
    )
    samples = split(kept, parts, scanned.originals(), earlier)
    labels = _labels(samples)
    if lost := sorted(set(scanned.labels) - set(labels)):
        raise DataError(
            f"{scanned.root}: no picture of {', '.join(lost)} is left, since all are broken or also labelled "
            "otherwise: `tapetum data check` names them"
        )
    _require_parts(samples, labels, scanned.root)
    return Manifest(scanned.root, labels, samples, scanned.broken + dropped, _fingerprint(samples), parts)


def undivided(scanned: Scan) -> Manifest:
    """All that was scanned, in no part and with nothing left out: what is looked at, not what is learned from."""
    return Manifest(scanned.root, scanned.labels, scanned.samples, [], _fingerprint(scanned.samples))


def moved(manifest: Manifest, previous: Manifest) -> list[Sample]:
    """Samples that stand in another part than before: their versions were divided, or the folder names parts now."""
    earlier = {sample.digest: sample.part for sample in previous.samples}
    return [sample for sample in manifest.samples if earlier.get(sample.digest, sample.part) != sample.part]


def split(
    samples: list[Sample],
    parts: Parts,
    versions: Mapping[str, str] | None = None,
    earlier: Mapping[str, Part | None] | None = None,
) -> list[Sample]:
    """Give each sample a part by the hash of its content, where its folder gives none.

    `versions` leads from a digest to that of the picture it is a version of;
    versions of one picture are placed as one, where one of them was `earlier`,
    and of several places where they measure.

    The same picture always lands in the same part, so a test picture cannot
    drift into training when the folder grows. Parts that the folder names are
    kept; the ones it lacks are carved out of train.
    """
    given = {sample.part for sample in samples}
    original = versions or {}
    known = sorted((earlier or {}).items(), key=lambda item: _MEASURES[item[1]], reverse=True)
    places = {original.get(digest, digest): part for digest, part in known}
    shares = {"test": parts.test, "val": parts.val}

    def assign(sample: Sample) -> Sample:
        if sample.part in ("val", "test"):
            return sample
        digest = original.get(sample.digest, sample.digest)
        if sample.part is None and digest in places:
            return replace(sample, part=places[digest])
        key = hashlib.sha256(f"{parts.seed}:{digest}".encode()).digest()
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
        "root": os.path.relpath(manifest.root, path.parent),
        "labels": manifest.labels,
        "parts": manifest.parts.model_dump(),
        "fingerprint": manifest.fingerprint,
        "samples": [asdict(sample) for sample in manifest.samples],
        "excluded": [asdict(entry) for entry in manifest.excluded],
    }
    files.write_text(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def load(path: Path) -> Manifest:
    """Read a manifest. Raises DataError where it is none, or was changed by hand."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["schema_version"] > SCHEMA_VERSION:
            raise DataError(f"manifest {path} has schema version {content['schema_version']}: install a newer Tapetum")
        manifest = Manifest(
            Path(os.path.normpath(path.parent / content["root"])),
            tuple(content["labels"]),
            [Sample(**entry) for entry in content["samples"]],
            [Excluded(**entry) for entry in content["excluded"]],
            content["fingerprint"],
            Parts.model_validate(content["parts"]),
        )
    except OSError as error:
        raise DataError(f"manifest {path} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} is not a manifest ({error}): `tapetum data split` writes one") from error
    is_whole = manifest.labels == _labels(manifest.samples)
    if not is_whole or _fingerprint(manifest.samples) != manifest.fingerprint:
        raise DataError(f"manifest {path} was changed by hand: `tapetum data split` writes it anew")
    packing.restore(manifest.root)
    return manifest


def _without_copies(samples: list[Sample]) -> tuple[list[Sample], list[Excluded]]:
    """One of each group of equal files: a test picture first, none where labels contradict."""
    groups: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        groups[sample.digest].append(sample)
    kept, dropped = [], []
    for group in groups.values():
        first, *copies = sorted(group, key=lambda sample: (_MEASURES[sample.part], sample.path))
        labels = sorted({sample.label for sample in group})
        if len(labels) > 1:
            reason = f"the same picture is labelled {' and '.join(labels)}"
            dropped += [Excluded(sample.path, reason) for sample in group]
        else:
            kept.append(first)
            dropped += [Excluded(copy.path, f"a copy of {first.path}") for copy in copies]
    return sorted(kept, key=lambda sample: sample.path), sorted(dropped, key=lambda entry: entry.path)


def _without_leaks(samples: list[Sample], groups: list[list[Sample]]) -> tuple[list[Sample], list[Excluded]]:
    """Of almost equal pictures in several parts of a folder those that are learned from go, not those that measure."""
    leaked: dict[str, Excluded] = {}
    for group in groups:
        first = min(group, key=lambda sample: (_MEASURES[sample.part], sample.path))
        for sample in group:
            if sample.part is not None and _MEASURES[sample.part] > _MEASURES[first.part]:
                leaked[sample.path] = Excluded(sample.path, f"almost the same picture as {first.path}")
    return [sample for sample in samples if sample.path not in leaked], sorted(leaked.values(), key=lambda e: e.path)


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
