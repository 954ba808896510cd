"""ONNX Runtime in fp32, on the processor or on CUDA, and in int8 on the processor."""

import numpy as np
import onnxruntime

from tapetum.bundle import Bundle, Precision
from tapetum.errors import EngineError
from tapetum.image import Preprocess
from tapetum.inference.engine import Device, Outputs, Wanted, graph_of, require_input

_CUDA, _CPU = "CUDAExecutionProvider", "CPUExecutionProvider"


class OnnxRuntimeEngine:
    """One session, which its makers allow several threads to call."""

    name = "onnxruntime"

    def __init__(self, session: onnxruntime.InferenceSession, spec: Preprocess, precision: Precision) -> None:
        self.precision = precision
        self.device = "cuda" if session.get_providers()[0] == _CUDA else "cpu"
        self._session = session
        self._spec = spec

    def infer(self, images: np.ndarray) -> Outputs:
        """uint8 (N, H, W, 3) -> Outputs."""
        require_input(images, self._spec)
        return Outputs(*self._session.run(["logits", "features"], {"images": images}))


def open_engine(bundle: Bundle, precision: Wanted, streams: int, device: Device) -> OnnxRuntimeEngine:
    """Open a bundle's graph; `streams` is how many threads will call. Raises EngineError where it cannot be."""
    if precision == "bf16":
        raise EngineError("ONNX Runtime has no bf16 on processors: set the precision to auto or fp32")
    has_cuda = _CUDA in onnxruntime.get_available_providers()
    if device == "cuda" and not has_cuda:
        raise EngineError(
            "this ONNX Runtime was built without CUDA: install 'tapetum[gpu]' in an environment without onnxruntime, "
            "or set the device to auto or cpu"
        )
    on_processor = device == "cpu" or not has_cuda
    if precision == "int8" and device == "cuda":
        raise EngineError("int8 is for processors: set the device to cpu, or the precision to fp32")
    if precision == "auto":
        precision = "int8" if on_processor and "int8" in bundle.facts.scores else "fp32"
    # TF32 would round more than the golden pictures allow of fp32.
    on_cuda = [(_CUDA, {"use_tf32": "0"})] if not on_processor and precision != "int8" else []
    graph = graph_of(bundle, precision)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(graph, options, providers=[*on_cuda, _CPU])
    except Exception as error:  # its errors share no base but this
        raise EngineError(f"ONNX Runtime cannot run {graph}: {error}") from error
    engine = OnnxRuntimeEngine(session, bundle.facts.preprocess, precision)
    if device == "cuda" and engine.device != "cuda":
        raise EngineError(
            "ONNX Runtime cannot use CUDA here, and says why above: check the driver, CUDA and cuDNN, "
            "or set the device to auto or cpu"
        )
    return engine
