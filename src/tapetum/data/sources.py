"""Where pictures come from: each source fills a folder laid out as CLASS/picture."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from tapetum import files
from tapetum.errors import ConfigError, DataError
from tapetum.registry import Registry

SOURCES: Registry[Callable[[Path], None]] = Registry("source")


def fetch(source: str, target: Path) -> None:
    """Fill `target` from a source of SOURCES, or from a folder; a target that exists is kept.

    `target` takes its name only when it is complete. Raises ConfigError for an
    unknown source, DataError for what the source lacks.
    """
    if target.exists():
        return
    folder = Path(source)
    if folder.is_dir() and source not in SOURCES:
        if target.resolve().is_relative_to(folder.resolve()):
            raise ConfigError(f"--to {target} lies inside the source {folder}: choose a folder outside it")
        with files.replacing(target) as fresh:
            shutil.copytree(folder, fresh)
        return
    fill = SOURCES.get(source)
    with files.replacing(target) as fresh:
        fresh.mkdir()
        fill(fresh)


def _digits(target: Path) -> None:
    """1,797 handwritten digits of 8×8 pixels, as scikit-learn ships them (UCI, Alpaydin and Kaynak 1998)."""
    try:
        from sklearn.datasets import load_digits  # an extra: only this source needs it
    except ImportError:
        raise DataError("the digits come with scikit-learn: pip install 'tapetum[train]'") from None
    digits = load_digits()
    for number, (values, label) in enumerate(zip(digits.images, digits.target, strict=True)):
        folder = target / str(label)
        folder.mkdir(exist_ok=True)
        # The values run from 0 to 16.
        Image.fromarray((values * 255 / 16).round().astype(np.uint8)).save(folder / f"{number:04}.png")


SOURCES.add("digits", _digits)
