"""A CSV or JSON-lines file of paths and labels: every row is read, every fault is named with its line."""

import csv
import io
import json
import os
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from tapetum.data.sample import PARTS, Sample, label_fault, to_part
from tapetum.errors import DataError

SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson")
_JSON_SUFFIXES = (".jsonl", ".ndjson")
# Where a file has several of a row, the first named here counts.
_SPELLINGS = {
    "path": ("path", "file", "filename", "image", "image_path"),
    "label": ("label", "class", "target", "category"),
    "part": ("part", "split", "subset", "set"),
}
_DELIMITERS = (",", ";", "\t")
_FAULTS_SHOWN = 10
_LONGEST_HEADER = 10_000

# Values by column, or what is wrong with the row.
Row = dict[str, str] | str


def is_listing(path: Path) -> bool:
    """A file of paths and labels, by the ending of its name; a manifest ends in .json."""
    return path.suffix.lower() in SUFFIXES and not path.is_dir()


def read(path: Path) -> list[Sample]:
    """The samples of a listing, in order of their paths, which are relative to the listing's folder.

    Raises DataError that names the faulty rows, several at once.
    """
    found: dict[str, tuple[int, Sample]] = {}
    faults: list[str] = []
    for line, row in rows(path):
        sample = _to_sample(row, path.parent) if isinstance(row, dict) else row
        if isinstance(sample, Sample):
            sample = _contradiction(sample, *found.setdefault(sample.path, (line, sample))) or sample
        if isinstance(sample, str):
            faults.append(f"line {line}: {sample}")
    if faults:
        raise refused(path, path.parent, faults)
    if not found:
        raise DataError(f"{path} has no rows: expected a path and a label in each")
    samples = [found[place][1] for place in sorted(found)]
    if len({sample.label for sample in samples}) < 2:
        raise DataError(f"{path} names pictures of {samples[0].label} alone: two classes are needed")
    return samples


def refused(path: Path, folder: Path, faults: list[str]) -> DataError:
    """The error that names the first faults of a file whose paths start at `folder`."""
    more = len(faults) - _FAULTS_SHOWN
    shown = [*faults[:_FAULTS_SHOWN], f"and {more} more"] if more > 0 else faults
    return DataError(
        f"{path}: rows to be mended or removed: {len(faults):,}; paths start at {folder}/\n  " + "\n  ".join(shown)
    )


def rows(path: Path) -> Iterator[tuple[int, Row]]:
    """Number and content of each line that is not blank. Raises DataError where the file cannot be read."""
    try:
        content = path.read_bytes()
        text = content.decode("utf-8-sig")
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise DataError(f"{path} is not UTF-8 from line {line} on: save it as UTF-8") from error
    return _json_rows(text) if path.suffix.lower() in _JSON_SUFFIXES else _csv_rows(path, text)


def _csv_rows(path: Path, text: str) -> Iterator[tuple[int, Row]]:
    delimiter, columns = _header(path, text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True, skipinitialspace=True)
    try:
        width = len(next(reader))
        for values in reader:
            if not any(values):
                continue
            if len(values) == width:
                yield reader.line_num, {key: values[column] for key, column in columns.items()}
            else:
                fields = f"has {len(values)} fields and the header {width}"
                yield reader.line_num, f"{fields}: put quotes around fields that hold {delimiter!r}"
    except csv.Error as error:
        yield reader.line_num, f"is not CSV: {error}"


def _header(path: Path, text: str) -> tuple[str, dict[str, int]]:
    """The delimiter under which the header names a path and a label, and the place of each column."""
    first = next(io.StringIO(text, newline=""), "")[:_LONGEST_HEADER]
    headers = {delimiter: next(csv.reader([first], delimiter=delimiter), []) for delimiter in _DELIMITERS}
    for delimiter, names in headers.items():
        columns = _columns(names)
        if {"path", "label"} <= columns.keys():
            return delimiter, columns
    names = max(headers.values(), key=len)
    raise DataError(f"{path} begins with {', '.join(names)[:200] or 'nothing'}: expected {_expected()}")


def _json_rows(text: str) -> Iterator[tuple[int, Row]]:
    for line, content in enumerate(text.split("\n"), start=1):
        if content.strip():
            yield line, _json_row(content)


def _json_row(content: str) -> Row:
    try:
        entry = json.loads(content)
    except (ValueError, RecursionError):
        return f'is {content.strip()[:60]!r}: expected JSON such as {{"path": "tom.jpg", "label": "cat"}}'
    if not isinstance(entry, dict):
        return f'is {content.strip()[:60]!r}: expected keys, such as {{"path": "tom.jpg", "label": "cat"}}'
    columns, values = _columns(list(entry)), list(entry.values())
    if not {"path", "label"} <= columns.keys():
        return f"has the keys {', '.join(entry)[:60] or 'of nothing'}: expected {_expected()}"
    row = {key: "" if values[column] is None else values[column] for key, column in columns.items()}
    for key, value in row.items():
        if isinstance(value, bool) or not isinstance(value, str | int):
            return f"{key} is {value!r}: expected text"
    return {key: str(value) for key, value in row.items()}


def _columns(names: list[str]) -> dict[str, int]:
    """Where path, label and part stand among names in any spelling; those that are not there are left out."""
    spelled = [name.strip().lower() for name in names]
    places = {key: [spelled.index(name) for name in names if name in spelled] for key, names in _SPELLINGS.items()}
    return {key: place[0] for key, place in places.items() if place}


def _expected() -> str:
    path, label, part = (" or ".join(names) for names in _SPELLINGS.values())
    return f"the columns path ({path}) and label ({label}), and if you like part ({part})"


def _to_sample(row: dict[str, str], folder: Path) -> Sample | str:
    """The sample of a row, or what is wrong with it."""
    path = _within(row["path"], folder)
    label = unicodedata.normalize("NFC", row["label"].strip())
    part = to_part(row.get("part", ""))
    if not row["path"].strip():
        return "has no path"
    if os.path.isabs(path) or path.split("/")[0] == "..":
        return f"{row['path']} leads out of the folder: move the picture into it"
    if not os.path.lexists(folder / path):
        return f"{row['path']} is not there"
    if os.path.exists(folder / path) and not os.path.isfile(folder / path):
        return f"{row['path']} is not a file"
    if not label:
        return f"{row['path']} has no label"
    if fault := label_fault(label):
        return fault
    if part is None and row.get("part", "").strip():
        return f"part {row['part']!r}: expected {', '.join(PARTS)}, or nothing"
    return Sample(path, label, part)


def _within(path: str, folder: Path) -> str:
    """A path as people write it, with spaces around it or the backslashes of Windows -> the same as we write it."""
    if not os.path.lexists(folder / path):
        path = path.strip().replace("\\", "/")
    return Path(os.path.normpath(path)).as_posix()


def _contradiction(sample: Sample, line: int, first: Sample) -> str | None:
    """What is wrong where a path stands twice; the same row again is no fault."""
    if sample == first:
        return None
    before, now = (first.label, sample.label) if first.label != sample.label else (first.part, sample.part)
    return f"{sample.path} is {now or 'without a part'} here and {before or 'without a part'} on line {line}"
