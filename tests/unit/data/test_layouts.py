"""Where the label of a picture is read from, whatever the folder looks like."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tapetum.data.layouts import base, find
from tapetum.errors import DataError

Found = dict[str, tuple[str | None, str]]


def lay(root: Path, *paths: str) -> Path:
    """Empty files; nothing here reads a picture."""
    root.mkdir(exist_ok=True)
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()
    return root


def link(path: Path, target: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)


def found(root: Path) -> Found:
    """Part and label by path."""
    return {sample.path: (sample.part, sample.label) for sample in find(root)}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "photos"


@contextmanager
def as_nobody() -> Iterator[None]:
    """Permissions apply inside, even where the tests run as root."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(before)


@pytest.mark.parametrize(
    "layout",
    [
        pytest.param({"cat/1.jpg": (None, "cat"), "dog/1.jpg": (None, "dog")}, id="class folders"),
        pytest.param(
            {"train/cat/1.jpg": ("train", "cat"), "val/dog/1.jpg": ("val", "dog"), "test/cat/1.jpg": ("test", "cat")},
            id="part and class folders",
        ),
        pytest.param(
            {"TRAIN/cat/1.jpg": ("train", "cat"), "Training/dog/1.jpg": ("train", "dog")}, id="train in any spelling"
        ),
        pytest.param(
            {"valid/cat/1.jpg": ("val", "cat"), "VALIDATION/dog/1.jpg": ("val", "dog")}, id="val in any spelling"
        ),
        pytest.param({"cat.1.jpg": (None, "cat"), "dog.17.jpg": (None, "dog")}, id="names in one folder"),
        pytest.param({"train/cat.1.jpg": ("train", "cat"), "test/dog.2.jpg": ("test", "dog")}, id="names in parts"),
        pytest.param(
            {"train/cat.1.jpg": ("train", "cat"), "train/dog/2.jpg": ("train", "dog")}, id="names and folders"
        ),
        pytest.param({"train/1.jpg": (None, "train"), "tram/1.jpg": (None, "tram")}, id="a class of trains"),
        pytest.param(
            {"train/train.1.jpg": (None, "train"), "tram/tram.1.jpg": (None, "tram")}, id="a class of named trains"
        ),
        pytest.param({"cat/train/1.jpg": (None, "cat"), "dog/train/1.jpg": (None, "dog")}, id="parts below classes"),
    ],
)
def test_a_layout_is_understood(root, layout):
    assert found(lay(root, *layout)) == layout


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("cat.1.jpg", "cat"),
        ("cat.0001.JPEG", "cat"),
        ("golden.retriever.12.jpg", "golden.retriever"),
        ("cat.1.2.jpg", "cat"),
        ("big cat.3.png", "big cat"),
        ("кот.1.png", "кот"),
    ],
)
def test_the_label_in_a_name_ends_before_the_first_number_between_dots(root, name, label):
    assert found(lay(root, "dog.1.jpg", name))[name] == (None, label)


@pytest.mark.parametrize(
    "name", ["A.PNG", "b.JpEg", "two words.png", "猫 Ёж.png", "day 1/left/b.png", "a.b.tiff", "c.jpg/d.webp"]
)
def test_a_picture_is_found(root, name):
    assert found(lay(root, "dog/0.png", f"кот/{name}"))[f"кот/{name}"] == (None, "кот")


@pytest.mark.parametrize(
    "path",
    [
        "cat/.hidden.png",
        "cat/Thumbs.db",
        "cat/notes.txt",
        "cat/.thumbnails/0.png",
        ".cache/0.png",
        "__MACOSX/cat/._0.png",
        "notes.csv",
        "preview.png",
    ],
)
def test_what_is_no_picture_of_a_class_is_ignored(root, path):
    assert list(found(lay(root, "cat/0.png", "dog/0.png", path))) == ["cat/0.png", "dog/0.png"]


def test_a_class_in_a_format_that_cannot_be_read_does_not_go_unnoticed(root):
    assert "cat/0.HEIC" in found(lay(root, "cat/0.HEIC", "dog/0.png", "elk/0.avif"))


@pytest.mark.parametrize("name", ["new\nline", "\x1b[31mred", "\x9b31mred", "back\\slash", "two\u2028lines", "x" * 241])
def test_a_class_whose_name_no_bundle_could_carry_is_named(root, name):
    with pytest.raises(DataError, match=r"holds pictures of label .*: expected at most 240 bytes, and no slash"):
        found(lay(root, "cat/0.png", f"{name}/0.png"))


@pytest.mark.parametrize("given", [("cat", "dog"), ("train/cat", "train/dog")], ids=["classes", "parts"])
def test_an_empty_folder_is_ignored(root, given):
    lay(root, *(f"{folder}/1.png" for folder in given))
    (root / "__MACOSX").mkdir()

    assert len(found(root)) == 2


def test_a_label_with_an_accent_is_one_class_however_it_is_written(root):
    composed, taken_apart = "caf\u00e9", "cafe\u0301"
    lay(root, f"train/{composed}/1.jpg", f"test/{taken_apart}/1.jpg", "train/tea/1.jpg")

    assert {sample.label for sample in find(root)} == {composed, "tea"}


