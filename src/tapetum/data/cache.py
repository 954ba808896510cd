"""Decoded pictures on disk, so that an epoch costs no decoding."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tapetum import files, image
from tapetum.data.manifest import Manifest
from tapetum.data.sample import Sample
from tapetum.data.scan import read
from tapetum.image import Preprocess
from tapetum.machine import cores
from tapetum.progress import Advance, silent

_CHUNK = 256


def key(manifest: Manifest, spec: Preprocess) -> str:
    """What the pixels depend on: the pictures, the size and kernel, and the decoders."""
    geometry = spec.model_dump_json(exclude={"mean", "std"})
    order = "\n".join(sample.digest for sample in manifest.samples)
    return hashlib.sha256("\n".join((geometry, image.decoder_version(), order)).encode()).hexdigest()[:16]


def build(manifest: Manifest, spec: Preprocess, folder: Path, advance: Advance = silent) -> np.ndarray:
    """uint8 (N, H, W, 3), memory-mapped, in the order of `manifest.samples`; made where it is not there yet.

    Raises ResourceError when the disk is too full, DataError when a picture
    changed since the manifest was written.
    """
    path = _path(manifest, spec, folder)
    if (made := _read(path)) is None:
        shape = (len(manifest.samples), spec.height, spec.width, 3)
        files.require_space(folder, int(np.prod(shape)))
        with files.replacing(path) as fresh, fresh.open("wb") as stream, ThreadPoolExecutor(cores()) as pool:
            header = {"descr": "|u1", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(stream, header)
            for start in range(0, len(manifest.samples), _CHUNK):
                chunk = manifest.samples[start : start + _CHUNK]
                for pixels in pool.map(lambda sample: decoded(manifest.root, sample, spec), chunk):
                    stream.write(pixels.tobytes())
                advance("decode pictures", start + len(chunk), len(manifest.samples))
        made = np.asarray(np.load(path, mmap_mode="r"))
    return made


def find(manifest: Manifest, spec: Preprocess, folder: Path) -> np.ndarray | None:
    """What `build` would give, where it has been made."""
    return _read(_path(manifest, spec, folder))


def decoded(root: Path, sample: Sample, spec: Preprocess) -> np.ndarray:
    """One picture, uint8 (H, W, 3). Raises DataError when it changed since the manifest was written."""
    return image.read(read(root, sample), spec)[0]


@dataclass(frozen=True)
class Rows:
    """Some rows of the cache, read only when they are asked for: the whole may be larger than memory."""

    pixels: np.ndarray
    rows: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, key: int | slice) -> np.ndarray:
        """One picture (H, W, 3), or a copy of several (n, H, W, 3)."""
        return np.asarray(self.pixels[self.rows[key]])


def _read(path: Path) -> np.ndarray | None:
    """What was made; None where nothing is, or where a disk has lost a part of it."""
    try:
        return np.asarray(np.load(path, mmap_mode="r"))
    except (FileNotFoundError, EOFError, ValueError):
        return None


def _path(manifest: Manifest, spec: Preprocess, folder: Path) -> Path:
    return folder / f"{key(manifest, spec)}.npy"
