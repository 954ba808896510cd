"""How the front and a hand talk: frames of facts and bytes, and results as such frames.

Facts are JSON and arrays are their own bytes, so that a hand which a hostile
picture has taken over can send the front wrong numbers, and nothing worse.
"""

import json
import struct
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from tapetum import errors
from tapetum.errors import EngineError, PictureError
from tapetum.inference.predictor import Picture, Prediction, Result, bytes_of

_HEAD = struct.Struct(">II")
_ARRAYS = ("probabilities", "logits", "features")
_SCALARS = ("label", "width", "height", "decode_s", "inference_s")


class Frame(NamedTuple):
    """One message: some facts, and bytes that belong to them."""

    facts: dict[str, Any]
    content: bytes


def head(facts: dict[str, Any], size: int) -> bytes:
    """What stands before the `size` bytes of a frame's content."""
    encoded = json.dumps(facts).encode()
    return _HEAD.pack(len(encoded), size) + encoded


def read(stream: BinaryIO) -> Frame | None:
    """The next frame of a blocking stream; None where it has ended."""
    start = stream.read(_HEAD.size)
    if len(start) < _HEAD.size:
        return None
    facts_size, size = _HEAD.unpack(start)
    facts, content = stream.read(facts_size), stream.read(size)
    return Frame(json.loads(facts), content) if len(content) == size else None


def take(received: bytearray, most_bytes: int) -> Frame | None:
    """Cut the first frame off what was received; None until it is whole. Raises ValueError where it is none."""
    if len(received) < _HEAD.size:
        return None
    facts_size, size = _HEAD.unpack_from(received)
    start, end = _HEAD.size + facts_size, _HEAD.size + facts_size + size
    if end > most_bytes:
        raise ValueError(f"a frame of {end} bytes: expected at most {most_bytes}")
    if len(received) < end:
        return None
    frame = Frame(json.loads(received[_HEAD.size : start]), bytes(received[start:end]))
    del received[:end]
    return frame


def from_picture(picture: Picture) -> tuple[bytes, memoryview]:
    """The head of a frame with a picture, and the picture's bytes where they lie."""
    content = bytes_of(picture)
    facts = {} if isinstance(picture, bytes) else {"shape": picture.shape}
    return head(facts, len(content)), content


def to_picture(frame: Frame) -> Picture:
    """The picture in a frame."""
    shape = frame.facts.get("shape")
    return frame.content if shape is None else np.frombuffer(frame.content, np.uint8).reshape(shape)


def from_result(result: Result) -> bytes:
    """A prediction, or the error of a picture, as a frame."""
    if isinstance(result, PictureError):
        return head(from_error(result), 0)
    content = b"".join(np.asarray(getattr(result, name), np.float64).tobytes() for name in _ARRAYS)
    facts = {name: getattr(result, name) for name in _SCALARS}
    return head(facts | {"shape": [len(getattr(result, name)) for name in _ARRAYS]}, len(content)) + content


def from_error(error: Exception) -> dict[str, Any]:
    """An error of our tree, by name, as the facts of a frame."""
    return {"error": type(error).__name__, "message": str(error)}


def to_result(frame: Frame) -> Result:
    """The result in a frame. Raises the error in it unless it is a picture's, ValueError or KeyError without either."""
    if "error" in frame.facts:
        error = to_error(frame)
        if isinstance(error, PictureError):
            return error
        raise error
    values = np.frombuffer(frame.content, np.float64)
    ends = np.cumsum(frame.facts["shape"])
    if len(ends) != len(_ARRAYS) or ends[-1] != len(values):
        raise ValueError(f"{len(values)} numbers for arrays of {frame.facts['shape']}")
    arrays: dict[str, Any] = dict(zip(_ARRAYS, np.split(values, ends[:-1]), strict=True))
    scalars = {name: frame.facts[name] for name in _SCALARS}
    return Prediction(**scalars, **arrays)


def to_error(frame: Frame) -> errors.TapetumError:
    """The error in a frame; one of another tree becomes an EngineError."""
    kind = getattr(errors, str(frame.facts["error"]), EngineError)
    message = str(frame.facts["message"])
    return kind(message) if isinstance(kind, type) and issubclass(kind, errors.TapetumError) else EngineError(message)
