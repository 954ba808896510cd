"""Decoded pictures on disk, so that an epoch costs no decoding."""

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from tapetum import files, image
from tapetum.data.manifest import Manifest
from tapetum.data.sample import Sample
from tapetum.errors import DataError, PictureError
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
    path = folder / f"{key(manifest, spec)}.npy"
    if not path.exists():
        shape = (len(manifest.samples), spec.height, spec.width, 3)
        files.require_space(folder, int(np.prod(shape)))
        with files.replacing(path) as fresh, _written(fresh, shape) as pixels, ThreadPoolExecutor(cores()) as pool:
            for start in range(0, len(pixels), _CHUNK):
                chunk = manifest.samples[start : start + _CHUNK]
                pixels[start : start + len(chunk)] = list(
                    pool.map(lambda sample: _read(manifest.root, sample, spec), chunk)
                )
                advance("decode pictures", start + len(chunk), len(pixels))
    return np.asarray(np.load(path, mmap_mode="r"))


@contextmanager
def _written(path: Path, shape: tuple[int, ...]) -> Iterator[np.ndarray]:
    pixels = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
    yield pixels
    pixels.flush()


def _read(root: Path, sample: Sample, spec: Preprocess) -> np.ndarray:
    path = root / sample.path
    try:
        content = path.read_bytes()
        if hashlib.sha256(content).hexdigest() != sample.digest:
            raise DataError(f"{path} changed since the manifest was written: run `tapetum data split` again")
        return image.to_array(image.decode(content), spec)
    except (OSError, PictureError) as error:
        raise DataError(f"{path} cannot be read any more: {error}; run `tapetum data split` again") from error
