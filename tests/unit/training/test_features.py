"""Features of a model that stands still are those of torch, and are computed once."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tapetum import image, recipe
from tapetum.data import cache
from tapetum.data import manifest as manifests
from tapetum.data.manifest import Manifest
from tapetum.data.scan import scan
from tapetum.errors import ConfigError, DataError
from tapetum.models.network import Network
from tapetum.recipe import Parts, Recipe
from tapetum.training import features

LARGEST_DIFFERENCE = 0.25  # of what is seen in plain pictures, which is little, in bf16


@pytest.fixture(scope="module")
def manifest(trained: Path) -> Manifest:
    return manifests.build(scan(trained / "pictures"), Parts())


@pytest.fixture
def chosen() -> Recipe:
    spec = {"height": 32, "width": 32, "kernel": "bicubic"}
    model = {"architecture": "efficientnet_lite0", "pretrained": True}
    return recipe.build({"name": "tiny", "title": "Tiny", "image": spec, "model": model})


def test_they_are_what_torch_computes_in_the_order_of_the_samples(chosen, manifest, tmp_path):
    samples = manifest.samples[::-7]

    found = features.of_recipe(chosen, manifest, samples, tmp_path)

    pictures = [image.decode((manifest.root / sample.path).read_bytes()) for sample in samples]
    arrays = np.stack([image.to_array(picture, chosen.image) for picture in pictures])
    with torch.inference_mode():
        expected = Network(chosen.model, 2, chosen.image).eval()(torch.from_numpy(arrays)).features.numpy()
    assert found.shape == expected.shape == (len(samples), 1280)
    assert found.dtype == np.float32
    assert np.abs(found - expected).mean() < LARGEST_DIFFERENCE * np.abs(expected).mean()
    distances = np.abs(found[:, None] - expected[None]).mean(axis=2)
    assert distances.argmin(axis=1).tolist() == list(range(len(samples)))


def test_pixels_that_are_cached_are_not_decoded_again(chosen, manifest, tmp_path):
    expected = features.of_recipe(chosen, manifest, manifest.samples[:5], tmp_path / "decoded")
    cache.build(manifest, chosen.image, tmp_path / "cached")
    gone = replace(manifest, root=tmp_path / "nowhere")

    found = features.of_recipe(chosen, gone, manifest.samples[:5], tmp_path / "cached")

    np.testing.assert_array_equal(found, expected)
    with pytest.raises(DataError, match="cannot be read any more"):
        features.of_recipe(chosen, gone, manifest.samples[:5], tmp_path / "empty")


def test_what_is_kept_needs_neither_pictures_nor_an_engine(chosen, manifest, tmp_path):
    first = features.of_recipe(chosen, manifest, manifest.samples, tmp_path)
    extractor = features.Extractor(Network(chosen.model, 3, chosen.image), chosen, tmp_path)

    again = extractor.features(replace(manifest, root=tmp_path / "nowhere"), manifest.samples[:5])

    np.testing.assert_array_equal(again, first[:5])


def test_other_pixels_or_other_weights_have_features_of_their_own(chosen, manifest, tmp_path):
    def compute(wanted: Recipe, change: float = 0) -> None:
        network = Network(wanted.model, 2, wanted.image)
        with torch.no_grad():
            next(network.backbone.parameters()).add_(change)
        features.Extractor(network, wanted, tmp_path).features(manifest, manifest.samples[:2])

    compute(chosen)
    compute(chosen, 0.1)
    compute(chosen.model_copy(update={"image": chosen.image.model_copy(update={"fit": "crop"})}))

    assert len(list(tmp_path.glob("features-*.bin"))) == 3


def test_random_weights_are_refused(chosen, manifest, tmp_path):
    random = chosen.model_copy(update={"model": chosen.model.model_copy(update={"pretrained": False})})

    with pytest.raises(ConfigError, match=r"model\.pretrained is false, and what efficientnet_lite0 sees before"):
        features.of_recipe(random, manifest, manifest.samples, tmp_path)
