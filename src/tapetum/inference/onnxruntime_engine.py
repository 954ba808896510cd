"""ONNX Runtime in fp32, on the processor or on CUDA."""

import numpy as np
import onnxruntime

from tapetum.bundle import Bundle, Precision
from tapetum.errors import EngineError
from tapetum.image import Preprocess
from tapetum.inference.engine import Device, Outputs, Wanted, require_input

_CUDA, _CPU = "CUDAExecutionProvider", "CPUExecutionProvider"


class OnnxRuntimeEngine:
    """One session, which its makers allow several threads to call."""

    name = "onnxruntime"
    precision: Precision = "fp32"

    def __init__(self, session: onnxruntime.InferenceSession, spec: Preprocess) -> None:
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
    # TF32 would round more than the golden pictures allow of fp32.
    on_cuda = [(_CUDA, {"use_tf32": "0"})] if has_cuda and device != "cpu" else []
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(bundle.graph, options, providers=[*on_cuda, _CPU])
    except Exception as error:  # its errors share no base but this
        raise EngineError(f"ONNX Runtime cannot run {bundle.graph}: {error}") from error
    engine = OnnxRuntimeEngine(session, bundle.facts.preprocess)
    if device == "cuda" and engine.device != "cuda":
        raise EngineError(
            "ONNX Runtime cannot use CUDA here, and says why above: check the driver, CUDA and cuDNN, "
            "or set the device to auto or cpu"
        )
    return engine
