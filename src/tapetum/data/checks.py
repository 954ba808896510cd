"""What is wrong with a folder of pictures, before anything is trained on it."""

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import Literal

from tapetum.data.sample import Sample
from tapetum.data.scan import Scan

FEWEST_PICTURES = 20
LARGEST_RATIO = 10
_SHOWN = 3

Kind = Literal[
    "broken",
    "conflict",
    "leak",
    "duplicate",
    "near_conflict",
    "near_leak",
    "near_duplicate",
    "mismatch",
    "tiny",
    "blank",
    "dark",
    "blurred",
    "shortcut",
    "few",
    "imbalance",
]


@dataclass(frozen=True)
class Finding:
    """One fault, the pictures it concerns, and what follows from it."""

    kind: Kind
    paths: list[str]
    message: str

    def to_text(self) -> str:
        """The finding on a line, with its first few pictures."""
        shown = ", ".join(self.paths[:_SHOWN])
        more = f" and {len(self.paths) - _SHOWN} more" if len(self.paths) > _SHOWN else ""
        return f"{self.kind}: {shown}{more}{': ' if shown else ''}{self.message}"


def check(scanned: Scan) -> list[Finding]:
    """All findings, the gravest kinds first."""
    broken = [Finding("broken", [entry.path], f"{entry.reason}; it is left out") for entry in scanned.broken]
    return broken + _copies(scanned.samples) + _counts(scanned)


def _copies(samples: list[Sample]) -> list[Finding]:
    groups: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        groups[sample.digest].append(sample)
    findings: dict[Kind, list[Finding]] = {"conflict": [], "leak": [], "duplicate": []}
    for group in groups.values():
        if len(group) == 1:
            continue
        labels = sorted({sample.label for sample in group})
        parts = sorted({str(sample.part) for sample in group})
        paths = [sample.path for sample in group]
        if len(labels) > 1:
            message = f"the same picture is labelled {' and '.join(labels)}; all copies are left out"
            findings["conflict"].append(Finding("conflict", paths, message))
        elif len(parts) > 1:
            message = f"the same picture is in {' and '.join(parts)}; it stays only where it is measured"
            findings["leak"].append(Finding("leak", paths, message))
        else:
            findings["duplicate"].append(Finding("duplicate", paths, "the same picture again; one copy is kept"))
    return [finding for kind in findings.values() for finding in kind]


def _counts(scanned: Scan) -> list[Finding]:
    counts = Counter(dict.fromkeys(scanned.labels, 0))
    counts.update(sample.label for sample in scanned.samples)
    findings = [
        Finding("few", [], f"class {label} has {count} pictures: {FEWEST_PICTURES} or more are needed to judge it")
        for label, count in sorted(counts.items())
        if count < FEWEST_PICTURES
    ]
    (largest, most), (smallest, least) = counts.most_common()[0], counts.most_common()[-1]
    if most > LARGEST_RATIO * least:
        message = f"class {largest} has {most} pictures and {smallest} has {least}: add pictures of {smallest}"
        findings.append(Finding("imbalance", [], message))
    return findings