def test_samples_stand_in_the_order_of_their_paths_and_are_unread(root):
    samples = find(lay(root, "dog/1.png", "cat/b/1.png", "cat/a.png"))

    assert [(sample.path, sample.digest) for sample in samples] == [
        ("cat/a.png", ""),
        ("cat/b/1.png", ""),
        ("dog/1.png", ""),
    ]


def test_links_to_files_and_folders_are_followed(root):
    lay(root.parent / "elsewhere", "1.png", "more/2.png")
    lay(root, "cat/0.png")
    link(root / "cat" / "linked.png", "../../elsewhere/1.png")
    link(root / "dog", "../elsewhere")

    assert list(found(root)) == ["cat/0.png", "cat/linked.png", "dog/1.png", "dog/more/2.png"]


@pytest.mark.parametrize("target", [".", "..", "../..", "../../..", "/"])
def test_links_in_circles_are_not_followed(root, target):
    lay(root, "cat/0.png", "dog/0.png")
    link(root / "cat" / "circle", target)

    assert list(found(root)) == ["cat/0.png", "dog/0.png"]


@pytest.mark.parametrize(
    "links",
    [
        {"cat/again.png": "0.png"},
        {"cat/a.png": "../../more/1.png", "cat/b.png": "../../more/1.png"},
        {"cat/a": "../../more", "cat/b": "../../more"},
        {"cat/a": "../../more", "cat/b/c": "../../../more"},
        {"cat/a.png": "../../more/1.png", "cat/b": "../../more"},
    ],
)
def test_a_file_that_a_class_holds_twice_through_links_counts_once(root, links):
    lay(root.parent / "more", "1.png")
    lay(root, "cat/0.png", "dog/0.png")
    for path, target in links.items():
        link(root / path, target)

    cats = [(root / path).resolve() for path, (_, label) in found(root).items() if label == "cat"]

    assert len(cats) == len(set(cats)) > 0


@pytest.mark.parametrize("path", ["dog/0.png", "test/cat/0.png"])
def test_a_file_in_two_classes_or_parts_counts_in_both_so_that_the_check_can_name_it(root, path):
    first = "train/cat/0.png" if path.startswith("test") else "cat/0.png"
    lay(root, first, "train/dog/1.png" if path.startswith("test") else "dog/1.png")
    link(root / path, str(root / first))

    assert {first, path} < found(root).keys()


def test_folders_that_all_link_to_each_other_are_walked_in_time(root):
    """Followed blindly, 12 of them open 12! ways."""
    names = [f"{number:02}" for number in range(12)]
    for name in names:
        lay(root.parent / "mesh", f"{name}/{name}.png")
        for other in names:
            link(root.parent / "mesh" / name / f"to{other}", f"../{other}")
    lay(root, "cat/0.png", "dog/0.png")
    link(root / "cat" / "mesh", "../../mesh")

    assert sum(label == "cat" for _, label in found(root).values()) == 13


@pytest.mark.parametrize("target", ["nowhere.png", "lost.png"])
def test_a_picture_link_that_leads_nowhere_is_found_so_that_reading_names_it(root, target):
    lay(root, "cat/0.png", "dog/0.png")
    link(root / "cat" / "lost.png", target)

    assert found(root)["cat/lost.png"] == (None, "cat")


@pytest.mark.parametrize("target", ["/dev/zero", "pipe"])
def test_what_has_no_end_is_no_picture(root, target):
    lay(root, "cat/0.png", "dog/0.png")
    os.mkfifo(root / "cat" / "pipe")
    os.mkfifo(root / "cat" / "pipe.png")
    link(root / "cat" / "endless.png", target)

    assert list(found(root)) == ["cat/0.png", "dog/0.png"]


def test_a_folder_link_that_leads_nowhere_is_named(root):
    """It may have led to a whole class."""
    lay(root, "cat/0.png", "dog/0.png")
    link(root / "fox", "/mnt/foxes")

    with pytest.raises(DataError, match="photos/fox is a link to /mnt/foxes, which is not there: mend or remove it"):
        find(root)


def test_a_folder_that_cannot_be_read_is_named(root, monkeypatch):
    """Passed over, it would be a class that is missing."""
    lay(root, "cat/0.png", "dog/0.png")
    (root / "dog").chmod(0)
    monkeypatch.chdir(root)

    with (
        as_nobody(),
        pytest.raises(DataError, match="dog cannot be read: Permission denied; make it readable, or move it"),
    ):
        find(Path())


def test_a_name_that_is_not_utf8_is_named(root):
    lay(root, "cat/0.png", "dog/0.png")
    (root / os.fsdecode(b"cat/caf\xe9.png")).touch()

    with pytest.raises(DataError, match=r"photos holds 'cat/caf\\udce9\.png', a name that is not UTF-8: rename it"):
        find(root)


