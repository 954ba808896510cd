"""Where pictures come from: each source fills a folder laid out as CLASS/picture or PART/CLASS/picture."""

import os
import shutil
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np
from PIL import Image

from tapetum import files
from tapetum.data import cifar10, kaggle, packing
from tapetum.data.archives import extract
from tapetum.data.download import checked_sha256, download
from tapetum.data.limit import surplus
from tapetum.errors import ConfigError, DataError, DownloadError
from tapetum.progress import Advance, silent
from tapetum.registry import Registry


class Source(Protocol):
    """Makes and fills the folder `target`; a file `kept` outlives a failed try, for what a download has brought."""

    def __call__(self, target: Path, kept: Path, advance: Advance) -> None:
        """Do so."""


SOURCES: Registry[Source] = Registry("source")


def fetch(
    source: str, target: Path, limit: int | None = None, sha256: str | None = None, advance: Advance = silent
) -> bool:
    """Fill `target` from a name in SOURCES, an address, an archive or a folder; False where it exists and is kept.

    A `target` that ends in .tar becomes one file. `limit` pictures are taken,
    evenly over parts and classes; `sha256` is that of an archive. `target`
    takes its name only when it is complete. Raises ConfigError for an unknown
    source, DataError for what the source lacks, DownloadError, ResourceError.
    """
    checked_sha256(sha256)
    if target.exists():
        return False
    if target.name.lower().endswith((".zip", ".gz", ".tgz")):
        raise ConfigError(f"--to {target}: expected a folder or a .tar, since photographs compress no further")
    fill = _source(source, target, limit, sha256)
    with files.replacing(target) as fresh:
        is_packed = target.suffix == packing.SUFFIX
        folder = fresh.with_name("pictures") if is_packed else fresh
        fill(folder, target.with_name(f"{target.name}.download"), advance)
        if limit is not None:
            for picture in surplus(folder, limit):
                picture.unlink()
        if is_packed:
            packing.pack(folder, fresh)
    return True


def _source(source: str, target: Path, limit: int | None, sha256: str | None) -> Source:
    """What fills a folder from here; raises ConfigError before anything is made."""
    path = Path(source)
    if "://" in source:
        return partial(_unfold_address, source, sha256)
    if source not in SOURCES and path.is_file():
        return partial(_unfold_file, path, sha256)
    if sha256:
        raise ConfigError(f"--sha256 is given for {source}: it goes with an address or an archive")
    if source in SOURCES or not path.is_dir():
        return _named(source)
    if target.resolve().is_relative_to(path.resolve()):
        raise ConfigError(f"--to {target} lies inside the source {path}: choose a folder outside it")
    return partial(_copy, path, limit)


def _named(source: str) -> Source:
    try:
        return SOURCES.get(source)
    except ConfigError as error:
        raise ConfigError(
            f"{error}, feedback (with --from), an http address, or an archive or a folder that exists"
        ) from None


def _copy(folder: Path, limit: int | None, target: Path, kept: Path, advance: Advance) -> None:
    left_out = set() if limit is None else surplus(folder, limit)

    def ignored(place: str, names: list[str]) -> set[str]:
        above = {os.path.realpath(each) for each in (Path(place), *Path(place).parents)}
        paths = {name: Path(place, name) for name in names}
        return {name for name, path in paths.items() if path in left_out or _has_no_copy(path, above)}

    shutil.copytree(folder, target, ignore=ignored, ignore_dangling_symlinks=True)


def _has_no_copy(path: Path, above: set[str]) -> bool:
    """A pipe or a device, or a link to a folder that it lies in."""
    is_folder = os.path.isdir(path)
    is_other = os.path.exists(path) and not is_folder and not os.path.isfile(path)
    return is_other or (is_folder and os.path.realpath(path) in above)


def _unfold_address(url: str, sha256: str | None, target: Path, kept: Path, advance: Advance) -> None:
    download(url, kept, sha256, advance)
    try:
        extract(kept, target, advance=advance)
    finally:
        kept.unlink()


def _unfold_file(archive: Path, sha256: str | None, target: Path, kept: Path, advance: Advance) -> None:
    if sha256 and (found := files.sha256(archive)) != sha256.lower():
        raise DownloadError(f"{archive} has the SHA-256 {found}, expected {sha256.lower()}: fetch it anew")
    extract(archive, target, advance=advance)


def _digits(target: Path, kept: Path, advance: Advance) -> None:
    """1,797 handwritten digits of 8×8 pixels, as scikit-learn ships them (UCI, Alpaydin and Kaynak 1998)."""
    try:
        from sklearn.datasets import load_digits  # an extra: only this source needs it
    except ImportError:
        raise DataError("the digits come with scikit-learn: pip install 'tapetum[train]'") from None
    digits = load_digits()
    for number, (values, label) in enumerate(zip(digits.images, digits.target, strict=True)):
        folder = target / str(label)
        folder.mkdir(parents=True, exist_ok=True)
        # The values run from 0 to 16.
        Image.fromarray((values * 255 / 16).round().astype(np.uint8)).save(folder / f"{number:04}.png")


SOURCES.add("digits", _digits)
SOURCES.add("cats-dogs", kaggle.fill)
SOURCES.add("cifar10", cifar10.fill)
