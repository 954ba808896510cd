"""From a graph in fp32 to one in int8, whole or without some layers: ONNX Runtime's static quantisation.

Weights get a scale for each output channel, values between layers one for each
tensor, from the least and the largest that calibration pictures cause. The
result is plain ONNX (QuantizeLinear, DequantizeLinear), which OpenVINO and
ONNX Runtime both compute in integers.
"""

from collections.abc import Collection, Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.quant_utils import add_pre_process_metadata

METHOD = f"ONNX Runtime {onnxruntime.__version__}, static"
_LAYERS = ("Conv", "Gemm", "MatMul", "Add")
# These hand integers on. Of the first two nothing is left behind a layer: its scale covers only what they let through.
_BETWEEN = ("Relu", "Clip", "MaxPool")


class Quantiser:
    """A graph with the ranges of its values, of which graphs in int8 can be made; `layers` are their names in order."""

    def __init__(self, graph: Path, images: np.ndarray, workplace: Path) -> None:
        """`images` are uint8 (N, H, W, 3) of the training part; `workplace` is an empty folder."""
        model = onnx.load(graph)
        # The exporter has folded what ONNX Runtime's preparation would, and it warns of that unless it is told.
        add_pre_process_metadata(model)
        onnx.save(model, workplace / "prepared.onnx")
        self._images = images
        self._workplace = workplace
        self._nodes = {_name(node): node.name for node in _layers(model.graph)}
        self._never = [
            node.name for node in model.graph.node if node.op_type in _LAYERS and node.name not in self._nodes.values()
        ]
        self.layers = tuple(self._nodes)

    def graph(self, kept: Collection[str] = ()) -> bytes:
        """The graph in int8 but for the layers `kept`, as ONNX bytes. At least one must be left."""
        assert set(self.layers) - set(kept), "without a layer in int8 there is nothing to make"
        made = self._workplace / "made.onnx"
        quantize_static(
            self._workplace / "prepared.onnx",
            made,
            _Images(self._images),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=[*_LAYERS, *_BETWEEN],
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=[*self._never, *(self._nodes[layer] for layer in kept)],
            calibration_cache_path=self._workplace / "ranges.json",
        )
        return made.read_bytes()


class _Images(CalibrationDataReader):  # type: ignore[misc]  # it comes without types
    def __init__(self, images: np.ndarray) -> None:
        self._left = iter(images)

    def get_next(self) -> dict[str, np.ndarray] | None:
        image = next(self._left, None)
        return None if image is None else {"images": image[None]}


def _layers(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """What can be in int8: the layers before the head, and the sums where branches meet.

    The head reads pooled features, so it costs next to nothing, and its logits are not rounded. A sum with a constant
    is the bias of the layer before it, with which engines compute it.
    """
    constants = {array.name for array in graph.initializer}
    after_pooling = {"features"}
    for node in graph.node:
        if after_pooling & set(node.input):
            after_pooling |= set(node.output)
        elif node.op_type in _LAYERS and not (node.op_type == "Add" and constants & set(node.input)):
            yield node


def _name(node: onnx.NodeProto) -> str:
    """A layer as its weights are called, such as conv1.0; one without weights as the graph calls it."""
    weights = next((name for name in node.input if name.endswith(".weight")), None)
    return weights.removeprefix("backbone.").removesuffix(".weight") if weights else node.name.removeprefix("node_")
