"""A network's ONNX graph, written down while the network looks at pictures once.

torch's exporter traces, decomposes and optimises for ten seconds what most
convolutional networks are made of: operators that ONNX has one by one. Here
each that torch calls becomes its node. Batch norm goes into the convolution
before it, and padding into the one after it. A network that calls anything
else is left to the exporter.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

_OPSET, _IR_VERSION = 20, 10
_BATCH = 3  # pictures of the look: a view of so many rows is one of the batch


class _UnknownError(Exception):
    """The network calls what is not written down here."""


def write(network: nn.Module, size: tuple[int, ...]) -> onnx.ModelProto | None:
    """The graph of a network that does not learn: uint8 (N, height, width, 3) of `size` -> logits, features.

    Parameters keep their names. None where the network calls an operator that is not known here.
    """
    images = torch.zeros(_BATCH, *size, 3, dtype=torch.uint8)
    writer = _Writer(network, images)
    try:
        with torch.no_grad(), writer:
            answer = network(images)
        return writer.model(images, {"logits": answer.logits, "features": answer.features})
    except _UnknownError:
        return None


class _Writer(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch leaves it without types
    """Sees every operator that torch calls."""

    def __init__(self, network: nn.Module, images: torch.Tensor) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # as above
        constants = [*network.named_parameters(), *network.named_buffers()]
        self._constants = {id(value): (name, value.detach().numpy()) for name, value in constants}
        self._names = {id(images): "images"}  # of what nodes give
        self._padded: dict[int, tuple[torch.Tensor, list[int]]] = {}  # a tensor, and by how much it is larger
        self._turned: dict[int, torch.Tensor] = {}
        self._nodes: list[onnx.NodeProto] = []
        self._held: dict[str, np.ndarray] = {}
        self._folded: set[str] = set()
        self._alive: list[Any] = []  # all results: of one that is gone, another tensor could take the id

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Whether torch shall hide this from its compiler, for which it would import that: more than a second."""
        return False

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        result = function(*args, **(kwargs or {}))
        self._alive.append(result)
        name = function.overloadpacket.__name__.removesuffix("_")  # which it ends in where it works in place
        self._write(name, result[0] if isinstance(result, tuple) else result, args, kwargs or {})
        return result

    def model(self, images: torch.Tensor, outputs: Mapping[str, torch.Tensor]) -> onnx.ModelProto:
        """What was written, with the outputs by these names."""
        renamed = {self._name(tensor): name for name, tensor in outputs.items()}
        for node in self._nodes:
            for names in (node.input, node.output):
                names[:] = [renamed.get(name, name) for name in names]
        shapes = {
            "images": ["N", *images.shape[1:]],
            **{name: ["N", value.shape[1]] for name, value in outputs.items()},
        }
        entry, *answers = (
            helper.make_tensor_value_info(name, TensorProto.UINT8 if name == "images" else TensorProto.FLOAT, shape)
            for name, shape in shapes.items()
        )
        held = [numpy_helper.from_array(np.ascontiguousarray(values), name) for name, values in self._held.items()]
        graph = helper.make_graph(self._nodes, "network", [entry], answers, held)
        opsets = [helper.make_opsetid("", _OPSET)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION, producer_name="tapetum")

    def _write(self, operator: str, result: torch.Tensor, args: Sequence[Any], options: Mapping[str, Any]) -> None:
        match operator, *args:
            case "empty", *_:
                return  # batch norm's note of what it keeps for learning
            case "permute", source, [0, *order]:
                self._add("Transpose", result, [source], perm=[0, *order])
            case "_to_copy", source if options == {"dtype": torch.float32}:
                self._add("Cast", result, [source], to=TensorProto.FLOAT)
            case "add" | "sub" | "div", left, right if not options:
                self._add(operator.capitalize(), result, [left, right])
            case "relu", source:
                self._add("Relu", result, [source])
            case "hardtanh", source, low, high:
                self._add("Clip", result, [source, low, high])
            case "max_pool2d_with_indices", source, kernel, strides, *padded if len(padded) < 2:
                pads = [*padded, [0, 0]][0] * 2
                self._add("MaxPool", result, [source], kernel_shape=kernel, strides=strides, pads=pads)
            case "constant_pad_nd", source, [left, right, top, bottom], 0:
                self._padded[id(result)] = source, [top, left, bottom, right]
            case "convolution", source, weight, bias, strides, padding, dilations, False, _, groups:
                source, more = self._padded.get(id(source), (source, [0, 0, 0, 0]))
                self._add(
                    "Conv",
                    result,
                    [source, weight] if bias is None else [source, weight, bias],
                    kernel_shape=list(weight.shape[2:]),
                    strides=strides,
                    pads=[of_layer + before for of_layer, before in zip(padding * 2, more, strict=True)],
                    dilations=dilations,
                    group=groups,
                )
            case "native_batch_norm", source, scale, shift, mean, variance, False, _, epsilon:
                self._fold(result, source, scale / (variance + epsilon).sqrt(), shift, mean)
            case "mean", source, axes, *keeps if 0 not in (axes := [axis % source.ndim for axis in axes]):
                self._add("ReduceMean", result, [source, axes], keepdims=int(keeps == [True]))
            case "unsqueeze", source, axis if axis > 0:
                self._add("Unsqueeze", result, [source, [axis]])
            case "view", source, [count, *sides] if count == source.shape[0] == _BATCH:
                self._add("Reshape", result, [source, [0, *sides]])  # where 0 leaves the number as it is
            case "t", source:
                self._turned[id(result)] = source
            case "addmm", bias, source, turned if id(turned) in self._turned and not options:
                self._add("Gemm", result, [source, self._turned[id(turned)], bias], transB=1)
            case _:
                raise _UnknownError(operator)

    def _add(self, kind: str, result: torch.Tensor, inputs: Sequence[Any], **attributes: Any) -> None:
        name = f"{kind.lower()}_{len(self._nodes)}"
        names = [self._name(value) for value in inputs]
        self._nodes.append(helper.make_node(kind, names, [name], f"node_{name}", **attributes))
        self._names[id(result)] = name

    def _name(self, value: torch.Tensor | float | list[int]) -> str:
        """Of what a node gives, of what the network holds, or of a number."""
        if id(value) in self._names:
            return self._names[id(value)]
        if isinstance(value, torch.Tensor):
            name, values = self._constants.get(id(value), ("", np.empty(0)))
        elif isinstance(value, list):
            name, values = "_".join(map(str, ["sizes", *value])), np.array(value, np.int64)
        else:
            name, values = f"number_{value:g}", np.array(value, np.float32)
        if not name or name in self._folded:
            raise _UnknownError("a tensor that no node gives")
        self._held[name] = values
        return name

    def _fold(self, result: torch.Tensor, source: torch.Tensor, *of_channels: torch.Tensor) -> None:
        """Batch norm, which multiplies and adds for each channel, into the convolution that was called last."""
        convolution = self._nodes[-1]
        name = self._names.pop(id(source), "")  # and nobody else may read it any more
        weight = convolution.input[1] if convolution.op_type == "Conv" and name == convolution.output[0] else ""
        if not weight or any(weight in node.input for node in self._nodes[:-1]):
            raise _UnknownError("batch norm that follows no convolution of its own")
        factor, shift, mean = (values.detach().numpy().astype(np.float64) for values in of_channels)
        bias = self._held.pop(convolution.input[2]) if len(convolution.input) > 2 else 0
        shifts = f"{weight.removesuffix('weight')}bias"
        self._held[weight] = (self._held[weight] * factor[:, None, None, None]).astype(np.float32)
        self._held[shifts] = ((bias - mean) * factor + shift).astype(np.float32)
        convolution.input[:] = [convolution.input[0], weight, shifts]
        self._folded |= {weight, shifts}
        self._names[id(result)] = name
