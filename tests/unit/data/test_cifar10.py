"""CIFAR-10 comes out of its pickles picture by picture; nothing else that a pickle says is done."""

import hashlib
import io
import pickle
import struct
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from web import serves, web

from tapetum.data import cifar10
from tapetum.errors import DataError, DownloadError
from tapetum.progress import silent

BATCHES = ["data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"]


def text(content: bytes) -> bytes:
    """A str of Python 2 as pickle protocol 2 writes it."""
    return b"T" + struct.pack("<i", len(content)) + content


def number(value: int) -> bytes:
    return b"J" + struct.pack("<i", value)


def batch(rows: np.ndarray, labels: list[int], reconstruct: bytes = b"numpy.core.multiarray\n_reconstruct\n") -> bytes:
    """A batch byte for byte in the manner of the official ones: Python 2 and its numpy, protocol 2."""
    shape = number(rows.shape[0]) + number(rows.shape[1]) + b"\x86"
    empty = b"c" + reconstruct + b"(cnumpy\nndarray\n" + number(0) + b"\x85" + text(b"b") + b"tR"
    uint8 = b"cnumpy\ndtype\n(" + text(b"u1") + number(0) + number(1) + b"tR"
    uint8 += b"(" + number(3) + text(b"|") + b"NNN" + number(-1) + number(-1) + number(0) + b"tb"
    array = empty + b"(" + number(1) + shape + uint8 + b"\x89" + text(rows.tobytes()) + b"tb"
    listed = b"](" + b"".join(number(label) for label in labels) + b"e"
    return b"\x80\x02}(" + text(b"data") + array + text(b"labels") + listed + b"u."


def archive(contents: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as packed:
        for name, content in contents.items():
            info = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            info.size = len(content)
            packed.addfile(info, io.BytesIO(content))
    return stream.getvalue()


@pytest.fixture
def rows(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 256, (10, 3072), dtype=np.uint8)


def fill(root: Path, content: bytes, sha256: str | None = None) -> Path:
    (root / "work").mkdir()
    target = root / "work" / "pictures"
    target.mkdir()
    with web() as server:
        server.answers = [serves(content)]
        cifar10.fill(
            target, root / "kept", silent, url=server.url, sha256=sha256 or hashlib.sha256(content).hexdigest()
        )
    return target


def test_pictures_lie_by_part_and_class_with_the_pixels_of_the_batch(rows, tmp_path):
    target = fill(tmp_path, archive(dict.fromkeys(BATCHES, batch(rows, list(range(10))))))

    assert sorted(path.name for path in target.iterdir()) == ["test", "train"]
    for part, size in (("train", 5), ("test", 1)):
        assert {folder.name: len(list(folder.iterdir())) for folder in (target / part).iterdir()} == dict.fromkeys(
            cifar10.LABELS, size
        )
    picture = np.asarray(Image.open(target / "train" / "cat" / "00013.png"))
    np.testing.assert_array_equal(picture, rows[3].reshape(3, 32, 32).transpose(1, 2, 0))


def test_nothing_is_left_of_the_archive(rows, tmp_path):
    fill(tmp_path, archive(dict.fromkeys(BATCHES, batch(rows, list(range(10))))))

    assert [path.name for path in tmp_path.iterdir()] == ["work"]


def test_an_archive_with_another_checksum_is_never_opened(tmp_path):
    with pytest.raises(DownloadError, match=f"expected {cifar10.SHA256}"):
        fill(tmp_path, archive({}), cifar10.SHA256)


def test_a_missing_batch_is_named(rows, tmp_path):
    with pytest.raises(DataError, match="data_batch_2 is missing from the archive of CIFAR-10"):
        fill(tmp_path, archive({"data_batch_1": batch(rows, list(range(10)))}))


class Attack:
    """What a pickle can do: leave a mark in the file system when it is read."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.mark,)


def test_a_pickle_that_acts_is_refused_and_does_not_act(tmp_path):
    mark, path = tmp_path / "mark", tmp_path / "batch"
    path.write_bytes(pickle.dumps({b"data": Attack(mark), b"labels": []}, protocol=2))
    pickle.loads(path.read_bytes())  # noqa: S301 (the attack is real)
    assert mark.exists()
    mark.unlink()

    with pytest.raises(DataError, match=r"batch is no batch of CIFAR-10 \(it names \S+, which is not executed\)"):
        cifar10.read_batch(path)

    assert not mark.exists()


@pytest.mark.parametrize("name", [b"os\nsystem\n", b"builtins\neval\n", b"__builtin__\neval\n", b"numpy\nload\n"])
def test_only_three_names_are_known(rows, tmp_path, name):
    (tmp_path / "batch").write_bytes(batch(rows, [0] * 10, name))

    with pytest.raises(DataError, match="which is not executed"):
        cifar10.read_batch(tmp_path / "batch")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x80\x02",
        b"no pickle",
        pickle.dumps([1, 2]),
        pickle.dumps({b"data": 1, b"labels": []}),
        b"\x80\x02cnumpy\nndarray\n}b.",
    ],
    ids=["empty", "cut", "text", "a list", "a number", "a class given a state"],
)
def test_what_is_no_batch_is_refused(tmp_path, content):
    (tmp_path / "batch").write_bytes(content)

    with pytest.raises(DataError, match=r"batch is no batch of CIFAR-10 \(.*\): fetch the official archive"):
        cifar10.read_batch(tmp_path / "batch")


@pytest.mark.parametrize("labels", [[0] * 9, [0] * 9 + [10], [0] * 9 + [-1]], ids=["too few", "too high", "negative"])
def test_labels_must_fit(rows, tmp_path, labels):
    (tmp_path / "batch").write_bytes(batch(rows, labels))

    with pytest.raises(DataError, match=r"other labels|labels beyond 0 to 9"):
        cifar10.read_batch(tmp_path / "batch")


def test_an_array_that_is_larger_than_its_bytes_is_refused(rows, tmp_path):
    """Its shape alone would allocate 6 TB."""
    content = batch(rows, [0] * 10)
    (tmp_path / "batch").write_bytes(content.replace(number(10) + number(3072), number(2**31 - 1) + number(3072)))

    with pytest.raises(DataError, match=r"an array of \(2147483647, 3072\), expected uint8"):
        cifar10.read_batch(tmp_path / "batch")


def test_an_array_in_the_order_of_fortran_is_refused(rows, tmp_path):
    """Its bytes lie column by column and would give pictures of noise."""
    (tmp_path / "batch").write_bytes(batch(rows, [0] * 10).replace(b"tb\x89T", b"tb\x88T"))

    with pytest.raises(DataError, match=r"expected uint8 \(n, 3072\)"):
        cifar10.read_batch(tmp_path / "batch")
