"""SimpleCNN fits the checkpoints that are published for it."""

import pytest
import torch

from tapetum.models.simple_cnn import SimpleCNN


def test_it_has_422530_parameters_for_two_classes():
    assert sum(parameter.numel() for parameter in SimpleCNN(2, 0.5).parameters()) == 422_530


def test_names_are_those_of_published_checkpoints():
    names = [name for name, _ in SimpleCNN(2, 0.5).named_parameters()]
    blocks = [f"conv{block}.{layer}.{kind}" for block in range(1, 5) for layer in (0, 1) for kind in ("weight", "bias")]

    assert names == [*blocks, "fc.1.weight", "fc.1.bias", "fc.4.weight", "fc.4.bias"]


def test_the_state_runs_from_the_first_convolution_to_the_last_bias():
    names = list(SimpleCNN(2, 0.5).state_dict())

    assert (names[0], names[-1]) == ("conv1.0.weight", "fc.4.bias")


@pytest.mark.parametrize(("height", "width"), [(16, 16), (32, 48), (50, 31), (128, 128)])
def test_the_feature_map_is_a_sixteenth_of_the_picture(height, width):
    features = SimpleCNN(2, 0.5).eval().forward_features(torch.zeros(3, 3, height, width))

    assert features.shape == (3, 256, height // 16, width // 16)


@pytest.mark.parametrize("n_classes", [2, 10])
def test_the_head_gives_one_logit_a_class(n_classes):
    assert SimpleCNN(n_classes, 0.5).eval().forward_head(torch.zeros(3, 256)).shape == (3, n_classes)


@pytest.mark.parametrize(("dropout", "differs"), [(0.0, False), (0.5, True)])
def test_dropout_acts_while_training(dropout, differs):
    torch.manual_seed(0)
    network = SimpleCNN(2, dropout).train()
    features = torch.rand(3, 256)

    assert torch.equal(network.forward_head(features), network.forward_head(features)) is not differs


def test_dropout_is_off_in_use():
    torch.manual_seed(0)
    network = SimpleCNN(2, 0.5).eval()
    features = torch.rand(3, 256)

    assert torch.equal(network.forward_head(features), network.forward_head(features))
