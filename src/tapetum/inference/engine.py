"""What computes: one protocol, and the engines by name, each imported only when asked for."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Literal, NamedTuple, Protocol, get_args

import numpy as np

from tapetum.bundle import Bundle, Precision
from tapetum.errors import ConfigError, EngineError
from tapetum.image import Preprocess
from tapetum.registry import Registry

Wanted = Literal["auto"] | Precision
Device = Literal["auto", "cpu", "cuda"]


class Outputs(NamedTuple):
    """Float32 `logits` (N, K) and pooled `features` (N, C)."""

    logits: np.ndarray
    features: np.ndarray


class Engine(Protocol):
    """A bundle's network, ready to compute; safe to call from several threads."""

    name: str
    precision: Precision
    device: str

    def infer(self, images: np.ndarray) -> Outputs:
        """uint8 (N, H, W, 3) of the bundle's height and width, any N ≥ 1 -> Outputs.

        Raises EngineError for any other shape.
        """


_INSTALL = {"openvino": "openvino", "onnxruntime": "'tapetum[onnxruntime]'", "torch": "'tapetum[train]'"}

Open = Callable[[Bundle, Wanted, int, Device], Engine]

ENGINES: Registry[str] = Registry("engine")
for _name in ("openvino", "onnxruntime", "torch"):
    ENGINES.add(_name, f"tapetum.inference.{_name}_engine")


def require_input(images: np.ndarray, spec: Preprocess) -> None:
    """Raise EngineError unless `images` are uint8 (N, H, W, 3) of the bundle's height and width.

    Every engine calls it first: a convolutional network takes other sizes without complaint, and answers nonsense.
    """
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1:] != (spec.height, spec.width, 3):
        raise EngineError(
            f"the engine was given {images.dtype} {images.shape}: expected uint8 (N, {spec.height}, {spec.width}, 3)"
        )


def graph_of(bundle: Bundle, precision: Precision) -> Path:
    """The graph that computes in a precision. Raises EngineError where the bundle has none in int8."""
    if precision != "int8":
        return bundle.graph
    if bundle.facts.quantised is None:
        raise EngineError(
            f"{bundle.path} has no graph in int8: `tapetum export {bundle.path} --precision int8` makes a bundle that "
            "has, or set the precision to auto"
        )
    return bundle.int8_graph


def open_engine(
    name: str, bundle: Bundle, precision: Wanted = "auto", streams: int = 1, device: Device = "auto"
) -> Engine:
    """The engine called `name` on a bundle, for up to `streams` calls at the same time.

    Precision `auto` is the first of int8, bf16 and fp32 that the bundle was evaluated in and that engine and processor
    have; device `auto` is cuda where the engine has it. Raises ConfigError for an unknown name, EngineError where the
    engine is not installed or refuses.
    """
    module = ENGINES.get(name)
    if precision not in (known := ("auto", *get_args(Precision))):
        raise ConfigError(f"unknown precision {precision!r}: expected one of {', '.join(known)}")
    try:
        open_it: Open = import_module(module).open_engine
    except ImportError as error:
        raise EngineError(
            f"engine {name!r} is not installed ({error}): pip install {_INSTALL[name]}, or choose another engine"
        ) from error
    return open_it(bundle, precision, streams, device)
