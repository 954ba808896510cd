"""What a person says of pictures holds in place of what their folder says, and nothing else is taken for it."""

import csv
from pathlib import Path

import pytest

from tapetum.data import corrections, manifest
from tapetum.data.checks import check
from tapetum.data.finding import Suspect
from tapetum.data.scan import Scan, scan
from tapetum.errors import DataError
from tapetum.recipe import Parts


def written(folder: Path, *rows: str, header: str = "path,label") -> Path:
    path = folder.parent / "corrections.csv"
    path.write_text("\n".join((header, *rows)) + "\n")
    return path


def corrected(folder: Path, *rows: str) -> Scan:
    return scan(folder, corrected=written(folder, *rows))


def labels(scanned: Scan) -> dict[str, str]:
    return {sample.path: sample.label for sample in scanned.samples}


def test_another_label_holds_and_nothing_else_changes(folder):
    before = labels(scan(folder))

    after = labels(corrected(folder, "dark/03.png,bright"))

    assert after == before | {"dark/03.png": "bright"}


def test_no_label_leaves_the_picture_out_and_the_manifest_says_why(folder):
    built = manifest.build(corrected(folder, "dark/03.png,"), Parts())

    assert "dark/03.png" not in {sample.path for sample in built.samples}
    assert [(entry.path, entry.reason) for entry in built.excluded] == [("dark/03.png", "a correction leaves it out")]


def test_a_picture_stays_in_its_part_and_the_fingerprint_tells_the_labels_apart(folder):
    before = manifest.build(scan(folder), Parts())
    after = manifest.build(corrected(folder, "dark/03.png,bright"), Parts())

    assert {sample.path: sample.part for sample in after.samples} == {s.path: s.part for s in before.samples}
    assert after.fingerprint != before.fingerprint


def test_what_is_not_decided_changes_nothing(folder):
    scanned = corrected(folder, "dark/03.png,?", "dark/04.png, ? ")

    assert labels(scanned) == labels(scan(folder))
    assert scanned.decided == {}


def test_a_correction_ends_a_contradiction(folder):
    (folder / "bright" / "copy.png").write_bytes((folder / "dark" / "03.png").read_bytes())

    kinds = [finding.kind for finding in check(scan(folder))]
    settled = [finding.kind for finding in check(corrected(folder, "bright/copy.png,dark"))]

    assert (kinds, settled) == (["conflict"], ["duplicate"])


def test_a_broken_picture_that_is_left_out_is_no_finding(folder):
    (folder / "dark" / "03.png").write_bytes(b"\x89PNG\r\n\x1a\nhalf")

    assert [finding.kind for finding in check(scan(folder))] == ["broken"]
    assert check(corrected(folder, "dark/03.png,")) == []


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ("dark/99.png,bright", "line 3: dark/99.png is no picture there"),
        (",bright", "line 3: has no path"),
        ("dark/04.png,brihgt", "line 3: label 'brihgt' of dark/04.png is no class (did you mean 'bright'?)"),
        ("dark/04.png,fox", "label 'fox' of dark/04.png is no class: expected bright, dark, ? or nothing"),
        ("dark/03.png,dark", "line 3: dark/03.png is dark here and bright above"),
        ("dark/03.png,", "line 3: dark/03.png is left out here and bright above"),
        ("dark/04.png", "line 3: has 1 fields and the header 2"),
    ],
)
def test_a_row_that_cannot_hold_is_refused_by_name(folder, row, complaint):
    with pytest.raises(DataError) as refusal:
        corrected(folder, "dark/03.png,bright", row)

    assert complaint in str(refusal.value)
    assert "rows to be mended or removed: 1" in str(refusal.value)


def test_a_file_that_is_none_is_refused(folder):
    with pytest.raises(DataError, match="begins with picture, class_: expected the columns path"):
        scan(folder, corrected=written(folder, header="picture,class_"))
    with pytest.raises(DataError, match=r"nowhere\.csv cannot be read"):
        scan(folder, corrected=folder / "nowhere.csv")


def test_a_proposal_changes_nothing_until_a_person_decides_and_keeps_what_was_decided(folder, tmp_path):
    path = tmp_path / "proposal.csv"
    suspects = [Suspect("dark/03.png", "dark", "bright", 0.98765), Suspect("bright/01.png", "bright", "dark", 0.5)]

    corrections.propose(path, {"dark/00.png": "bright", "dark/01.png": ""}, suspects)

    with path.open() as stream:
        rows = list(csv.reader(stream))
    assert rows == [
        ["path", "label", "given", "suggested", "score"],
        ["dark/00.png", "bright", "", "", ""],
        ["dark/01.png", "", "", "", ""],
        ["dark/03.png", "?", "dark", "bright", "0.9877"],
        ["bright/01.png", "?", "bright", "dark", "0.5000"],
    ]
    assert scan(folder, corrected=path).decided == {"dark/00.png": "bright", "dark/01.png": ""}
