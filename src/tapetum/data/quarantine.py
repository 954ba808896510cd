"""Move doubtful pictures out of a folder, and back."""

import json
import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from tapetum import files
from tapetum.data.finding import Finding
from tapetum.errors import DataError

JOURNAL = "quarantine.json"
SCHEMA_VERSION = 1
# Copies of one picture leave one behind: where it is measured, if it is there at all.
_COPIES = ("duplicate", "leak", "near_duplicate", "near_leak")
_MEASURED = ("test", "val", "valid", "validation")


@dataclass(frozen=True)
class Record:
    """What a quarantine holds: files below `root` that were, or were about to be, moved, and why."""

    root: Path
    reasons: dict[str, str]  # by path relative to the root, and to the quarantine alike


def move(root: Path, findings: list[Finding], folder: Path) -> Record:
    """Move the files that `findings` name from `root` to `folder`, under the same relative paths.

    Of copies of one picture one stays. Nothing is deleted and nothing is
    written over. All moves are in the journal before the first is made, so
    that `undo` works after a crash at any point, and the same call again goes on.
    Raises DataError, before anything is moved, where a path leads out of the
    root, a file is missing, or another file lies where it would go.
    """
    root, folder = root.resolve(), folder.resolve()
    if folder == root or root in folder.parents or folder in root.parents:
        raise DataError(f"quarantine {folder} lies in the pictures {root}, or they in it: choose a folder beside them")
    known = load(folder) if (folder / JOURNAL).exists() else Record(root, {})
    if known.root != root:
        raise DataError(f"quarantine {folder} holds files of {known.root}: choose another folder for those of {root}")
    chosen = {path: f"{finding.kind}: {finding.message}" for finding in reversed(findings) for path in leaving(finding)}
    _require_inside(list(chosen), root)
    for path in chosen:
        if not os.path.lexists(root / path) and path not in known.reasons:
            raise DataError(f"{root / path} is not there any more: run `tapetum data check` again")
        _require_free(root / path, folder / path, is_ours=path in known.reasons)
    record = Record(root, known.reasons | chosen)
    _save(record, folder)
    for path in sorted(chosen):
        _move(root / path, folder / path)
    return record


def undo(folder: Path) -> list[str]:
    """Move everything back, then remove the journal; returns the paths that came back.

    What somebody deleted from the quarantine stays deleted. Raises DataError,
    before anything is moved, where a file would be written over.
    """
    folder = folder.resolve()
    record = load(folder)
    _require_inside(list(record.reasons), record.root)
    away = [path for path in record.reasons if os.path.lexists(folder / path)]
    for path in away:
        _require_free(folder / path, record.root / path, is_ours=True)
    for path in away:
        _move(folder / path, record.root / path)
    (folder / JOURNAL).unlink()
    _remove_empty(folder, list(record.reasons))
    return away


def leaving(finding: Finding) -> list[str]:
    """The paths of a finding that a quarantine takes: all, or all copies but one."""
    if finding.kind not in _COPIES or not finding.paths:
        return finding.paths
    parts = {path: PurePosixPath(path).parts[0].lower() for path in finding.paths}
    ranks = {path: _MEASURED.index(part) if part in _MEASURED else len(_MEASURED) for path, part in parts.items()}
    stays = min(finding.paths, key=lambda path: (ranks[path], path))
    return [path for path in finding.paths if path != stays]


def load(folder: Path) -> Record:
    """Read the journal of a quarantine. Raises DataError where there is none, or it is damaged."""
    path = folder / JOURNAL
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["schema_version"] > SCHEMA_VERSION:
            raise DataError(f"journal {path} has schema version {content['schema_version']}: install a newer Tapetum")
        return Record(Path(content["root"]), {entry["path"]: entry["reason"] for entry in content["files"]})
    except OSError as error:
        raise DataError(f"{folder} is not a quarantine: {JOURNAL} cannot be read ({error.strerror})") from error
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"journal {path} is damaged ({error}): move the files back by hand") from error


def _save(record: Record, folder: Path) -> None:
    entries = [{"path": path, "reason": reason} for path, reason in sorted(record.reasons.items())]
    content = {"schema_version": SCHEMA_VERSION, "root": str(record.root), "files": entries}
    files.write_text(folder / JOURNAL, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def _require_inside(paths: list[str], root: Path) -> None:
    for path in paths:
        parts = PurePosixPath(path).parts
        if not parts or ".." in parts or PurePosixPath(path).is_absolute():
            raise DataError(f"{path!r} leads out of {root}: expected a path below it, such as cat/1.jpg")


def _require_free(origin: Path, target: Path, is_ours: bool) -> None:
    """Nothing may lie at `target`, save the copy that an interrupted move of ours left there."""
    if not os.path.lexists(target) or (not os.path.lexists(origin) and is_ours):
        return
    if not (is_ours and _are_equal(origin, target)):
        raise DataError(f"{target} exists, and {origin} would be written over it: move one of them away")


def _are_equal(one: Path, other: Path) -> bool:
    if one.is_symlink() or other.is_symlink():
        return one.is_symlink() and other.is_symlink() and os.readlink(one) == os.readlink(other)
    return one.is_file() and other.is_file() and files.sha256(one) == files.sha256(other)


def _move(origin: Path, target: Path) -> None:
    """Move one file; where it was interrupted, finish. At every moment one of the two names holds it whole."""
    if not os.path.lexists(origin):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    if not os.path.lexists(target):
        try:
            # Unlike a rename, a link never replaces a file that came to be there meanwhile.
            os.link(origin, target, follow_symlinks=False)
        except FileExistsError:
            raise
        except OSError:  # another file system, or one without links
            with files.replacing(target) as fresh:
                shutil.copy2(origin, fresh, follow_symlinks=False)
                _sync(fresh)
    origin.unlink()


def _sync(path: Path) -> None:
    """On disk before the other copy goes."""
    if not path.is_symlink():
        with path.open("rb") as stream:
            os.fsync(stream.fileno())


def _remove_empty(folder: Path, paths: list[str]) -> None:
    """Remove the folders that held `paths`, and `folder`, where nothing is left in them."""
    parents = {parent for path in paths for parent in (folder / path).parents if folder in (parent, *parent.parents)}
    for parent in sorted(parents | {folder}, key=lambda parent: len(parent.parts), reverse=True):
        with suppress(OSError):  # something else lies there
            parent.rmdir()
