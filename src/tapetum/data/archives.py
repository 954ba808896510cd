"""Unfold an archive that nobody vouches for: nothing leaves the target, nothing grows past its bounds."""

import errno
import gzip
import io
import lzma
import re
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO

from tapetum import files
from tapetum.data.sample import SUFFIXES, to_part
from tapetum.errors import DataError
from tapetum.progress import Advance, silent

_CHUNK_BYTES = 1 << 20
# What tar reads at once besides contents are names and attributes; a header may claim gigabytes of them.
_LARGEST_HEADER_BYTES = 1 << 22
_JUNK = {"__MACOSX", ".DS_Store", "Thumbs.db"}
# What the readers raise, zipfile IndexError and UnicodeDecodeError for names.
_DAMAGED = (
    zipfile.BadZipFile,
    tarfile.TarError,
    gzip.BadGzipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    IndexError,
    UnicodeDecodeError,
)
_KNOWN = "expected .zip, .tar, .tar.gz or .tgz"
_STAGE = "unfold files"


@dataclass(frozen=True)
class Bounds:
    """How far an archive may unfold, counted while it does."""

    max_members: int = 2_000_000
    max_bytes: int = 200_000_000_000
    max_ratio: int = 100  # bytes for each byte of the archive; photographs have about 1, zeros 1,000
    harmless_bytes: int = 100_000_000  # so much may unfold from any archive, however small

    def allowed_bytes(self, archive_bytes: int) -> int:
        """All that an archive of this size may unfold to."""
        return min(self.max_bytes, max(self.harmless_bytes, self.max_ratio * archive_bytes))


@dataclass(frozen=True)
class _Member:
    name: str
    kind: str  # "file", "folder", or what cannot be accepted
    open: Callable[[], IO[bytes]]


def extract(archive: Path, target: Path, bounds: Bounds | None = None, advance: Advance = silent) -> None:
    """Unfold a .zip or .tar, compressed by gzip or not, into `target`, which takes its name when all is there.

    A single folder around everything is left away. Raises DataError for an
    archive that is damaged, hostile or of another kind.
    """
    bounds = bounds or Bounds()
    allowed = bounds.allowed_bytes(archive.stat().st_size)
    with files.replacing(target) as fresh:
        fresh.mkdir()
        with _members(archive, allowed) as (members, total):
            _unfold(archive, members, fresh, bounds.max_members, allowed, lambda n: advance(_STAGE, n, total))
        if not any(fresh.iterdir()):
            raise DataError(f"{archive} holds no files: expected pictures")
        _unwrap(fresh)


@contextmanager
def _members(archive: Path, allowed: int) -> Iterator[tuple[Iterator[_Member], int]]:
    """The members in order and their number, 0 where it is unknown; damage on the way is a DataError."""
    with archive.open("rb") as stream:
        start = stream.read(512)
        stream.seek(0)
        try:
            if start.startswith(b"PK"):
                with zipfile.ZipFile(stream) as packed:
                    yield _zip_members(packed), len(packed.infolist())
            elif start.startswith(b"\x1f\x8b"):
                with gzip.GzipFile(fileobj=stream) as unzipped:
                    yield _tar_members(archive, _Forward(archive, unzipped, allowed)), 0
            elif start[257:262] == b"ustar":
                yield _tar_members(archive, _Forward(archive, stream, allowed)), 0
            else:
                raise DataError(f"{archive} is no archive, its first bytes are {start[:16]!r}: {_KNOWN}")
        except _DAMAGED as error:
            raise _damaged(archive, error) from None
        except OSError as error:  # of bzip2, and of places that lie before the file; the disk names its file
            if error.filename is not None or error.errno not in (None, errno.EINVAL):
                raise
            raise _damaged(archive, error) from None
        except (NotImplementedError, RuntimeError) as error:  # zipfile: another compression, a password
            raise DataError(f"{archive} cannot be read ({error}): pack it anew, plainly and without password") from None


def _zip_members(packed: zipfile.ZipFile) -> Iterator[_Member]:
    kinds = {0: "file", stat.S_IFREG: "file", stat.S_IFDIR: "folder", stat.S_IFLNK: "link", stat.S_IFIFO: "fifo"}
    for info in packed.infolist():
        kind = kinds.get(stat.S_IFMT(info.external_attr >> 16), "device")
        is_folder = info.is_dir() and kind == "file"
        yield _Member(info.orig_filename, "folder" if is_folder else kind, partial(packed.open, info))


