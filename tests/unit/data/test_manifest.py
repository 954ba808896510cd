"""From folders of any shape to one division that holds."""

import json
from collections import Counter
from hashlib import sha256
from pathlib import Path

import pytest
from PIL import Image

from tapetum.data.manifest import build, load, save, split
from tapetum.data.sample import Sample
from tapetum.data.scan import scan
from tapetum.errors import DataError
from tapetum.recipe import Parts


def put(path: Path, number: int) -> Path:
    """A PNG that differs from those of other numbers."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (2, 2), (number % 256, number // 256, 0)).save(path, "PNG")
    return path


def in_parts(root: Path, *names: str, each: int = 1) -> Path:
    """PART/CLASS/picture with the classes cat and dog, no two pictures alike."""
    for row, name in enumerate(names):
        for column, label in enumerate(("cat", "dog")):
            for number in range(each):
                put(root / name / label / f"{number}.png", 1000 * (2 * row + column) + number)
    return root


def fake(count: int) -> list[Sample]:
    return [Sample(f"{n}.png", "cat", None, sha256(str(n).encode()).hexdigest()) for n in range(count)]


def parts_by_path(samples: list[Sample]) -> dict[str, str | None]:
    return {sample.path: sample.part for sample in samples}


def excluded(root: Path) -> dict[str, str]:
    return {entry.path: entry.reason for entry in build(scan(root), Parts()).excluded}


def test_class_folders_are_labels(folder):
    manifest = build(scan(folder), Parts())

    assert manifest.labels == ("bright", "dark")
    assert Counter(sample.label for sample in manifest.samples) == {"bright": 40, "dark": 40}


@pytest.mark.parametrize(
    ("given", "carved"),
    [(("train", "test"), "val"), (("train", "val"), "test")],
)
def test_a_part_that_the_folder_lacks_is_carved_out_of_train(tmp_path, given, carved):
    manifest = build(scan(in_parts(tmp_path, *given, each=40)), Parts())

    kept = manifest.part(given[1])
    assert len(kept) == 80
    assert {sample.path.split("/")[0] for sample in kept} == {given[1]}
    assert {sample.path.split("/")[0] for sample in manifest.part(carved)} == {"train"}


def test_a_picture_keeps_its_part_when_the_folder_grows():
    small, large = split(fake(200), Parts()), split(fake(600), Parts())

    assert parts_by_path(small).items() <= parts_by_path(large).items()


def test_another_seed_divides_otherwise():
    assert split(fake(50), Parts(seed=1)) != split(fake(50), Parts(seed=0))


def test_shares_are_about_those_asked_for():
    counts = Counter(sample.part for sample in split(fake(2000), Parts(val=0.1, test=0.25)))

    assert counts["val"] / 2000 == pytest.approx(0.1, abs=0.02)
    assert counts["test"] / 2000 == pytest.approx(0.25, abs=0.02)
    assert counts.total() == 2000


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "0 bytes"), (b"hello", "look like text"), (b"\x89PNG\r\n\x1a\n", "truncated or damaged")],
)
def test_a_broken_file_is_excluded_with_its_reason(tmp_path, content, reason):
    root = in_parts(tmp_path, "train", "val", "test")
    (root / "train" / "cat" / "bad.png").write_bytes(content)

    assert reason in excluded(root)["train/cat/bad.png"]


@pytest.mark.parametrize(
    ("target", "reason"),
    [("nowhere.png", "a link to nowhere.png, which cannot be read: No such file"), ("bad.png", "Too many levels")],
)
def test_a_link_that_leads_nowhere_is_excluded_with_its_reason(tmp_path, target, reason):
    root = in_parts(tmp_path, "train", "val", "test")
    (root / "train" / "cat" / "bad.png").symlink_to(target)

    assert reason in excluded(root)["train/cat/bad.png"]


def test_where_only_one_class_can_be_read_a_broken_picture_of_the_others_is_named(tmp_path):
    put(tmp_path / "photos" / "cat" / "1.png", 1)
    (tmp_path / "photos" / "dog").mkdir()
    (tmp_path / "photos" / "dog" / "1.png").touch()

    with pytest.raises(
        DataError, match=r"pictures of cat \(1\), not of two classes, and 1 broken.*dog/1\.png: .*0 bytes"
    ):
        scan(tmp_path / "photos")


def test_the_parts_and_labels_of_a_listing_are_kept(tmp_path):
    pictures = [put(tmp_path / "home" / f"{number}.png", number) for number in range(6)]
    parts = [(part, label) for part in ("train", "val", "test") for label in ("cat", "dog")]
    rows = [f"{file.name},{label},{part}" for file, (part, label) in zip(pictures, parts, strict=True)]
    (tmp_path / "home" / "labels.csv").write_text("\n".join(["path,label,part", *rows]))

    manifest = build(scan(tmp_path / "home" / "labels.csv"), Parts())

    assert [(sample.part, sample.label) for sample in manifest.samples] == parts
    assert manifest.root == tmp_path / "home"


def test_of_copies_that_of_the_test_part_is_kept(tmp_path):
    root = in_parts(tmp_path, "train", "val", "test")
    for part in ("test", "train", "val"):
        put(root / part / "cat" / "copy.png", 9000)

    assert excluded(root) == {f"{part}/cat/copy.png": "a copy of test/cat/copy.png" for part in ("train", "val")}


def test_a_picture_under_two_labels_is_excluded_everywhere(tmp_path):
    root = in_parts(tmp_path, "train", "val", "test")
    for path in ("test/dog/same.png", "train/cat/same.png"):
        put(root / path, 9000)

    reason = "the same picture is labelled cat and dog"
    assert excluded(root) == {"test/dog/same.png": reason, "train/cat/same.png": reason}


def test_two_classes_must_be_left_when_contradictions_are_excluded(folder):
    for picture in (folder / "dark").iterdir():
        (folder / "bright" / f"again-{picture.name}").write_bytes(picture.read_bytes())

    with pytest.raises(DataError, match=r"no picture of dark is left.*tapetum data check"):
        build(scan(folder), Parts())


def test_the_fingerprint_does_not_depend_on_names_of_files(tmp_path):
    root = in_parts(tmp_path, "train", "val", "test", each=2)
    before = build(scan(root), Parts())
    (root / "train" / "cat" / "0.png").rename(root / "train" / "cat" / "z.png")
    after = build(scan(root), Parts())

    assert [sample.path for sample in after.samples] != [sample.path for sample in before.samples]
    assert after.fingerprint == before.fingerprint


@pytest.mark.parametrize(
    "change",
    [
        lambda train, picture: picture.rename(train / "dog" / "z.png"),
        lambda train, picture: picture.rename(train.parent / "test" / "cat" / "z.png"),
        lambda train, picture: put(picture, 9000),
    ],
    ids=["label", "part", "content"],
)
def test_the_fingerprint_depends_on_labels_parts_and_content(tmp_path, change):
    root = in_parts(tmp_path, "train", "val", "test", each=2)
    before = build(scan(root), Parts()).fingerprint
    change(root / "train", root / "train" / "cat" / "0.png")

    assert build(scan(root), Parts()).fingerprint != before


def test_a_manifest_is_read_as_it_was_written(tmp_path):
    root = in_parts(tmp_path / "Фото", "train", "val", "test")
    (root / "train" / "cat" / "bad.png").write_bytes(b"")
    manifest = build(scan(root), Parts())
    save(manifest, tmp_path / "manifest.json")

    assert load(tmp_path / "manifest.json") == manifest


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content["samples"][0].update(label="dog"),
        lambda content: content["samples"][0].update(part="train"),
        lambda content: content["samples"].pop(),
        lambda content: content["labels"].pop(),
    ],
    ids=["label", "part", "sample", "labels"],
)
def test_a_manifest_changed_by_hand_is_refused(tmp_path, change):
    path = tmp_path / "manifest.json"
    save(build(scan(in_parts(tmp_path / "pictures", "test", "train", "val")), Parts()), path)
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))

    with pytest.raises(DataError, match=r"manifest\.json was changed by hand.*tapetum data split"):
        load(path)


def test_a_manifest_of_a_newer_tapetum_is_refused(tmp_path):
    path = tmp_path / "manifest.json"
    save(build(scan(in_parts(tmp_path / "pictures", "test", "train", "val")), Parts()), path)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema_version": 2}))

    with pytest.raises(DataError, match=r"manifest\.json has schema version 2: install a newer Tapetum"):
        load(path)


def test_a_manifest_and_its_pictures_can_be_moved_together(tmp_path, monkeypatch):
    home = tmp_path / "home"
    save(build(scan(in_parts(home / "pictures", "test", "train", "val")), Parts()), home / "runs" / "manifest.json")
    home.rename(tmp_path / "away")

    moved = load(tmp_path / "away" / "runs" / "manifest.json")

    assert moved.root == tmp_path / "away" / "pictures"


def test_a_class_of_which_all_is_broken_is_named(tmp_path):
    root = in_parts(tmp_path / "photos", "train", "val", "test")
    (root / "train" / "fox").mkdir()
    (root / "train" / "fox" / "1.png").write_bytes(b"no picture")

    with pytest.raises(DataError, match="no picture of fox is left"):
        build(scan(root), Parts())


@pytest.mark.parametrize("content", ["not JSON", "[]", "{}", '{"root": "x", "labels": 3}'])
def test_another_file_is_not_a_manifest(tmp_path, content):
    (tmp_path / "other.json").write_text(content)

    with pytest.raises(DataError, match=r"other\.json is not a manifest.*tapetum data split"):
        load(tmp_path / "other.json")


def test_a_manifest_that_is_missing_is_named(tmp_path):
    with pytest.raises(DataError, match=r"nowhere\.json cannot be read: No such file"):
        load(tmp_path / "nowhere.json")


def test_a_part_without_pictures_of_a_class_is_named_with_the_remedy(tmp_path):
    root = in_parts(tmp_path / "photos", "train", "val", "test")
    (root / "val" / "dog" / "0.png").unlink()

    with pytest.raises(DataError, match=r"photos: part val has no picture of dog: add pictures of it.*parts\.seed"):
        build(scan(root), Parts())
