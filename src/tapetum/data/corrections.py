"""Corrections: a CSV or JSON-lines file in which a person says what pictures show, whatever their folder says.

    path        the picture, as samples name it
    label       what it shows; nothing leaves it out, `?` is not decided yet and changes nothing

A check proposes pictures as `?`; `given`, `suggested` and `score` beside them are for the person.
"""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from tapetum import files
from tapetum.data import listing
from tapetum.data.finding import Suspect
from tapetum.data.sample import Sample
from tapetum.registry import did_you_mean

UNDECIDED = "?"
_COLUMNS = ("path", "label", "given", "suggested", "score")
_SHOWN = 10


def read(path: Path, found: Sequence[Sample], folder: Path) -> dict[str, str]:
    """What a person decided, as a label by path, of the samples of a folder; no label leaves one out.

    Raises DataError that names every row with an unknown path, an unknown
    label, or a second decision on one path.
    """
    given = {sample.path: sample.label for sample in found}
    labels = sorted(set(given.values()))
    decided: dict[str, str] = {}
    faults: list[str] = []
    for line, row in listing.rows(path):
        fault = row if isinstance(row, str) else _fault(row, given, labels, decided)
        if fault:
            faults.append(f"line {line}: {fault}")
        elif isinstance(row, dict) and row["label"].strip() != UNDECIDED:
            decided[row["path"].strip()] = row["label"].strip()
    if faults:
        raise listing.refused(path, folder, faults)
    return decided


def propose(path: Path, decided: dict[str, str], suspects: Sequence[Suspect]) -> None:
    """Write what a person decided, then the suspects in their order, to be decided."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for place, label in decided.items():
        writer.writerow((place, label, "", "", ""))
    for suspect in suspects:
        writer.writerow((suspect.path, UNDECIDED, suspect.given, suspect.suggested, f"{suspect.score:.4f}"))
    files.write_text(path, stream.getvalue())


def _fault(row: dict[str, str], given: dict[str, str], labels: list[str], decided: dict[str, str]) -> str | None:
    """What is wrong with a row."""
    path, label = row["path"].strip(), row["label"].strip()
    if not path:
        return "has no path"
    if path not in given:
        return f"{path} is no picture there"
    if label and label not in (*labels, UNDECIDED):
        known = ", ".join(labels[:_SHOWN]) + (" …" if len(labels) > _SHOWN else "")
        return f"label {label!r} of {path} is no class{did_you_mean(label, labels)}: expected {known}, ? or nothing"
    if label != UNDECIDED and decided.get(path, label) != label:
        return f"{path} is {label or 'left out'} here and {decided[path] or 'left out'} above"
    return None
