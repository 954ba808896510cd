"""ONNX Runtime on the processor, in fp32."""

import numpy as np
import onnxruntime

from tapetum.bundle import Bundle, Precision
from tapetum.errors import EngineError
from tapetum.image import Preprocess
from tapetum.inference.engine import Outputs, Wanted, require_input


class OnnxRuntimeEngine:
    """One session, which its makers allow several threads to call."""

    name = "onnxruntime"
    device = "cpu"
    precision: Precision = "fp32"

    def __init__(self, session: onnxruntime.InferenceSession, spec: Preprocess) -> None:
        self._session = session
        self._spec = spec

    def infer(self, images: np.ndarray) -> Outputs:
        """uint8 (N, H, W, 3) -> Outputs."""
        require_input(images, self._spec)
        return Outputs(*self._session.run(["logits", "features"], {"images": images}))


def open_engine(bundle: Bundle, precision: Wanted, streams: int) -> OnnxRuntimeEngine:
    """Open a bundle's graph; `streams` is how many threads will call. Raises EngineError where it cannot be."""
    if precision == "bf16":
        raise EngineError("ONNX Runtime has no bf16 on processors: set the precision to auto or fp32")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(bundle.graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its errors share no base but this
        raise EngineError(f"ONNX Runtime cannot run {bundle.graph}: {error}") from error
    return OnnxRuntimeEngine(session, bundle.facts.preprocess)
