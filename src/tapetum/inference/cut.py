"""A bundle's graph, cut where global average pooling reads it: what the network saw last, and its head alone.

OpenVINO computes both whatever the engine, since it comes with every install
and cuts a graph without torch; in fp32, since small differences need digits.
"""

from typing import NamedTuple

import numpy as np
import openvino
from openvino import opset13
from openvino.properties import hint, inference_num_threads

from tapetum import files
from tapetum.bundle import Bundle
from tapetum.errors import BundleError, EngineError


class Seen(NamedTuple):
    """Of one picture float32 `feature_map` (C, h, w) and its means `features` (C,), which the head reads."""

    feature_map: np.ndarray
    features: np.ndarray


class Cut:
    """Both parts, compiled for one thread, and called from one at a time."""

    def __init__(self, body: openvino.CompiledModel, head: openvino.CompiledModel, feature_map: str) -> None:
        self._body = body.create_infer_request()
        self._head = head.create_infer_request()
        self._feature_map = feature_map
        height, width = (body.output(feature_map).get_partial_shape()[axis].get_length() for axis in (2, 3))
        self.size: tuple[int, int] = height, width  # of the feature map, in cells

    def see(self, picture: np.ndarray) -> Seen:
        """uint8 (H, W, 3) of the bundle's height and width -> Seen."""
        self._body.infer([np.ascontiguousarray(picture[None])])
        seen = (self._body.get_tensor(output).data[0].copy() for output in (self._feature_map, "features"))
        return Seen(*seen)

    def judge(self, features: np.ndarray) -> np.ndarray:
        """Pooled features, float32 (N, C) -> logits, float32 (N, K)."""
        self._head.infer([features])
        logits: np.ndarray = self._head.get_tensor("logits").data.copy()
        return logits


def open_cut(bundle: Bundle) -> Cut | None:
    """Cut a bundle's graph; None where its architecture has no feature map.

    Raises BundleError where it is no longer the one that was opened, EngineError where it cannot be cut.
    """
    name = bundle.facts.feature_map
    if name is None:
        return None
    recorded = (bundle.facts.files or {}).get(bundle.graph.name)
    # The bundle may have been opened long ago: a graph that was put in its place since belongs to other facts.
    if recorded not in (None, files.sha256(bundle.graph)):
        raise BundleError(f"{bundle.graph} has changed since it was opened: reload it, or start again")
    core = openvino.Core()
    options = {hint.inference_precision: openvino.Type.f32, inference_num_threads: 1}
    try:
        body, whole = core.read_model(bundle.graph), core.read_model(bundle.graph)
        body.add_outputs(name)
        pooled = whole.output("features").get_node().input_value(0)
        entry = opset13.parameter(pooled.get_partial_shape(), np.float32)
        for reader in pooled.get_target_inputs():
            reader.replace_source_output(entry.output(0))
        head = openvino.Model([whole.output("logits").get_node()], [entry], "head")
        return Cut(core.compile_model(body, "CPU", options), core.compile_model(head, "CPU", options), name)
    except RuntimeError as error:
        raise EngineError(f"{bundle.graph} cannot be cut at {name!r}, as bundle.json has it: {error}") from error
