"""Labels out of CSV and JSON lines, as people write them; every fault with its line."""

import os
from pathlib import Path

import pytest

from tapetum.data.listing import is_listing, read
from tapetum.errors import DataError

PICTURES = ("cat/1.png", "dog/2.png", "two words, and Ёж.png")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder with the files of PICTURES, all empty: nothing here reads a picture."""
    for picture in PICTURES:
        (tmp_path / picture).parent.mkdir(exist_ok=True)
        (tmp_path / picture).touch()
    return tmp_path


def write(home: Path, content: str | bytes, name: str = "labels.csv") -> Path:
    path = home / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def rows(path: Path) -> list[tuple[str, str, str | None]]:
    return [(sample.path, sample.label, sample.part) for sample in read(path)]


def fault(path: Path) -> str:
    with pytest.raises(DataError) as raised:
        read(path)
    message = str(raised.value)
    assert message.startswith(str(path))
    return message.removeprefix(str(path))


CAT, DOG = ("cat/1.png", "cat", None), ("dog/2.png", "dog", None)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("path,label\ncat/1.png,cat\ndog/2.png,dog\n", id="comma"),
        pytest.param("path;label\ncat/1.png;cat\ndog/2.png;dog\n", id="semicolon"),
        pytest.param("path\tlabel\ncat/1.png\tcat\ndog/2.png\tdog\n", id="tab"),
        pytest.param("\ufeffpath,label\r\ncat/1.png,cat\r\ndog/2.png,dog", id="as Excel writes it"),
        pytest.param("path,label\rcat/1.png,cat\rdog/2.png,dog\r", id="lines of an old Mac"),
        pytest.param("label,notes,path\ncat,a;b,cat/1.png\ndog,,dog/2.png\n", id="other order and columns"),
        pytest.param('path, label\ncat/1.png, "cat"\n dog/2.png , dog \n', id="spaces"),
        pytest.param("path,label\n\ncat/1.png,cat\n,\ndog/2.png,dog\n\n", id="blank lines"),
        pytest.param("path,label\ncat/1.png,cat\ndog/2.png,dog\ncat/1.png,cat\n", id="the same row again"),
        pytest.param("path,label\n./cat/1.png,cat\ncat/../dog//2.png,dog\n", id="winding paths"),
        pytest.param("path,label\ncat\\1.png,cat\ndog\\2.png,dog\n", id="paths of Windows"),
        pytest.param('path,label,notes\ncat/1.png,cat,"two\nlines"\ndog/2.png,dog,""\n', id="a field of two lines"),
        *[pytest.param(f"{name},label\ncat/1.png,cat\ndog/2.png,dog\n", id=name) for name in ("file", "filename")],
        *[pytest.param(f"{name},label\ncat/1.png,cat\ndog/2.png,dog\n", id=name) for name in ("image", "image_path")],
        *[pytest.param(f"path,{name}\ncat/1.png,cat\ndog/2.png,dog\n", id=name) for name in ("class", "Target")],
        pytest.param("PATH,Category,label\ncat/1.png,mammal,cat\ndog/2.png,mammal,dog\n", id="label before category"),
    ],
)
def test_a_csv_is_read(home, content):
    assert rows(write(home, content)) == [CAT, DOG]


@pytest.mark.parametrize(
    "content",
    [
        '{"path": "cat/1.png", "label": "cat"}\n{"path": "dog/2.png", "label": "dog"}\n',
        '\ufeff{"class": "dog", "file": "dog/2.png", "width": 3}\r\n\r\n{"label": "cat", "image": "cat/1.png"}',
        '{"path": "cat/1.png", "label": "cat", "part": null}\n{"path": "dog/2.png", "label": "dog", "split": ""}',
    ],
    ids=["plain", "mixed keys", "no part"],
)
@pytest.mark.parametrize("name", ["labels.jsonl", "labels.NDJSON"])
def test_json_lines_are_read(home, content, name):
    assert rows(write(home, content, name)) == [CAT, DOG]


def test_a_number_may_be_a_label_in_json(home):
    content = '{"path": "cat/1.png", "label": 0}\n{"path": "dog/2.png", "label": 1}'

    assert [label for _, label, _ in rows(write(home, content, "labels.jsonl"))] == ["0", "1"]


def test_a_path_with_a_comma_and_other_letters_is_read(home):
    content = 'path,label\n"two words, and Ёж.png",ёж\ncat/1.png,cat\n'

    assert ("two words, and Ёж.png", "ёж", None) in rows(write(home, content))


@pytest.mark.parametrize(
    ("name", "part"), [("train", "train"), ("Training", "train"), (" valid ", "val"), ("TEST", "test"), ("", None)]
)
@pytest.mark.parametrize("column", ["part", "split", "subset", "set"])
def test_a_part_is_read_in_any_spelling(home, column, name, part):
    content = f"path,label,{column}\ncat/1.png,cat,{name}\ndog/2.png,dog,train\n"

    assert rows(write(home, content))[0] == ("cat/1.png", "cat", part)


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ("cat/9.png,cat,", "cat/9.png is not there"),
        ("cat,cat,", "cat is not a file"),
        ("../secret.png,cat,", "../secret.png leads out of the folder: move the picture into it"),
        ("cat/../../secret.png,cat,", "cat/../../secret.png leads out of the folder"),
        ("..\\secret.png,cat,", "..\\secret.png leads out of the folder"),
        ("/etc/hostname,cat,", "/etc/hostname leads out of the folder"),
        ("cat/1.png,cat,dev", "part 'dev': expected train, val, test, or nothing"),
        ("cat/1.png,,", "cat/1.png has no label"),
        ("cat/1.png, ,", "cat/1.png has no label"),
        (",cat,", "has no path"),
        ("cat/1.png,big/cat,", "label 'big/cat': expected at most 240 bytes, and no slash"),
        (f"cat/1.png,{'c' * 241},", f"label '{'c' * 60}': expected at most 240"),
        ("cat/1.png,cat", "has 2 fields and the header 3: put quotes around fields that hold ','"),
        ("two words, and Ёж.png,cat,", "has 4 fields and the header 3"),
        ('cat/1.png,"cat" big,', "is not CSV: ',' expected after '\"'"),
        ('cat/1.png,"cat,', "is not CSV: unexpected end of data"),
        ("dog/2.png,cat,", "dog/2.png is cat here and dog on line 2"),
        ("dog/2.png,dog,test", "dog/2.png is test here and without a part on line 2"),
        ("./dog/2.png,cat,", "dog/2.png is cat here and dog on line 2"),
    ],
)
def test_a_faulty_row_is_named_with_its_line(home, row, complaint):
    message = fault(write(home, f"path,label,part\ndog/2.png,dog,\n{row}"))

    assert message.startswith(f": rows to be mended or removed: 1; paths start at {home}/\n  line 3: {complaint}")


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ("cat/1.png cat", 'is \'cat/1.png cat\': expected JSON such as {"path": "tom.jpg", "label": "cat"}'),
        ('["cat/1.png", "cat"]', 'is \'["cat/1.png", "cat"]\': expected keys, such as {"path"'),
        ("[" * 100_000, "expected JSON such as"),
        ('{"id": 3, "label": "cat"}', "has the keys id, label: expected the columns path (path or file or"),
        ("{}", "has the keys of nothing: expected the columns"),
        ('{"path": "cat/1.png", "label": ["cat"]}', "label is ['cat']: expected text"),
        ('{"path": "cat/1.png", "label": true}', "label is True: expected text"),
        ('{"path": "cat/1.png", "label": null}', "cat/1.png has no label"),
        ('{"path": "cat/\\u0000.png", "label": "cat"}', "is not there"),
        ('{"path": "cat/\\ud800.png", "label": "cat"}', "is not there"),
        ('{"path": "cat/1.png", "label": "c\\ud800"}', "label 'c\\ud800': expected"),
    ],
)
def test_a_faulty_line_of_json_is_named(home, row, complaint):
    message = fault(write(home, f'{{"path": "dog/2.png", "label": "dog"}}\n{row}\n', "labels.jsonl"))

    assert "rows to be mended or removed: 1;" in message
    assert "\n  line 2: " in message
    assert complaint in message


def test_many_faults_are_counted_and_the_first_ten_shown(home):
    message = fault(write(home, "path,label\n" + "".join(f"{number}.png,cat\n" for number in range(500))))

    lines = message.splitlines()
    assert lines[0].startswith(": rows to be mended or removed: 500;")
    assert [line.split(":")[0] for line in lines[1:-1]] == [f"  line {number}" for number in range(2, 12)]
    assert lines[-1] == "  and 490 more"


def test_the_line_of_a_row_after_a_field_of_two_lines_is_that_of_the_file(home):
    message = fault(write(home, 'path,label,notes\ncat/1.png,cat,"two\nlines"\nnone.png,dog,\n'))

    assert "line 4: none.png is not there" in message


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("", " begins with nothing: expected the columns path (path or file or filename or image or image_path) and"),
        ("id;breed\n1;cat\n", " begins with id, breed: expected the columns path"),
        ("cat/1.png,cat\ndog/2.png,dog\n", " begins with cat/1.png, cat: expected the columns path"),
        ("x" * 200_000, " begins with xxx"),
        ("path,label\n", " has no rows: expected a path and a label in each"),
        ("path,label\ncat/1.png,cat\ndog/2.png,cat\n", " names pictures of cat alone: two classes are needed"),
        (
            "path,label\ncat/1.png,cat\nk\u00e4tzchen.png,cat\n".encode("latin-1"),
            " is not UTF-8 from line 3 on: save it",
        ),
        ("path,label\ncat/1.png,cat\n".encode("utf-16"), " is not UTF-8 from line 1 on: save it as UTF-8"),
    ],
)
def test_a_file_that_is_no_listing_is_refused(home, content, complaint):
    assert fault(write(home, content)).startswith(complaint)


def test_a_listing_that_is_missing_is_named(home):
    assert fault(home / "nowhere.csv") == " cannot be read: No such file or directory"


def test_a_link_that_leads_nowhere_is_listed_so_that_reading_names_it(home):
    (home / "lost.png").symlink_to("nowhere.png")

    assert rows(write(home, "path,label\nlost.png,cat\ndog/2.png,dog\n"))[1] == ("lost.png", "cat", None)


def test_a_pipe_is_no_picture(home):
    os.mkfifo(home / "pipe.png")

    assert "line 2: pipe.png is not a file" in fault(write(home, "path,label\npipe.png,cat\ndog/2.png,dog\n"))


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a.csv", True), ("a.TSV", True), ("a.jsonl", True), ("a.ndjson", True), ("manifest.json", False), ("a", False)],
)
def test_a_listing_is_known_by_its_ending(name, expected):
    assert is_listing(Path(name)) is expected


def test_a_folder_is_no_listing_whatever_its_name(tmp_path):
    (tmp_path / "photos.csv").mkdir()

    assert not is_listing(tmp_path / "photos.csv")