def _tar_members(archive: Path, stream: "_Forward") -> Iterator[_Member]:
    with tarfile.open(fileobj=stream, mode="r:") as packed:
        while info := packed.next():
            kinds = {
                "folder": info.isdir(),
                "link": info.issym() or info.islnk(),
                "fifo": info.isfifo(),
                "sparse file": info.issparse(),
                "file": info.isreg(),
            }
            kind = next((kind for kind, is_it in kinds.items() if is_it), "device")
            yield _Member(info.name, kind, partial(_content, packed, info))
            packed.members = []  # type: ignore[attr-defined]  # tarfile would remember each: a gigabyte for a million
    # tarfile takes any block that is no header for the end.
    if stream.last != bytes(tarfile.BLOCKSIZE):
        raise DataError(f"{archive} lacks the end mark of a tar: it is damaged or incomplete, fetch it anew")
    while stream.read(_CHUNK_BYTES):
        pass  # gzip checks its checksum at the end


def _content(packed: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    stream = packed.extractfile(info)
    assert stream is not None, "only files are opened"
    return stream


class _Forward(io.RawIOBase):
    """A stream for tarfile that goes forward only and counts all that it gives, headers and what is skipped too."""

    def __init__(self, archive: Path, stream: IO[bytes] | gzip.GzipFile, allowed: int) -> None:
        self.archive, self.stream, self.allowed = archive, stream, allowed
        self.position = 0
        self.last = b""

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.position

    def seek(self, position: int, whence: int = io.SEEK_SET) -> int:
        assert whence == io.SEEK_SET
        assert position >= self.position, "a tar is read forward"
        while self.position < position and self.read(min(_CHUNK_BYTES, position - self.position)):
            pass
        return self.position

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _LARGEST_HEADER_BYTES:
            raise DataError(f"{self.archive} has a header that claims {size:,} bytes: it is damaged or hostile")
        self.last = self.stream.read(size)
        self.position += len(self.last)
        if self.position > self.allowed:
            raise _too_much(self.archive, self.allowed)
        return self.last


def _unfold(
    archive: Path,
    members: Iterator[_Member],
    root: Path,
    max_members: int,
    allowed: int,
    advance: Callable[[int], None],
) -> None:
    unfolded = 0
    for number, member in enumerate(members, start=1):
        if number > max_members:
            raise DataError(f"{archive} holds more than {max_members:,} members: unfold it yourself if you trust it")
        name = _checked_name(archive, member)
        advance(number)
        if _JUNK & set(name.parts) or name.name.startswith("._"):
            continue
        try:
            if member.kind == "folder":
                (root / name).mkdir(parents=True, exist_ok=True)
                continue
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            with member.open() as source, (root / name).open("xb") as sink:
                while chunk := source.read(_CHUNK_BYTES):
                    unfolded += len(chunk)
                    if unfolded > allowed:
                        raise _too_much(archive, allowed)
                    sink.write(chunk)
        except (FileExistsError, NotADirectoryError, IsADirectoryError):
            raise DataError(f"{archive} holds {member.name!r} twice: pack it anew with different names") from None


def _checked_name(archive: Path, member: _Member) -> PurePosixPath:
    """Where the member goes, relative to the target; raises DataError for what would leave it or is no plain file."""
    name = member.name
    faults = {
        "an absolute path": name.startswith("/"),
        "a path with ..": ".." in re.split(r"[/\\]", name),
        "a path with a drive letter": re.match(r"[A-Za-z]:", name) is not None,
        "a path with a backslash": "\\" in name,
        "a path with a zero byte": "\0" in name,
        f"a {member.kind}": member.kind not in ("file", "folder"),
        "a file without a name": member.kind == "file" and not PurePosixPath(name).name,
    }
    for fault, is_so in faults.items():
        if is_so:
            raise DataError(f"{archive} holds {name!r}, {fault}, which may be an attack: pack it anew from plain files")
    return PurePosixPath(name)


def _damaged(archive: Path, error: Exception) -> DataError:
    return DataError(f"{archive} is damaged or incomplete ({error}): fetch it anew")


def _too_much(archive: Path, allowed: int) -> DataError:
    size = archive.stat().st_size
    return DataError(
        f"{archive} has {size:,} bytes and unfolds to more than {allowed:,}: unfold it yourself if you trust it"
    )


def _unwrap(root: Path) -> None:
    """photos/cat/1.jpg becomes cat/1.jpg where photos is all there is, and neither a class nor a part itself."""
    top, *others = root.iterdir()
    if others or not top.is_dir() or to_part(top.name) or _is_class(top):
        return
    wrapped = top.rename(root.with_name(f"{root.name}.wrapped"))
    root.rmdir()
    wrapped.rename(root)


def _is_class(folder: Path) -> bool:
    return any(entry.suffix.lower() in SUFFIXES for entry in folder.iterdir())
