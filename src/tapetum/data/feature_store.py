"""Features of pictures on disk, by the digest of the picture, in one file that grows."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tapetum import files


class FeatureStore:
    """Records of a SHA-256 and `width` float32 values; what made the values has to be part of the file's name.

    Records are appended in whole chunks, so that a run that ends early keeps
    what it had, and a picture that comes later costs itself alone.
    """

    def __init__(self, path: Path, width: int) -> None:
        self._path = path
        self._record = np.dtype([("digest", "S64"), ("features", np.float32, (width,))])

    def lacking(self, digests: Sequence[str]) -> set[str]:
        """Those of `digests` that have no features here."""
        return set(digests) - self._rows().keys()

    def require_space(self, count: int) -> None:
        """Raise ResourceError unless the disk has room for so many more."""
        files.require_space(self._path.parent, count * self._record.itemsize)

    def add(self, digests: Sequence[str], features: np.ndarray) -> None:
        """Append features (n, width) of the pictures with these digests."""
        added = np.empty(len(digests), self._record)
        added["digest"], added["features"] = digests, features
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._drop_half_a_record()
        with self._path.open("ab") as stream:
            stream.write(added.tobytes())

    def read(self, digests: Sequence[str]) -> np.ndarray:
        """Float32 (n, width), in the order of `digests`, all of which must be here."""
        rows = self._rows()
        return np.asarray(self._records()["features"][[rows[digest] for digest in digests]])

    def _rows(self) -> dict[str, int]:
        return {digest.decode(): row for row, digest in enumerate(self._records()["digest"].tolist())}

    def _records(self) -> np.ndarray:
        """All whole records, memory-mapped."""
        count = self._size() // self._record.itemsize
        if not count:
            return np.empty(0, self._record)  # an empty file cannot be mapped
        return np.asarray(np.memmap(self._path, self._record, "r", shape=(count,)))

    def _drop_half_a_record(self) -> None:
        """Remove what a run left that ended while it wrote: in a new file, since another run may be writing to this."""
        if self._size() % self._record.itemsize:
            whole = self._records().tobytes()
            files.write_bytes(self._path, whole)

    def _size(self) -> int:
        return self._path.stat().st_size if self._path.exists() else 0
