"""How the front and a worker talk: frames of facts and bytes, and answers as such frames.

Facts are JSON and arrays are their own bytes, so that a worker which a hostile
picture has taken over can send the front wrong numbers, and nothing worse.
"""

import json
import struct
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from tapetum import errors
from tapetum.errors import EngineError, PictureError, TapetumError
from tapetum.inference.explain import Explanation
from tapetum.inference.predictor import Picture, Prediction, bytes_of
from tapetum.inference.showing import Answer, Question, Shown
from tapetum.profile.sight import Sight

_HEAD = struct.Struct(">II")
_FACTS = ("label", "width", "height")
_NUMBERS = ("confidence", "margin", "decode_s", "inference_s")


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
    frame = Frame(json.loads(received[_HEAD.size : start].decode()), bytes(received[start:end]))
    del received[:end]
    return frame


def from_pictures(pictures: Sequence[Picture], question: Question | None) -> tuple[bytes, memoryview]:
    """The head of a frame with pictures and what is asked of them, and their bytes, of a single one where they lie."""
    contents = [bytes_of(picture) for picture in pictures]
    content = contents[0] if len(contents) == 1 else memoryview(b"".join(contents))
    shapes = [None if isinstance(picture, bytes) else picture.shape for picture in pictures]
    facts: dict[str, Any] = {"sizes": [len(each) for each in contents], "shapes": shapes}
    if question is not None:
        facts["question"] = asdict(question)
    return head(facts, len(content)), content


def to_pictures(frame: Frame) -> tuple[list[Picture], Question | None]:
    """The pictures in a frame, in order, and what is asked of them."""
    pictures: list[Picture] = []
    start = 0
    for size, shape in zip(frame.facts["sizes"], frame.facts["shapes"], strict=True):
        content = frame.content[start : start + size]  # of a single one no copy
        pictures.append(content if shape is None else np.frombuffer(content, np.uint8).reshape(shape))
        start += size
    question = frame.facts.get("question")
    return pictures, None if question is None else Question(**question)


def from_answer(answer: Answer | TapetumError) -> bytes:
    """A prediction, a heat map, or an error as a frame."""
    if isinstance(answer, TapetumError):
        return head(from_error(answer), 0)
    if isinstance(answer, Shown):
        return _from_shown(answer)
    sight = np.zeros(0) if answer.sight is None else answer.sight.row
    numbers = [getattr(answer, name) for name in _NUMBERS]
    content = np.concatenate([numbers, answer.probabilities, sight], dtype=np.float64).tobytes()
    facts = {name: getattr(answer, name) for name in _FACTS} | {"classes": len(answer.probabilities)}
    return head(facts, len(content)) + content


def _from_shown(shown: Shown) -> bytes:
    why = shown.explanation
    numbers = np.concatenate([why.probabilities, why.evidence.ravel()], dtype=np.float64)
    content = numbers.tobytes() + shown.png
    facts = {
        "why": why.label,
        "method": why.method,
        "box": why.box,
        "shape": [len(why.probabilities), *why.evidence.shape],
    }
    return head(facts, len(content)) + content


def from_error(error: Exception) -> dict[str, Any]:
    """An error of our tree, by name, as the facts of a frame."""
    return {"error": type(error).__name__, "message": str(error)}


def to_answer(frame: Frame) -> Answer:
    """The answer in a frame. Raises the error in it unless it is a picture's, ValueError or KeyError without either."""
    if "error" in frame.facts:
        error = to_error(frame)
        if isinstance(error, PictureError):
            return error
        raise error
    if "why" in frame.facts:
        return _to_shown(frame)
    facts, values = frame.facts, np.frombuffer(frame.content, np.float64)
    first, end = len(_NUMBERS), len(_NUMBERS) + facts["classes"]
    if not first < end <= len(values):
        raise ValueError(f"{len(values)} numbers of a prediction of {facts['classes']} classes")
    confidence, margin, decode_s, inference_s = values[:first].tolist()
    return Prediction(
        label=facts["label"],
        width=facts["width"],
        height=facts["height"],
        confidence=confidence,
        margin=margin,
        decode_s=decode_s,
        inference_s=inference_s,
        probabilities=values[first:end],
        sight=Sight.from_row(values[end:].astype(np.float32)) if end < len(values) else None,
    )


def _to_shown(frame: Frame) -> Shown:
    classes, height, width = frame.facts["shape"]
    size = 8 * (classes + height * width)
    values = np.frombuffer(frame.content[:size], np.float64)
    left, top, right, bottom = frame.facts["box"]
    explanation = Explanation(
        label=frame.facts["why"],
        method=frame.facts["method"],
        probabilities=values[:classes],
        evidence=values[classes:].reshape(height, width).astype(np.float32),
        box=(left, top, right, bottom),
    )
    return Shown(explanation, frame.content[size:])


def to_error(frame: Frame) -> TapetumError:
    """The error in a frame; one of another tree becomes an EngineError."""
    kind = getattr(errors, str(frame.facts["error"]), EngineError)
    message = str(frame.facts["message"])
    return kind(message) if isinstance(kind, type) and issubclass(kind, TapetumError) else EngineError(message)
