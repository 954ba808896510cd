"""A graph in int8: the layers before the head, all or but some."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import GraphProto

from tapetum import bundle as bundles
from tapetum.training.quantise import Quantiser

LAYERS = ("conv1.0", "conv2.0", "conv3.0", "conv4.0")


@pytest.fixture(scope="module")
def quantiser(bundle_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Quantiser:
    source = bundles.load(bundle_path)
    return Quantiser(source.graph, source.golden().arrays, tmp_path_factory.mktemp("quantiser"))


def graph(content: bytes) -> GraphProto:
    return onnx.load_from_string(content).graph


def in_int8(found: GraphProto) -> set[str]:
    """Layers whose weights are integers."""
    integers = {array.name for array in found.initializer if array.data_type == onnx.TensorProto.INT8}
    return {layer for layer in (*LAYERS, "fc.1", "fc.4") if f"backbone.{layer}.weight_quantized" in integers}


def test_layers_are_called_as_their_weights_and_the_head_is_none(quantiser):
    assert quantiser.layers == LAYERS


def test_every_layer_before_the_head_is_in_int8(quantiser):
    assert in_int8(graph(quantiser.graph())) == set(LAYERS)


@pytest.mark.parametrize("kept", [("conv1.0",), ("conv2.0", "conv4.0"), LAYERS[:3]])
def test_layers_that_are_kept_are_not(quantiser, kept):
    assert in_int8(graph(quantiser.graph(kept))) == set(LAYERS) - set(kept)


def test_pooled_features_and_logits_are_not_rounded(quantiser):
    found = graph(quantiser.graph())
    makers = {output: node.op_type for node in found.node for output in node.output}

    assert makers["features"] == "ReduceMean"
    assert makers["logits"] == "Gemm"


def test_input_and_outputs_are_those_of_the_graph_in_fp32(quantiser, bundle_path):
    before = onnx.load(bundle_path / "model.onnx").graph
    after = graph(quantiser.graph())

    assert list(after.input) == list(before.input)
    assert [output.name for output in after.output] == ["logits", "features"]


def test_the_same_pictures_give_the_same_graph(quantiser, bundle_path, tmp_path):
    source = bundles.load(bundle_path)
    again = Quantiser(source.graph, np.copy(source.golden().arrays), tmp_path)

    assert again.graph() == quantiser.graph()
