"""CIFAR-10 (Krizhevsky 2009) from its official archive, whose pickled batches are read without trusting them."""

import io
import math
import pickle
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tapetum.data.archives import extract
from tapetum.data.download import download
from tapetum.errors import DataError
from tapetum.progress import Advance

URL = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
# As Keras pins it (keras/src/datasets/cifar10.py) and others that have hashed the official file record it.
SHA256 = "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce"
LABELS = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_BATCHES = {"train": tuple(f"data_batch_{number}" for number in range(1, 6)), "test": ("test_batch",)}
_SIDE = 32


def fill(target: Path, kept: Path, advance: Advance, url: str = URL, sha256: str = SHA256) -> None:
    """60,000 pictures of 32×32 pixels as train/CLASS/*.png and test/CLASS/*.png; `kept` is what is downloaded.

    Raises DownloadError, and DataError for an archive or a batch that is not as it should be.
    """
    download(url, kept, sha256, advance)
    batches = target.with_name("batches")
    try:
        extract(kept, batches, advance=advance)
    finally:
        kept.unlink()
    for part, names in _BATCHES.items():
        number = 0
        for done, name in enumerate(names, start=1):
            pixels, labels = read_batch(batches / name)
            for picture, label in zip(pixels, labels, strict=True):
                folder = target / part / LABELS[label]
                folder.mkdir(parents=True, exist_ok=True)
                Image.fromarray(picture).save(folder / f"{number:05}.png")
                number += 1
            advance(f"write {part} batches", done, len(names))


def read_batch(path: Path) -> tuple[np.ndarray, list[int]]:
    """The pictures of a batch as uint8 (n, 32, 32, 3) and their labels as numbers from 0 to 9.

    Raises DataError for what is no such batch; whatever it names is not executed.
    """
    if not path.is_file():
        raise DataError(f"{path.name} is missing from the archive of CIFAR-10: expected {_BATCHES}")
    try:
        batch = _Batch(io.BytesIO(path.read_bytes()), encoding="bytes").load()
        rows, labels = batch[b"data"].to_rows(_SIDE * _SIDE * 3), batch[b"labels"]
        if not isinstance(labels, list) or len(labels) != len(rows):
            raise ValueError(f"{len(rows)} pictures and other labels")
        if not all(isinstance(label, int) and 0 <= label < len(LABELS) for label in labels):
            raise ValueError("labels beyond 0 to 9")
    except (
        pickle.UnpicklingError,
        ArithmeticError,
        AttributeError,
        EOFError,
        LookupError,
        TypeError,
        ValueError,
    ) as error:
        raise DataError(f"{path.name} is no batch of CIFAR-10 ({error}): fetch the official archive") from None
    return rows.reshape(-1, 3, _SIDE, _SIDE).transpose(0, 2, 3, 1), labels


class _Dtype:
    """Stands in for numpy.dtype."""

    def __init__(self, code: Any, *rest: Any) -> None:
        self.code = code

    def __setstate__(self, state: Any) -> None:
        """Byte order and alignment, which uint8 has not."""


class _Array:
    """Stands in for numpy.ndarray: takes what a pickle says, and looks at it only in `to_rows`."""

    def __init__(self, *rest: Any) -> None:
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def to_rows(self, width: int) -> np.ndarray:
        """uint8 (n, width); raises ValueError for an array of another kind."""
        _, shape, dtype, is_fortran, content = self.state
        is_rows = len(shape) == 2 and shape[1] == width and math.prod(shape) == len(content)
        if not is_rows or dtype.code not in (b"u1", "u1") or is_fortran or not isinstance(content, bytes):
            raise ValueError(f"an array of {shape}, expected uint8 (n, {width})")
        return np.frombuffer(content, np.uint8).reshape(shape)


class _Batch(pickle.Unpickler):
    """Knows the three names that a batch needs, and gives stand-ins for them."""

    def find_class(self, module: str, name: str) -> Any:
        """A stand-in; raises UnpicklingError for any other name, before it is imported."""
        stand_ins = {
            ("numpy.core.multiarray", "_reconstruct"): _Array,
            ("numpy", "ndarray"): _Array,
            ("numpy", "dtype"): _Dtype,
        }
        if (module, name) not in stand_ins:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which is not executed")
        return stand_ins[module, name]
