"""How labelled pictures lie in a folder: the tree is walked once, then the layout is read off the paths."""

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tapetum.data import listing
from tapetum.data.sample import SUFFIXES, Sample, label_fault, to_part
from tapetum.errors import DataError

_LABEL_IN_NAME = re.compile(r"(.+?)\.[0-9]+\.")
_SHOWN = 5
_UNDERSTOOD = (
    "CLASS/picture.jpg, PART/CLASS/picture.jpg, CLASS.1.jpg or PART/CLASS.1.jpg with the parts train, val and test; "
    "one .csv or .jsonl file of path and label"
)


class _Picture(NamedTuple):
    steps: tuple[str, ...]  # names below the root: folders, then the file
    real: str  # where it lies when links are followed


def base(root: Path) -> Path:
    """The folder that the paths of samples start at: `root`, or where it lies if it is a listing."""
    return root.parent if listing.is_listing(root) else root


def find(root: Path) -> list[Sample]:
    """The labelled picture files of a folder or of a listing, unread, in order of their paths.

    Raises DataError that shows what was found and what would be understood.
    """
    if listing.is_listing(root):
        return listing.read(root)
    if not root.is_dir():
        raise DataError(f"{root} is not a folder: expected one of labelled pictures, or a .csv or .jsonl file of them")
    pictures = sorted(_walk(root))
    _require_utf8(root, pictures)
    try:
        return _read_off(root, pictures)
    except DataError:
        listings = [entry for entry in root.iterdir() if listing.is_listing(entry) and entry.name[0] != "."]
        if len(listings) != 1:
            raise
        return listing.read(listings[0])


def _walk(root: Path) -> Iterator[_Picture]:
    """Every picture below `root` but hidden ones; links are followed, though never to a folder above them.

    Below each folder of the second level a real folder is entered once: links
    between n folders would otherwise open n! ways.
    """
    start = Path(os.path.realpath(root))
    pending: list[tuple[Path | str, str, tuple[str, ...], frozenset[str]]] = [
        (root, str(start), (), frozenset(map(str, (start, *start.parents))))
    ]
    entered = set()
    while pending:
        folder, real, steps, above = pending.pop()
        for entry in _entries(folder):
            inner = (*steps, entry.name)
            place = os.path.realpath(entry.path) if entry.is_symlink() else os.path.join(real, entry.name)
            if _is_folder(entry):
                if place not in above and (inner[:2], place) not in entered:
                    entered.add((inner[:2], place))
                    pending.append((entry.path, place, inner, above | {place}))
            elif _is_picture(entry):
                yield _Picture(inner, place)


