"""A graph written down from one look is the network, and what cannot be written is left to torch's exporter."""

from typing import NamedTuple

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from tapetum.image import Preprocess
from tapetum.models.network import Answer, Network
from tapetum.recipe import Model
from tapetum.training.export import to_graph
from tapetum.training.writing import write


class Case(NamedTuple):
    """An architecture for pictures of a size."""

    model: Model
    height: int
    width: int


CASES = {
    "simple_cnn": Case(Model(), 32, 48),
    "efficientnet_lite0": Case(Model(architecture="efficientnet_lite0"), 33, 50),
    "resnet18": Case(Model(architecture="resnet18", stem="small"), 32, 32),
}


def network_of(case: Case) -> Network:
    """Untrained, but with batch norm that changes what it sees."""
    torch.manual_seed(0)
    network = Network(case.model, 3, Preprocess(height=case.height, width=case.width))
    with torch.no_grad():
        for _ in range(3):
            network(torch.from_numpy(pictures(case, 8)))
    return network.eval()


def pictures(case: Case, count: int) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 256, (count, case.height, case.width, 3), dtype=np.uint8)


@pytest.mark.parametrize("name", CASES)
def test_it_answers_as_the_network_in_batches_of_any_size(name):
    case = CASES[name]
    network = network_of(case)

    written = write(network, (case.height, case.width))

    onnx.checker.check_model(written, full_check=True)
    session = onnxruntime.InferenceSession(written.SerializeToString(), providers=["CPUExecutionProvider"])
    for count in (1, 5):
        images = pictures(case, count)
        with torch.inference_mode():
            answer = network(torch.from_numpy(images))
        found = session.run(["logits", "features"], {"images": images})
        for ours, theirs in zip(found, answer, strict=True):
            np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_batch_norm_and_padding_are_in_the_convolutions_and_weights_keep_their_names():
    network = network_of(CASES["efficientnet_lite0"])

    graph = write(network, (33, 50)).graph

    kinds = {node.op_type for node in graph.node}
    assert not kinds & {"BatchNormalization", "Pad"}
    held = {tensor.name for tensor in graph.initializer}
    assert {name for name, value in network.named_parameters() if value.ndim > 1} <= held
    assert "backbone.classifier.bias" in held


class Odd(nn.Module):
    """A network of a convolution and batch norm, used as `way` says."""

    def __init__(self, way: str) -> None:
        super().__init__()
        self.convolution, self.normaliser = nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3)
        self.way = way

    def forward(self, images: torch.Tensor) -> Answer:
        seen = self.convolution(images.permute(0, 3, 1, 2).float())
        normalised = self.normaliser(seen)
        if self.way == "what is normalised is read as it was, too":
            normalised = normalised + seen
        elif self.way == "two layers share weights":
            normalised = self.normaliser(self.convolution(normalised))
        elif self.way == "an operator that is not known":
            normalised = normalised.erf()
        elif self.way == "a tensor from nowhere":
            normalised = normalised + torch.ones(3, 1, 1)
        elif self.way == "pictures are mixed":
            normalised = normalised - normalised.mean(dim=0, keepdim=True)
        features = normalised.mean(dim=(2, 3))
        return Answer(features, features + 1.0)


@pytest.mark.parametrize(
    "way",
    [
        "what is normalised is read as it was, too",
        "two layers share weights",
        "an operator that is not known",
        "a tensor from nowhere",
        "pictures are mixed",
    ],
)
def test_what_it_does_not_know_it_does_not_write(way):
    assert write(Odd("nothing of this").eval(), (8, 8)) is not None
    assert write(Odd(way).eval(), (8, 8)) is None


def test_torchs_exporter_does_what_is_not_known():
    case = Case(Model(architecture="mobilenetv3_small_050"), 32, 32)
    network = network_of(case)
    assert write(network, (32, 32)) is None

    graph = to_graph(network, (32, 32))

    session = onnxruntime.InferenceSession(graph.content, providers=["CPUExecutionProvider"])
    images = pictures(case, 4)
    with torch.inference_mode():
        answer = network(torch.from_numpy(images))
    np.testing.assert_allclose(session.run(["logits"], {"images": images})[0], answer.logits, atol=1e-4)
