"""What is wrong with a folder of pictures, before anything is trained on it."""

from collections import Counter, defaultdict

from tapetum.data import quality
from tapetum.data.finding import FEWEST_PICTURES, Finding, Kind
from tapetum.data.sample import Sample
from tapetum.data.scan import Scan

LARGEST_RATIO = 10


def check(scanned: Scan) -> list[Finding]:
    """All findings, the gravest kinds first."""
    broken = [Finding("broken", [entry.path], f"{entry.reason}; it is left out") for entry in scanned.broken]
    viewed = [(sample, scanned.views[sample.path]) for sample in scanned.samples if sample.path in scanned.views]
    renamed = [finding for _, view in viewed for finding in view.mismatch]
    looks = [(sample, view.look) for sample, view in viewed]
    sizes = {sample.path: view.file_bytes for sample, view in viewed}
    return [
        *broken,
        *_copies(scanned.samples),
        *_near_copies(scanned),
        *renamed,
        *quality.judge(looks, sizes),
        *_counts(scanned),
    ]


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


def _near_copies(scanned: Scan) -> list[Finding]:
    findings: dict[Kind, list[Finding]] = {"near_conflict": [], "near_leak": [], "near_duplicate": []}
    for group in scanned.near:
        labels = sorted({sample.label for sample in group})
        parts = sorted({str(sample.part) for sample in group})
        paths = [sample.path for sample in group]
        if len(labels) > 1:
            message = f"almost the same picture is labelled {' and '.join(labels)}"
            findings["near_conflict"].append(Finding("near_conflict", paths, message))
        elif len(parts) > 1:
            message = f"almost the same picture is in {' and '.join(parts)}; it stays only where it is measured"
            findings["near_leak"].append(Finding("near_leak", paths, message))
        else:
            message = "almost the same picture again; all its versions go to one part"
            findings["near_duplicate"].append(Finding("near_duplicate", paths, message))
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