def _entries(folder: Path | str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted((entry for entry in entries if entry.name[0] != "."), key=lambda entry: entry.name)
    except OSError as error:
        raise DataError(f"{folder} cannot be read: {error.strerror}; make it readable, or move it away") from error


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        is_folder = entry.is_dir()
    except OSError:  # a link to itself, or to where we may not look
        is_folder = False
    if not is_folder and entry.is_symlink() and not Path(entry.name).suffix and not os.path.exists(entry.path):
        # It may have led to a whole class.
        raise DataError(f"{entry.path} is a link to {os.readlink(entry.path)}, which is not there: mend or remove it")
    return is_folder


def _is_picture(entry: os.DirEntry[str]) -> bool:
    """A picture file by its name; a link that leads nowhere too, so that reading it says what is wrong."""
    if os.path.splitext(entry.name)[1].lower() not in SUFFIXES:
        return False
    try:
        return entry.is_file() or (entry.is_symlink() and not os.path.exists(entry.path))
    except OSError:
        return True


def _require_utf8(root: Path, pictures: list[_Picture]) -> None:
    """Other names can be written neither into a manifest nor onto a screen."""
    for picture in pictures:
        name = "/".join(picture.steps)
        try:
            name.encode()
        except UnicodeEncodeError as error:
            raise DataError(f"{root} holds {name!r}, a name that is not UTF-8: rename it") from error


def _read_off(root: Path, pictures: list[_Picture]) -> list[Sample]:
    """Samples as folders or names label them; pictures beside folders of pictures are left alone."""
    nested = [picture for picture in pictures if len(picture.steps) > 1]
    loose = [picture for picture in pictures if len(picture.steps) == 1]
    if not pictures:
        raise _not_understood(root, pictures, "holds no pictures")
    if nested and len(_labels_in_names(loose)) > 1:
        raise _not_understood(root, pictures, "holds pictures with a label in the name, and folders of pictures too")
    has_parts = _has_parts(nested)
    strangers = sorted({picture.steps[0] for picture in nested if not to_part(picture.steps[0])})
    if has_parts and strangers:
        raise _not_understood(
            root, pictures, f"has parts and beside them {_some(strangers)}, neither train, val nor test: move it away"
        )
    chosen = nested or loose
    unlabelled = ["/".join(picture.steps) for picture in chosen if not _label(picture, has_parts)]
    if unlabelled:
        raise _not_understood(root, pictures, f"holds pictures without a label: {_some(unlabelled)}")
    samples = _samples(chosen, has_parts)
    labels = sorted({sample.label for sample in samples})
    if fault := next(filter(None, map(label_fault, labels)), None):
        raise DataError(f"{root} holds pictures of {fault}; rename its folder, or its pictures")
    if len(labels) < 2:
        inner = root / chosen[0].steps[0]
        is_wrapped = not has_parts and any(len(picture.steps) > 2 for picture in chosen)
        hint = f" (or do you mean {inner}?)" if is_wrapped else ""
        raise _not_understood(root, pictures, f"holds pictures of {samples[0].label} alone, not of two classes{hint}")
    return samples


def _has_parts(nested: list[_Picture]) -> bool:
    """Whether folders called train, val or test are parts: a folder called train may also be a class, of trains.

    Then its pictures lie in it, not in folders of it, and other classes beside
    it. Kaggle's train/cat.1.jpg beside test1/1.jpg is no such class.
    """
    folders = {picture.steps[0] for picture in nested}
    parts = {folder for folder in folders if to_part(folder)}
    direct = [picture for picture in nested if len(picture.steps) == 2 and picture.steps[0] in parts]
    if not parts or parts == folders or parts != {picture.steps[0] for picture in direct}:
        return bool(parts)
    labels = _labels_in_names(direct)
    return len(labels) > 1 and None not in labels


def _label(picture: _Picture, has_parts: bool) -> str | None:
    """The folder's name below the part, or what stands before the number in the file's."""
    steps = picture.steps[1:] if has_parts else picture.steps
    return steps[0] if len(steps) > 1 else _label_in_name(steps[0])


def _label_in_name(name: str) -> str | None:
    """`cat.17.jpg` -> `cat`."""
    found = _LABEL_IN_NAME.match(name)
    return found[1] if found else None


def _labels_in_names(pictures: list[_Picture]) -> set[str | None]:
    return {_label_in_name(picture.steps[-1]) for picture in pictures}


def _samples(pictures: list[_Picture], has_parts: bool) -> list[Sample]:
    """One sample for each real file in a class of a part, by the first of its paths."""
    found: dict[tuple[str, str | None, str], Sample] = {}
    for picture in pictures:
        # macOS takes letters with accents apart, others do not.
        label = unicodedata.normalize("NFC", _label(picture, has_parts) or "")
        part = to_part(picture.steps[0]) if has_parts else None
        found.setdefault((picture.real, part, label), Sample("/".join(picture.steps), label, part))
    return list(found.values())


def _not_understood(root: Path, pictures: list[_Picture], complaint: str) -> DataError:
    counts = Counter(picture.steps[0] for picture in pictures if len(picture.steps) > 1)
    names = sorted(entry.name for entry in root.iterdir() if not entry.name.startswith("."))
    folders = [f"{name}/ with {counts[name]:,}" for name in names if (root / name).is_dir()]
    loose = [picture.steps[0] for picture in pictures if len(picture.steps) == 1]
    others = [name for name in names if name not in loose and not (root / name).is_dir()]
    held = {"pictures in folders": folders, "pictures": loose, "other files": others}
    found = "; ".join(f"{kind}: {_some(entries)}" for kind, entries in held.items() if entries) or "nothing"
    return DataError(f"{root} {complaint}\n  found: {found}\n  understood: {_UNDERSTOOD}")


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
