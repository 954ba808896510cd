"""A new last layer for a model that stands still: what becomes of the network, its graph and its history."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from tapetum import pipeline, recipe
from tapetum.data import manifest as manifests
from tapetum.data.manifest import Manifest
from tapetum.data.scan import scan
from tapetum.errors import ConfigError
from tapetum.models.network import Network
from tapetum.progress import silent
from tapetum.recipe import Recipe
from tapetum.training.tracking import NullTracker
from tapetum.training.transfer import learn_last_layer

TINY = ("image.height=32", "image.width=32", "train.precision=fp32")


def build(pictures: Path, *overrides: str) -> Recipe:
    return recipe.for_pictures(pictures, {"bright": 40, "dark": 40}, 24, [*recipe.TRANSFER, *TINY, *overrides])


@pytest.fixture(scope="module")
def chosen(trained: Path) -> Recipe:
    return build(trained / "pictures")


@pytest.fixture(scope="module")
def manifest(trained: Path, chosen: Recipe) -> Manifest:
    return manifests.build(scan(trained / "pictures"), chosen.parts)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of caches that all use."""
    return tmp_path_factory.mktemp("cache")


def network_of(chosen: Recipe) -> Network:
    torch.manual_seed(0)
    return Network(chosen.model, 2, chosen.image)


def test_only_the_last_layer_learns_and_its_graph_learns_with_it(chosen, manifest, tmp_path):
    network = network_of(chosen)
    before = {name: value.clone() for name, value in network.state_dict().items()}

    result, _, graph = learn_last_layer(network, chosen, manifest, tmp_path, silent)

    changed = {name for name, value in network.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {"backbone.classifier.weight", "backbone.classifier.bias"}
    assert (result.epoch, result.size, result.val_accuracy) == (1, 32, 1.0)
    held = {tensor.name: tensor for tensor in onnx.load_from_string(graph.content).graph.initializer}
    for name in changed:
        np.testing.assert_array_equal(onnx.numpy_helper.to_array(held[name]), network.state_dict()[name])


def test_the_graph_is_made_once(chosen, manifest, kept):
    first = learn_last_layer(network_of(chosen), chosen, manifest, kept, silent)
    (made,) = kept.glob("graph-*.onnx")
    before = made.stat()

    again = learn_last_layer(network_of(chosen), chosen, manifest, kept, silent)

    assert made.stat() == before
    assert again.graph == first.graph


def test_rare_classes_weigh_more_where_the_recipe_says_so(trained, chosen, manifest, kept):
    samples = [sample for sample in manifest.samples if sample.label == "bright" or sample.digest < "4"]
    uneven = Manifest(manifest.root, manifest.labels, samples, [], "", manifest.parts)

    plain, weighted = (
        learn_last_layer(network_of(wanted), wanted, uneven, kept, silent).result
        for wanted in (chosen, build(trained / "pictures", "train.class_weights=true"))
    )

    assert plain.train_loss != weighted.train_loss


@pytest.mark.parametrize(
    ("overrides", "complaint"),
    [
        (["model.pretrained=false"], r"model\.pretrained is false, and what efficientnet_lite0 sees before it has"),
        (["image.kernel=bilinear"], r"set image\.kernel=bicubic$"),
    ],
)
def test_a_choice_that_cannot_be_is_a_config_error(trained, manifest, kept, overrides, complaint):
    wanted = build(trained / "pictures", *overrides)

    with pytest.raises(ConfigError, match=complaint):
        learn_last_layer(network_of(wanted), wanted, manifest, kept, silent)


def test_a_last_layer_of_another_kind_is_a_config_error(chosen, manifest, kept):
    network = network_of(chosen)
    network.backbone.named.classifier = nn.Identity()

    with pytest.raises(ConfigError, match="efficientnet_lite0 does not end in a linear layer with a bias"):
        learn_last_layer(network, chosen, manifest, kept, silent)


class Ended(Exception):
    """Something ended the process."""


def test_further_epochs_learn_all_layers_and_go_on_after_an_interruption(trained, manifest, kept, tmp_path):
    chosen = build(trained / "pictures", "train.epochs=3", "train.batch_size=16")

    def train(out: Path, resume: bool = False, last: int = 3) -> tuple[bytes, list[int]]:
        epochs = []

        def follow(result) -> None:
            epochs.append(result.epoch)
            if result.epoch == last < 3:
                raise Ended

        outcome = pipeline.train(chosen, manifest, out, kept, NullTracker(), follow, silent, resume=resume)
        return outcome.bundle.weights.read_bytes(), epochs

    whole, epochs = train(tmp_path / "whole")
    assert epochs == [1, 2, 3]
    with pytest.raises(Ended):
        train(tmp_path / "parts", last=2)

    resumed, epochs = train(tmp_path / "parts", resume=True)

    assert epochs == [3]
    assert resumed == whole
