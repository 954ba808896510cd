"""What every architecture of MODELS must do."""

import pytest
import torch

from tapetum.errors import ConfigError
from tapetum.image import Preprocess
from tapetum.models.catalog import MODELS
from tapetum.models.network import Network

SPEC = Preprocess(height=48, width=32)


@pytest.fixture(params=list(MODELS))
def network(request) -> Network:
    torch.manual_seed(0)
    return Network(request.param, 5, SPEC).eval()


def test_uint8_pictures_become_logits_and_pooled_features(network):
    answer = network(torch.zeros(3, 48, 32, 3, dtype=torch.uint8))

    assert answer.logits.shape == (3, 5)
    assert answer.features.ndim == 2


def test_features_are_the_mean_of_the_last_feature_map(network):
    images = torch.randint(0, 256, (2, 48, 32, 3), dtype=torch.uint8)
    normalised = (images.permute(0, 3, 1, 2).float() - network.mean) / network.std

    with torch.no_grad():
        feature_map = network.backbone.forward_features(normalised)
        answer = network(images)
        head = network.backbone.forward_head(answer.features)

    torch.testing.assert_close(feature_map.mean(dim=(2, 3)), answer.features)
    torch.testing.assert_close(head, answer.logits)


def test_black_and_white_are_normalised_by_mean_and_std():
    network = Network("simple_cnn", 2, SPEC.model_copy(update={"mean": (0.5, 0.25, 0.0), "std": (0.5, 0.25, 1.0)}))

    def normalise(value: int) -> list[float]:
        return ((torch.full((1, 3, 1, 1), value).float() - network.mean) / network.std).flatten().tolist()

    assert normalise(0) == pytest.approx([-1.0, -1.0, 0.0])
    assert normalise(255) == pytest.approx([1.0, 3.0, 1.0])


def test_it_can_be_trained_a_step(network):
    network.train()
    before = [parameter.clone() for parameter in network.parameters()]
    optimiser = torch.optim.SGD(network.parameters(), lr=0.1)
    logits = network(torch.randint(0, 256, (4, 48, 32, 3), dtype=torch.uint8)).logits
    torch.nn.functional.cross_entropy(logits, torch.tensor([0, 1, 2, 3])).backward()
    optimiser.step()

    assert any(not torch.equal(old, new) for old, new in zip(before, network.parameters(), strict=True))


def test_the_same_seed_gives_the_same_weights(network):
    torch.manual_seed(0)
    again = Network(next(iter(MODELS)), 5, SPEC)

    for old, new in zip(network.parameters(), again.parameters(), strict=True):
        assert torch.equal(old, new)


def test_an_unknown_name_lists_the_known():
    with pytest.raises(ConfigError, match="did you mean 'simple_cnn'"):
        Network("simple_cn", 2, SPEC)
