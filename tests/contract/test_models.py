"""What every architecture of MODELS, and of timm one of each kind, must do."""

import numpy as np
import pytest
import torch

from tapetum import bundle as bundles
from tapetum.bundle import Imported
from tapetum.errors import ConfigError
from tapetum.image import Preprocess
from tapetum.inference.engine import open_engine
from tapetum.models.catalog import MODELS
from tapetum.models.network import Network
from tapetum.recipe import Model, Recipe
from tapetum.training.export import export_imported

SPEC = Preprocess(height=48, width=32)
OF_TIMM = ["test_convnext", "test_vit"]


def build(name: str) -> Network:
    torch.manual_seed(0)
    return Network(Model(architecture=name), 5, SPEC)


@pytest.fixture(scope="module", params=[*MODELS, *OF_TIMM])
def name(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def network(name) -> Network:
    """Not to be changed."""
    return build(name).eval()


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return torch.randint(0, 256, (3, 48, 32, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def test_uint8_pictures_become_logits_and_pooled_features(network, images):
    answer = network(images)

    assert answer.logits.shape == (3, 5)
    assert answer.features.shape[0] == 3
    assert answer.features.ndim == 2


@torch.no_grad()
def test_the_head_gives_the_logits_from_the_features(network, images):
    answer = network(images)

    torch.testing.assert_close(network.backbone.forward_head(answer.features), answer.logits)


@torch.no_grad()
def test_features_are_the_mean_of_the_last_feature_map_where_there_is_one(network, images):
    if not network.backbone.has_feature_map:
        assert network.backbone.forward_features(torch.zeros(1, 3, 48, 32)).ndim == 3  # tokens
        return
    normalised = (images.permute(0, 3, 1, 2).float() - network.mean) / network.std

    torch.testing.assert_close(network.backbone.forward_features(normalised).mean(dim=(2, 3)), network(images).features)


@torch.no_grad()
def test_the_answer_to_a_picture_does_not_depend_on_its_batch(network, images):
    alone = torch.cat([network(image[None]).logits for image in images])

    torch.testing.assert_close(network(images).logits, alone, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_pictures_get_different_answers(network, images):
    assert (network(images).logits.std(dim=0) > 0).all()


def test_it_can_be_trained_a_step(name, images):
    network = build(name).train()
    before = [parameter.clone() for parameter in network.parameters()]
    optimiser = torch.optim.SGD(network.parameters(), lr=0.1)
    torch.nn.functional.cross_entropy(network(images).logits, torch.tensor([0, 1, 2])).backward()
    optimiser.step()

    assert any(not torch.equal(old, new) for old, new in zip(before, network.parameters(), strict=True))


def test_the_same_seed_gives_the_same_weights(name, network):
    again = build(name)

    for old, new in zip(network.parameters(), again.parameters(), strict=True):
        assert torch.equal(old, new)


def test_exported_it_answers_the_same_from_every_engine(name, network, images, tmp_path):
    recipe = Recipe(name="tiny", title="Tiny", image=SPEC, model=Model(architecture=name))
    origin = Imported(file="x.pt", sha256="0")
    draft = export_imported(network, recipe, tuple("abcde"), origin, None, tmp_path / "draft")

    with torch.no_grad():
        expected = network(images)
    for engine in ("openvino", "onnxruntime", "torch"):
        found = open_engine(engine, bundles.load(draft.path), "fp32").infer(images.numpy())
        np.testing.assert_allclose(found.logits, expected.logits, atol=1e-4)
        np.testing.assert_allclose(found.features, expected.features, atol=1e-4)
    assert (draft.facts.feature_map is not None) == network.backbone.has_feature_map


def test_black_and_white_are_normalised_by_mean_and_std():
    spec = SPEC.model_copy(update={"mean": (0.5, 0.25, 0.0), "std": (0.5, 0.25, 1.0)})
    network = Network(Model(), 2, spec)

    def normalise(value: int) -> list[float]:
        return ((torch.full((1, 3, 1, 1), value).float() - network.mean) / network.std).flatten().tolist()

    assert normalise(0) == pytest.approx([-1.0, -1.0, 0.0])
    assert normalise(255) == pytest.approx([1.0, 3.0, 1.0])


@pytest.mark.parametrize(("name", "meant"), [("simple_cn", "simple_cnn"), ("efficientnet_b00", "efficientnet_b0")])
def test_an_unknown_name_lists_the_known(name, meant):
    with pytest.raises(ConfigError, match=f"did you mean '{meant}'.*expected one of simple_cnn, .*another"):
        Network(Model(architecture=name), 2, SPEC)
