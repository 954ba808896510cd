"""Write files whole or not at all."""

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tapetum.errors import ResourceError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a new path beside `path`, a file or a folder; rename it to `path` when the block ends well.

    Whoever opens a file sees the old content or the new, never a half; of a
    folder that is replaced, for an instant neither. What the block left
    behind is removed when it fails.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    workplace = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    fresh = workplace / path.name
    try:
        yield fresh
        if fresh.is_dir() and path.is_dir():
            old = path.rename(workplace / "old")
            try:
                fresh.rename(path)
            except BaseException:
                old.rename(path)
                raise
        else:
            fresh.replace(path)
    finally:
        shutil.rmtree(workplace, ignore_errors=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Write `content` to `path`, synced to disk before it takes the name."""
    with replacing(path) as fresh, fresh.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def write_text(path: Path, content: str) -> None:
    """Write `content` to `path` as UTF-8."""
    write_bytes(path, content.encode())


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Keep other processes that ask for it out of a folder, which is made; however this one ends, it is free again.

    Raises ResourceError where another has it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    place = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ResourceError(
                f"another process works in {folder}: wait for its end, or name another folder"
            ) from None
        except OSError:  # a file system without locks
            pass
        yield
    finally:
        os.close(place)


def sha256(path: Path) -> str:
    """The file's SHA-256 as 64 hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def require_space(folder: Path, needed_bytes: int) -> None:
    """Raise ResourceError unless the disk that holds `folder` has `needed_bytes` to spare."""
    nearest = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
    free_bytes = shutil.disk_usage(nearest).free
    if free_bytes < needed_bytes:
        raise ResourceError(
            f"{folder} needs {needed_bytes / 1e6:,.0f} MB and its disk has {free_bytes / 1e6:,.0f} MB left: "
            "free some space, or choose another folder"
        )
