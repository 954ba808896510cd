"""What is wrong with a folder of pictures, before anything is trained on it."""

from collections import Counter, defaultdict

from tapetum.data import quality
from tapetum.data.confident import Doubts
from tapetum.data.finding import FEWEST_PICTURES, Finding, Kind
from tapetum.data.sample import Sample
from tapetum.data.scan import Scan

LARGEST_RATIO = 10

Groups = list[tuple[list[Sample], list[str]]]


def check(scanned: Scan, doubts: Doubts | None = None) -> list[Finding]:
    """All findings, the gravest kinds first; those of labels where they were judged."""
    broken = [Finding("broken", [entry.path], f"{entry.reason}; it is left out") for entry in scanned.broken]
    viewed = [(sample, scanned.views[sample.path]) for sample in scanned.samples if sample.path in scanned.views]
    renamed = [finding for _, view in viewed for finding in view.mismatch]
    looks = [(sample, view.look) for sample, view in viewed]
    sizes = {sample.path: view.file_bytes for sample, view in viewed}
    return [
        *broken,
        *_copies(scanned.samples),
        *_near_copies(scanned),
        *(suspect.to_finding() for suspect in (doubts.suspects if doubts else [])),
        *renamed,
        *quality.judge(looks, sizes),
        *_counts(scanned),
    ]


def _copies(samples: list[Sample]) -> list[Finding]:
    groups: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        groups[sample.digest].append(sample)
    copied = [group for group in groups.values() if len(group) > 1]
    conflicts, leaks, duplicates = _sorted_out(copied)
    return [
        *_findings("conflict", conflicts, "the same picture is labelled {}; all copies are left out"),
        *_findings("leak", leaks, "the same picture is in {}; it stays only where it is measured"),
        *_findings("duplicate", duplicates, "the same picture again; one copy is kept"),
    ]


def _near_copies(scanned: Scan) -> list[Finding]:
    conflicts, leaks, duplicates = _sorted_out(scanned.near)
    return [
        *_findings("near_conflict", conflicts, "almost the same picture is labelled {}"),
        *_findings("near_leak", leaks, "almost the same picture is in {}; it stays only where it is measured"),
        *_findings("near_duplicate", duplicates, "almost the same picture again; all its versions go to one part"),
    ]


def _sorted_out(groups: list[list[Sample]]) -> tuple[Groups, Groups, Groups]:
    """Groups of one picture, each with what contradicts: several labels, else several parts, else nothing."""
    conflicts: Groups = []
    leaks: Groups = []
    duplicates: Groups = []
    for group in groups:
        labels = sorted({sample.label for sample in group})
        parts = sorted({str(sample.part) for sample in group})
        if len(labels) > 1:
            conflicts.append((group, labels))
        elif len(parts) > 1:
            leaks.append((group, parts))
        else:
            duplicates.append((group, []))
    return conflicts, leaks, duplicates


def _findings(kind: Kind, groups: Groups, message: str) -> list[Finding]:
    return [
        Finding(kind, [sample.path for sample in group], message.format(" and ".join(contradicting)))
        for group, contradicting in groups
    ]


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
