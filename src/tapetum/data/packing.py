"""Pictures in one file: a .tar that is the same for the same pictures, and the folder an archive unfolds to, once."""

import hashlib
import tarfile
from pathlib import Path

from tapetum import files
from tapetum.data.archives import extract
from tapetum.progress import Advance, silent

SUFFIX = ".tar"  # not compressed: photographs are, and equal pictures shall give equal bytes
_READ = (SUFFIX, ".tar.gz", ".tgz", ".zip")
_UNFOLDED = ".unfolded"
_STAMP = ".of"


def is_packed(path: Path) -> bool:
    """An archive of pictures, by the ending of its name."""
    return path.name.lower().endswith(_READ) and path.is_file()


def pack(folder: Path, archive: Path) -> None:
    """Write all files but hidden ones, in order of their names, without dates and owners."""
    named = {path.relative_to(folder): path for path in folder.rglob("*") if path.is_file()}
    shown = {name.as_posix(): path for name, path in named.items() if not any(part[0] == "." for part in name.parts)}
    with tarfile.open(archive, "w") as packed:
        for name, path in sorted(shown.items()):
            info = tarfile.TarInfo(name)
            info.size = path.stat().st_size
            with path.open("rb") as stream:
                packed.addfile(info, stream)


def unfold(archive: Path, advance: Advance = silent) -> Path:
    """The folder beside the archive that holds its pictures, made anew where either has changed. Raises DataError."""
    folder = archive.with_name(archive.name + _UNFOLDED)
    digest = files.sha256(archive)
    if _stamp(folder) != _expected(folder, digest):
        with files.replacing(folder) as fresh:
            extract(archive, fresh, advance=advance)
            (fresh / _STAMP).write_text(_expected(fresh, digest))
    return folder


def restore(folder: Path) -> None:
    """Unfold an archive again whose folder is gone, as where only the archive was brought to this machine."""
    if folder.exists() or not folder.name.endswith(_UNFOLDED):
        return
    archive = folder.with_name(folder.name.removesuffix(_UNFOLDED))
    if is_packed(archive):
        unfold(archive)


def _stamp(folder: Path) -> str:
    stamp = folder / _STAMP
    return stamp.read_text() if stamp.is_file() else ""


def _expected(folder: Path, digest: str) -> str:
    """The archive's SHA-256 and one of names and sizes: a picture removed by hand must not go unnoticed."""
    held = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    lines = [f"{name} {path.stat().st_size}" for name, path in sorted(held.items()) if name != _STAMP]
    names = hashlib.sha256("\n".join(lines).encode(errors="surrogateescape"))
    return f"{digest} {names.hexdigest()}\n"
