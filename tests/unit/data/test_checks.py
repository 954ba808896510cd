"""Each fault of a folder is found, and nothing where there is none."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from tapetum.data.checks import check
from tapetum.data.finding import Finding
from tapetum.data.sample import Part, Sample
from tapetum.data.scan import Excluded, Scan, scan


def samples(label: str, count: int, part: Part | None = None) -> list[Sample]:
    return [Sample(f"{label}/{n}.png", label, part, f"{label}-{part}-{n}") for n in range(count)]


CLEAN = samples("cat", 20) + samples("dog", 20)
SAME = "digest of a picture that is there more than once"
COPIED = [Sample("cat/a.png", "cat", None, SAME), Sample("cat/b.png", "cat", None, SAME)]
LEAKED = [Sample("train/cat/a.png", "cat", "train", SAME), Sample("test/cat/b.png", "cat", "test", SAME)]
CONTRADICTED = [Sample("cat/a.png", "cat", None, SAME), Sample("dog/b.png", "dog", None, SAME)]


def found(samples: list[Sample], broken: tuple[Excluded, ...] = ()) -> list[Finding]:
    labels = tuple(sorted({sample.label for sample in samples}))
    return check(Scan(Path("photos"), labels, samples, list(broken)))


def test_a_class_without_a_readable_picture_is_found():
    """It has no sample that could be counted."""
    findings = check(Scan(Path("photos"), ("cat", "dog", "fox"), CLEAN, [Excluded("fox/1.png", "truncated")]))

    assert [finding.kind for finding in findings] == ["broken", "few", "imbalance"]
    assert "class fox has 0 pictures" in findings[1].message


def test_nothing_is_wrong_with_a_clean_folder(folder):
    assert check(scan(folder)) == []


@pytest.mark.parametrize(
    ("kind", "entries", "paths", "message"),
    [
        ("conflict", CLEAN + CONTRADICTED, ["cat/a.png", "dog/b.png"], "labelled cat and dog; all copies are left out"),
        ("leak", CLEAN + LEAKED, ["train/cat/a.png", "test/cat/b.png"], "is in test and train; it stays only where"),
        ("duplicate", CLEAN + COPIED, ["cat/a.png", "cat/b.png"], "one copy is kept"),
        ("few", samples("cat", 20) + samples("dog", 19), [], "class dog has 19 pictures: 20 or more"),
        ("imbalance", samples("cat", 201) + samples("dog", 20), [], "cat has 201 pictures and dog has 20: add"),
    ],
)
def test_a_fault_is_found_and_no_other(kind, entries, paths, message):
    (finding,) = found(entries)

    assert finding.kind == kind
    assert finding.paths == paths
    assert message in finding.message


def test_a_broken_picture_is_found_and_no_other_fault():
    (finding,) = found(CLEAN, (Excluded("cat/bad.png", "the picture has 0 bytes"),))

    assert finding == Finding("broken", ["cat/bad.png"], "the picture has 0 bytes; it is left out")


@pytest.mark.parametrize("entries", [samples("cat", 200) + samples("dog", 20), CLEAN], ids=["ratio", "count"])
def test_at_the_bound_there_is_no_finding(entries):
    assert found(entries) == []


def test_copies_under_two_labels_in_two_parts_are_a_conflict_alone():
    entries = [Sample("train/cat/a.png", "cat", "train", SAME), Sample("test/dog/b.png", "dog", "test", SAME)]

    assert [finding.kind for finding in found(CLEAN + entries)] == ["conflict"]


def test_the_gravest_kinds_come_first():
    entries = [
        *samples("cat", 200),
        *samples("dog", 3),
        Sample("cat/copy.png", "cat", None, "cat-None-0"),
        Sample("test/cat/leak.png", "cat", "test", "cat-None-1"),
        Sample("dog/other.png", "dog", None, "cat-None-2"),
    ]

    kinds = [finding.kind for finding in found(entries, (Excluded("dog/bad.png", "damaged"),))]

    assert kinds == ["broken", "conflict", "leak", "duplicate", "few", "imbalance"]


def test_findings_can_be_written_as_json():
    findings = found(CLEAN + COPIED, (Excluded("cat/bad.png", "damaged"),))

    written = json.loads(json.dumps([asdict(finding) for finding in findings]))

    assert [Finding(**entry) for entry in written] == findings


@pytest.mark.parametrize(
    ("finding", "text"),
    [
        (Finding("few", [], "too few"), "few: too few"),
        (Finding("duplicate", ["a", "b", "c"], "again"), "duplicate: a, b, c: again"),
        (Finding("duplicate", ["a", "b", "c", "d", "e"], "again"), "duplicate: a, b, c and 2 more: again"),
    ],
)
def test_a_finding_is_one_line_of_at_most_three_pictures(finding, text):
    assert finding.to_text() == text