def test_each_folder_is_listed_once(root, monkeypatch):
    lay(root, *(f"{part}/{label}/{n}.png" for part in ("train", "test") for label in ("a", "b") for n in range(9)))
    listed = []
    scandir = os.scandir
    monkeypatch.setattr(os, "scandir", lambda folder: listed.append(str(folder)) or scandir(folder))

    find(root)

    assert sorted(listed) == [
        str(root),
        *(f"{root}/{path}" for path in ("test", "test/a", "test/b", "train", "train/a", "train/b")),
    ]


@pytest.mark.parametrize(
    ("paths", "complaint", "shown"),
    [
        ([], "holds no pictures", "nothing"),
        (["cat/1.txt", "dog/2.txt"], "holds no pictures", "pictures in folders: cat/ with 0, dog/ with 0"),
        (["a.txt", "b.txt"], "holds no pictures", "other files: a.txt, b.txt"),
        (["1.png", "2.png"], "holds pictures without a label: 1.png, 2.png", "pictures: 1.png, 2.png"),
        (
            ["cat.1.png", "dog.2.png", "tom.png"],
            "holds pictures without a label: tom.png",
            "pictures: cat.1.png, dog.2",
        ),
        (
            [f"{n}.png" for n in range(8)],
            "holds pictures without a label: 0.png, 1.png, 2.png, 3.png, 4.png and 3 more",
            "pictures: 0.png, 1.png, 2.png, 3.png, 4.png and 3 more",
        ),
        (["IMG.1.png", "IMG.2.png"], "holds pictures of IMG alone, not of two classes", "pictures: IMG.1.png, IMG.2"),
        (["cat/1.png", "cat/2.png"], "holds pictures of cat alone, not of two classes", "folders: cat/ with 2"),
        (
            ["pets/cat/1.png", "pets/dog/1.png"],
            "pets alone, not of two classes (or do you mean {root}/pets?)",
            "pets/ with 2",
        ),
        (["train/cat/1.png", "unsorted/1.png"], "beside them unsorted, neither train, val nor test: move it", "with 1"),
        (["train/cat.1.png", "train/dog.1.png", "test1/1.png"], "beside them test1, neither train", "test1/ with 1"),
        (["train/cat.1.png", "train/dog.1.png", "test/1.png"], "pictures without a label: test/1.png", "train/ with 2"),
        (["train/1.png", "test/1.png"], "holds pictures without a label: test/1.png, train/1.png", "train/ with 1"),
        (["train/cat/1.png", "test/cat/1.png"], "pictures of cat alone, not of two classes\n", "test/ with 1"),
        (
            ["cat.1.png", "dog.1.png", "thumbs/1.png"],
            "holds pictures with a label in the name, and folders of pictures too",
            "pictures in folders: thumbs/ with 1; pictures: cat.1.png, dog.1.png",
        ),
        (["1.png", "a.csv", "b.csv"], "holds pictures without a label: 1.png", "other files: a.csv, b.csv"),
    ],
)
def test_a_layout_not_understood_is_shown_with_those_that_are(root, paths, complaint, shown):
    lay(root, *paths)

    with pytest.raises(DataError) as raised:
        find(root)

    message = str(raised.value)
    assert message.startswith((f"{root} holds ", f"{root} has "))
    assert complaint.format(root=root) in message
    assert shown in message.split("\n")[1]
    assert message.split("\n")[2] == (
        "  understood: CLASS/picture.jpg, PART/CLASS/picture.jpg, CLASS.1.jpg or PART/CLASS.1.jpg with the parts "
        "train, val and test; one .csv or .jsonl file of path and label"
    )


@pytest.mark.parametrize("name", [None, "manifest.json"])
def test_what_is_neither_folder_nor_listing_is_refused(root, name):
    if name:
        root = lay(root, name) / name

    with pytest.raises(DataError, match=rf"{root.name} is not a folder: expected one of labelled pictures, or a \.csv"):
        find(root)


@pytest.mark.parametrize("name", ["labels.csv", "Labels.CSV", "labels.jsonl"])
def test_a_listing_is_read_by_its_name_or_as_the_only_one_of_a_folder(root, name):
    lay(root, "images/1.png", "images/2.png")
    rows = ['{"path": "images/1.png", "label": "cat"}', '{"path": "images/2.png", "label": "dog"}']
    text = "path,label\nimages/1.png,cat\nimages/2.png,dog\n" if name.lower().endswith("csv") else "\n".join(rows)
    (root / name).write_text(text)

    assert found(root) == found(root / name) == {"images/1.png": (None, "cat"), "images/2.png": (None, "dog")}
    assert base(root) == base(root / name) == root


def test_a_hidden_listing_is_ignored(root):
    lay(root, "1.png", "2.png", "._labels.csv")
    (root / "labels.csv").write_text("path,label\n1.png,cat\n2.png,dog\n")

    assert len(found(root)) == 2


def test_folders_of_classes_win_over_a_listing(root):
    lay(root, "cat/1.png", "dog/1.png")
    (root / "labels.csv").write_text("path,label\ncat/1.png,wolf\ndog/1.png,fox\n")

    assert {label for _, label in found(root).values()} == {"cat", "dog"}
