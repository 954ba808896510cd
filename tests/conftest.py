"""Small real things that many tests need: pictures in bytes, and a folder of them."""

import fcntl
import io
import os
import shutil
import sqlite3
from collections.abc import Callable, Generator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tapetum import bundle as bundles
from tapetum import pipeline, recipe
from tapetum.data import manifest as manifests
from tapetum.evaluation.quantise import quantise
from tapetum.progress import silent
from tapetum.quantised import Bounds
from tapetum.training.tracking import NullTracker


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtestloop(session: pytest.Session) -> Generator[None, object, object]:
    """Leave out what processes had half written of their coverage when they were killed, before it is combined.

    A file with a torn page is an error to coverage, which would end a run whose every test has passed.
    """
    result = yield
    if "PYTEST_XDIST_WORKER" not in os.environ:
        for file in session.config.rootpath.glob(".coverage.*"):
            if not is_whole(file):
                file.unlink()
    return result


def is_whole(database: Path) -> bool:
    """Whether a file of coverage can be read to its end."""
    try:
        with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro&immutable=1", uri=True)) as opened:
            opened.execute("select version from coverage_schema").fetchone()
            return opened.execute("pragma quick_check").fetchone() == ("ok",)
    except sqlite3.DatabaseError:
        return False


def encode(pixels: np.ndarray, kind: str = "JPEG", **options: object) -> bytes:
    """uint8 (H, W) or (H, W, 3) -> the bytes of a picture file."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind, **options)
    return stream.getvalue()


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture
def jpeg(rng: np.random.Generator) -> bytes:
    """A photograph-like JPEG, 60 wide and 40 high."""
    coarse = rng.integers(0, 256, (5, 8, 3), dtype=np.uint8)
    return encode(np.asarray(Image.fromarray(coarse).resize((60, 40), Image.Resampling.BICUBIC)))


def blob(rng: np.random.Generator, is_bright: bool, size: int = 24) -> np.ndarray:
    """uint8 (size, size, 3): noise around a light or a dark mean, which a small model tells apart at once."""
    noise = rng.normal(180 if is_bright else 70, 30, (size, size, 3))
    return noise.clip(0, 255).astype(np.uint8)


def fill(root: Path) -> Path:
    """80 PNG pictures of two classes, laid out as CLASS/picture."""
    rng = np.random.default_rng(1)
    for label in ("bright", "dark"):
        (root / label).mkdir(parents=True)
        for number in range(40):
            (root / label / f"{number:02}.png").write_bytes(encode(blob(rng, label == "bright"), "PNG"))
    return root


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """80 pictures, bright and dark."""
    return fill(tmp_path / "pictures")


Once = Callable[[str, Callable[[Path], object]], Path]


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Once:
    """Have an empty folder filled by the first worker that asks for its name; the others wait, and get it as it is."""
    ours = tmp_path_factory.getbasetemp()
    root = ours.parent if "PYTEST_XDIST_WORKER" in os.environ else ours

    def folder(name: str, fill: Callable[[Path], object]) -> Path:
        place = root / f"shared-{name}"
        with (root / f"{place.name}.lock").open("a+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            lock.seek(0)
            if not lock.read():
                shutil.rmtree(place, ignore_errors=True)  # what a worker left that failed
                place.mkdir()
                fill(place)
                lock.write("filled")
        return place

    return folder


@pytest.fixture(scope="session")
def trained(once: Once) -> Path:
    """The folder of a finished run that tells bright from dark; its bundle is sealed. Not to be changed."""

    def train(out: Path) -> None:
        pictures = fill(out / "pictures")
        chosen = recipe.for_pictures(
            pictures, {"bright": 40, "dark": 40}, 24, ["image.height=16", "image.width=16", "train.epochs=4"]
        )
        manifest, _ = pipeline.divide(pictures, chosen.parts, out, silent)
        outcome = pipeline.train(chosen, manifest, out, out / "cache", NullTracker(), lambda result: None, silent)
        assert outcome.bundle.is_sealed

    return once("run", train)


@pytest.fixture(scope="session")
def bundle_path(trained: Path) -> Path:
    """A sealed bundle, not to be changed."""
    return trained / "bundle"


@pytest.fixture(scope="session")
def int8_path(trained: Path, once: Once) -> Path:
    """The sealed bundle with a graph in int8, not to be changed."""

    def make(out: Path) -> None:
        manifest = manifests.load(trained / "manifest.json")
        outcome = quantise(bundles.load(trained / "bundle"), manifest, out / "bundle", Bounds())
        assert outcome.bundle is not None

    return once("int8", make) / "bundle"


@pytest.fixture(scope="session")
def bright(trained: Path) -> bytes:
    """A bright picture as PNG bytes."""
    return (trained / "pictures" / "bright" / "00.png").read_bytes()


@pytest.fixture
def own_bundle(bundle_path: Path, tmp_path: Path) -> Path:
    """A copy of the sealed bundle, to be changed at will."""
    return Path(shutil.copytree(bundle_path, tmp_path / "bundle"))
