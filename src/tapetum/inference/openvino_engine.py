"""OpenVINO on the processor: the default, and the fastest here."""

import threading

import numpy as np
import openvino
from openvino import properties
from openvino.properties import hint

from tapetum import machine
from tapetum.bundle import Bundle, Precision
from tapetum.errors import EngineError
from tapetum.image import Preprocess
from tapetum.inference.engine import Device, Outputs, Wanted, graph_of, require_input


class OpenVinoEngine:
    """One compiled model; each calling thread has an inference request of its own."""

    name = "openvino"
    device = "cpu"

    def __init__(self, compiled: openvino.CompiledModel, spec: Preprocess, precision: Precision) -> None:
        self.precision = precision
        self._compiled = compiled
        self._spec = spec
        self._thread = threading.local()
        # OpenVINO's binding sets itself up in its first call, and stands still for ever when two threads
        # make that call at once: each waits for what the other holds, the interpreter's lock or the set-up's.
        self.infer(np.zeros((1, spec.height, spec.width, 3), np.uint8))

    def infer(self, images: np.ndarray) -> Outputs:
        """uint8 (N, H, W, 3) -> Outputs."""
        require_input(images, self._spec)
        if not hasattr(self._thread, "request"):
            self._thread.request = self._compiled.create_infer_request()
        request = self._thread.request
        request.infer([np.ascontiguousarray(images)], share_inputs=True)
        logits, features = (request.get_tensor(output).data.astype(np.float32) for output in ("logits", "features"))
        return Outputs(logits, features)


def open_engine(bundle: Bundle, precision: Wanted, streams: int, device: Device) -> OpenVinoEngine:
    """Compile a bundle's graph. Raises EngineError where it cannot be, or the processor lacks bf16."""
    if device == "cuda":
        raise EngineError("OpenVINO has no CUDA: set the device to auto or cpu, or the engine to onnxruntime or torch")
    core = openvino.Core()
    has_bf16 = machine.has_bf16()
    if precision == "auto":
        scored = bundle.facts.scores
        precision = "int8" if "int8" in scored else "bf16" if has_bf16 and "bf16" in scored else "fp32"
    elif precision == "bf16" and not has_bf16:
        raise EngineError("this processor has no bf16 instructions: set the precision to auto or fp32")
    options = {
        # What is not quantised of a graph in int8 computes in fp32, so that it does on every processor.
        hint.inference_precision: openvino.Type.bf16 if precision == "bf16" else openvino.Type.f32,
        # One thread a stream: the calls run side by side, each without waiting for the other's threads.
        properties.num_streams: streams,
        properties.inference_num_threads: streams,
        # Else it pins each stream to a core while it computes, the first to the first: in every process the same one.
        hint.enable_cpu_pinning: False,
    }
    graph = graph_of(bundle, precision)
    try:
        return OpenVinoEngine(core.compile_model(graph, "CPU", options), bundle.facts.preprocess, precision)
    except RuntimeError as error:
        raise EngineError(f"OpenVINO cannot run {graph}: {error}") from error
