"""A model is served the very pixels that it was trained on, whatever the file and the preprocessing."""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from conftest import encode
from PIL import Image

from tapetum import bundle as bundles
from tapetum.bundle import Bundle, Precision
from tapetum.data import cache
from tapetum.data.manifest import Manifest
from tapetum.data.sample import Sample
from tapetum.image import Kernel, Preprocess
from tapetum.inference.engine import Outputs
from tapetum.inference.predictor import Prediction, Predictor


class Watching:
    """An engine that keeps what it was given and likes the first class best."""

    name = "watching"
    precision: Precision = "fp32"
    device = "cpu"

    def __init__(self) -> None:
        self.given = np.empty(0)

    def infer(self, images: np.ndarray) -> Outputs:
        self.given = images
        return Outputs(np.eye(1, 2, dtype=np.float32).repeat(len(images), 0), np.zeros((len(images), 1), np.float32))


def turned(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """JPEGs as cameras, scanners and presses write them, some of 12 megapixels, and PNGs with and without alpha."""
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8))
    shades = coarse.resize((331, 250), Image.Resampling.BICUBIC)
    pixels = (np.asarray(shades, np.int16) + rng.integers(-9, 10, (250, 331, 3))).clip(0, 255).astype(np.uint8)
    alpha = np.dstack([pixels, pixels[::-1, :, 0]])
    large = np.asarray(Image.fromarray(pixels).resize((4000, 3000), Image.Resampling.BICUBIC))
    files = {
        "colour.jpg": encode(pixels),
        "progressive.jpg": encode(pixels, progressive=True),
        "grey.jpg": encode(pixels[..., 0]),
        "large.jpg": encode(large, quality=90),
        "large-turned.jpg": encode(large, quality=90, exif=turned(6)),
        "plain.png": encode(pixels, "PNG"),
        "alpha.png": encode(alpha, "PNG"),
        "small.webp": encode(pixels[:40, :30], "WEBP"),
        "thread.png": encode(pixels[:, :2], "PNG"),
        **{f"turned-{tag}.jpg": encode(pixels, exif=turned(tag)) for tag in range(2, 9)},
    }
    root = tmp_path_factory.mktemp("kinds")
    Image.fromarray(pixels).convert("CMYK").save(root / "cmyk.jpg")
    for name, content in files.items():
        (root / name).write_bytes(content)
    samples = [
        Sample(path.name, "cat", "train", hashlib.sha256(path.read_bytes()).hexdigest())
        for path in sorted(root.iterdir())
    ]
    return Manifest(root, ("cat", "dog"), samples, [], "")


@pytest.fixture(scope="module")
def bundle(bundle_path: Path) -> Bundle:
    return bundles.load(bundle_path)


@pytest.mark.parametrize("fit", ["squash", "crop"])
@pytest.mark.parametrize("kernel", get_args(Kernel))
def test_training_and_serving_see_the_same_pixels(manifest, bundle, tmp_path, kernel, fit):
    spec = Preprocess(height=96, width=80, fit=fit, crop_share=0.875, kernel=kernel)
    engine = Watching()
    predictor = Predictor(replace(bundle, facts=bundle.facts.model_copy(update={"preprocess": spec})), engine)

    trained_on = cache.build(manifest, spec, tmp_path)
    answers = predictor.predict([(manifest.root / sample.path).read_bytes() for sample in manifest.samples])

    assert len(manifest.samples) == 17
    assert all(isinstance(answer, Prediction) for answer in answers)
    np.testing.assert_array_equal(engine.given, trained_on)
