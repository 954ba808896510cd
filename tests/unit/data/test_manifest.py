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
    "names",
    [("train", "val", "test"), ("Training", "VALIDATION", "Test"), ("TRAIN", "valid", "TEST")],
)
def test_part_folders_decide_in_any_spelling(tmp_path, names):
    manifest = build(scan(in_parts(tmp_path, *names)), Parts())

    assert manifest.labels == ("cat", "dog")
    for part, name in zip(("train", "val", "test"), names, strict=True):
        assert [sample.path for sample in manifest.part(part)] == [f"{name}/cat/0.png", f"{name}/dog/0.png"]


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


@pytest.mark.parametrize("name", ["A.PNG", "two words.png", "猫 Ёж.png", "day 1/left/b.png", "a.b.jpeg"])
def test_a_picture_is_found(tmp_path, name):
    put(tmp_path / "dog" / "0.png", 1)
    put(tmp_path / "кот" / name, 2)

    assert f"кот/{name}" in {sample.path for sample in scan(tmp_path).samples}


@pytest.mark.parametrize("name", [".hidden.png", "Thumbs.db", "notes.txt", ".thumbnails/0.png"])
def test_what_is_no_picture_of_the_user_is_ignored(tmp_path, name):
    put(tmp_path / "dog" / "0.png", 1)
    put(tmp_path / "cat" / "0.png", 2)
    put(tmp_path / "cat" / name, 3)

    scanned = scan(tmp_path)

    assert [sample.path for sample in scanned.samples] == ["cat/0.png", "dog/0.png"]
    assert scanned.broken == []


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "0 bytes"), (b"hello", "look like text"), (b"\x89PNG\r\n\x1a\n", "truncated or damaged")],
)
def test_a_broken_file_is_excluded_with_its_reason(tmp_path, content, reason):
    root = in_parts(tmp_path, "train", "val", "test")
    (root / "train" / "cat" / "bad.png").write_bytes(content)

    assert reason in excluded(root)["train/cat/bad.png"]


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


def test_a_folder_of_pictures_beside_the_parts_is_named(tmp_path):
    """Taken as classes, train and test would be learned as labels."""
    root = in_parts(tmp_path / "photos", "train", "val", "test")
    put(root / "unsorted" / "cat" / "1.png", 9000)

    with pytest.raises(DataError, match=r"has the part test and beside it unsorted.*move it away"):
        scan(root)


def test_an_empty_folder_beside_the_parts_is_ignored(tmp_path):
    root = in_parts(tmp_path / "photos", "train", "val", "test")
    (root / "__MACOSX").mkdir()

    assert scan(root).labels == ("cat", "dog")


def test_a_class_may_be_called_train(tmp_path):
    for number in range(3):
        put(tmp_path / "photos" / "train" / f"{number}.png", number)
        put(tmp_path / "photos" / "tram" / f"{number}.png", 100 + number)

    assert scan(tmp_path / "photos").labels == ("train", "tram")


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


@pytest.mark.parametrize(
    ("layout", "complaint"),
    [
        (None, "is not a folder"),
        ([], "holds no folders but nothing"),
        (["1.png", "2.png"], r"holds no folders but 1\.png, 2\.png"),
        (["cat/1.png", "cat/2.png"], r"holds readable pictures of cat \(2\): two classes are needed"),
        (["cat/1.txt", "dog/2.txt"], "has the folders cat, dog, but no pictures in them"),
    ],
)
def test_a_layout_not_understood_is_named_with_those_that_are(tmp_path, layout, complaint):
    root = tmp_path / "photos"
    for number, path in enumerate(layout or []):
        put(root / path, number)
    if layout == []:
        root.mkdir()

    with pytest.raises(DataError, match=rf"photos {complaint}.*CLASS/picture\.jpg, or PART/CLASS/picture\.jpg"):
        scan(root)


def test_a_part_without_pictures_of_a_class_is_named_with_the_remedy(tmp_path):
    root = in_parts(tmp_path / "photos", "train", "val", "test")
    (root / "val" / "dog" / "0.png").unlink()

    with pytest.raises(DataError, match=r"photos: part val has no picture of dog: add pictures of it.*parts\.seed"):
        build(scan(root), Parts())
