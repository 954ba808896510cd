"""Served pictures that people labelled, out of the folder that a service kept them in, as CLASS/picture."""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tapetum import files, kept
from tapetum.errors import ConfigError, DataError
from tapetum.kept import Kept
from tapetum.progress import Advance, silent

SOURCE = "feedback"
_STAGE = "gather pictures"
_FAULTS_SHOWN = 10


@dataclass
class Gathered:
    """How many pictures were added, were there already and have no label yet; a line for each that has two labels."""

    added: int = 0
    known: int = 0
    unlabelled: int = 0
    conflicts: list[str] = field(default_factory=list)


def gather(place: Path, target: Path, advance: Advance = silent) -> Gathered:
    """Add the labelled pictures of `place` to the folder `target`, each named by the SHA-256 of its content.

    So a picture is there once, however often it was sent, and gathering again
    adds what is new. A file that is there is never changed: a picture with two
    labels is left to a person. Raises ConfigError for the folders and DataError
    for facts that cannot be used, before anything is written.
    """
    if not place.is_dir():
        raise ConfigError(f"--from {place} is no folder: expected that of TAPETUM_KEEP_PICTURES_DIR")
    if target.resolve().is_relative_to(place.resolve()):
        raise ConfigError(f"--to {target} lies inside --from {place}: choose a folder outside it")
    if target.exists() and not target.is_dir():
        raise ConfigError(f"--to {target} is a file: expected a folder, or a name that is free")
    found = _facts(place)
    labelled = [facts for facts in found if facts.label is not None]
    gathered = Gathered(unlabelled=len(found) - len(labelled))
    there = {path.stem: path.parent.name for path in target.glob("*/*")}
    for done, (digest, judged) in enumerate(_by_content(place, labelled).items(), start=1):
        _add(place, target, digest, judged, there.get(digest), gathered)
        advance(_STAGE, done, len(labelled))
    return gathered


def _facts(place: Path) -> list[Kept]:
    """What is known of every picture that is there, in order of their names."""
    found, faults = [], []
    for path in sorted(place.glob(f"*{kept.SUFFIX}")):
        if not kept.OWN_NAME.fullmatch(path.name):
            continue
        try:
            facts = kept.read(path)
        except DataError as error:
            if path.exists():  # a service that runs may have removed it meanwhile
                faults.append(str(error))
            continue
        if facts.label is not None and (Path(facts.label).name != facts.label or facts.label[0] == "."):
            faults.append(f"{path}: the label {facts.label!r} cannot name a folder: correct it, or make it null")
        found.append(facts)
    if faults:
        more = len(faults) - _FAULTS_SHOWN
        raise DataError("\n  ".join([*faults[:_FAULTS_SHOWN], *([f"and {more} more"] if more > 0 else [])]))
    return found


def _by_content(place: Path, labelled: Sequence[Kept]) -> dict[str, list[Kept]]:
    """The facts of those that are there, by the SHA-256 of their content."""
    found: defaultdict[str, list[Kept]] = defaultdict(list)
    for facts in labelled:
        content = _content(place / facts.picture)
        if content is not None:
            found[hashlib.sha256(content).hexdigest()].append(facts)
    return found


def _add(place: Path, target: Path, digest: str, judged: list[Kept], before: str | None, gathered: Gathered) -> None:
    labels = {facts.label for facts in judged if facts.label}
    if len(labels) > 1:
        pictures = ", ".join(f"{facts.picture} {facts.label}" for facts in judged)
        gathered.conflicts.append(f"the same picture has two labels and is left out: {pictures}")
    elif before is not None and {before} != labels:
        gathered.conflicts.append(
            f"{judged[0].picture} is {judged[0].label}, and lies in {target / before} since before: it is left there"
        )
    elif before is not None:
        gathered.known += 1
    elif (content := _content(place / judged[0].picture)) is not None:
        (label,) = labels
        files.write_bytes(target / label / f"{digest}{Path(judged[0].picture).suffix}", content)
        gathered.added += 1


def _content(path: Path) -> bytes | None:
    """None where a service that runs has removed it meanwhile."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
