"""The inference response of the protocol: JSON, and after it what was wanted as bytes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from pydantic import BaseModel, Field
from pydantic_core import to_json

from tapetum.bundle import Facts
from tapetum.inference.predictor import Prediction
from tapetum.serving.oip import tensors
from tapetum.serving.oip.models import LABEL
from tapetum.serving.oip.request import Inference, Wanted


class ResponseOutput(BaseModel):
    """One output: its data row by row, or binary_data_size of them after the JSON."""

    name: str
    datatype: str
    shape: list[int]
    parameters: dict[str, int] | None = None
    data: list[Any] | None = None


class InferenceResponse(BaseModel):
    """The JSON of an answer."""

    model_name: str
    model_version: str
    id: str | None = Field(None, description="As in the request; absent where it has none.")
    outputs: list[ResponseOutput]


def write(
    inference: Inference, name: str, facts: Facts, predictions: Sequence[Prediction]
) -> tuple[bytes, list[bytes]]:
    """The JSON of the answer of the model called `name`, and the bytes of each output that is wanted so."""
    outputs: list[ResponseOutput] = []
    binary: list[bytes] = []
    for wanted in inference.outputs:
        output, content = _output(wanted, facts.labels, predictions)
        outputs.append(output)
        binary += [] if content is None else [content]
    response = InferenceResponse(model_name=name, model_version=facts.version, id=inference.id, outputs=outputs)
    return to_json(response, exclude_none=True), binary


def _output(
    wanted: Wanted, labels: Sequence[str], predictions: Sequence[Prediction]
) -> tuple[ResponseOutput, bytes | None]:
    shape = [len(predictions)]
    if wanted.name == LABEL:
        return _words(wanted, shape, [prediction.label for prediction in predictions])
    probabilities = np.array([prediction.probabilities for prediction in predictions], np.float32)
    if wanted.classes is None:
        output = ResponseOutput(name=wanted.name, datatype="FP32", shape=[*shape, len(labels)])
        return _filled(output, wanted, probabilities.ravel().tolist(), probabilities.astype("<f4").tobytes())
    best = np.argsort(-probabilities, axis=1, kind="stable")[:, : wanted.classes]
    words = [
        f"{shares[place]:f}:{place}:{labels[place]}"
        for shares, places in zip(probabilities, best, strict=True)
        for place in places
    ]
    return _words(wanted, list(best.shape), words)


def _words(wanted: Wanted, shape: list[int], words: list[str]) -> tuple[ResponseOutput, bytes | None]:
    output = ResponseOutput(name=wanted.name, datatype="BYTES", shape=shape)
    return _filled(output, wanted, words, tensors.bytes_of(words))


def _filled(
    output: ResponseOutput, wanted: Wanted, values: list[Any], content: bytes
) -> tuple[ResponseOutput, bytes | None]:
    if wanted.is_binary:
        return output.model_copy(update={"parameters": {"binary_data_size": len(content)}}), content
    return output.model_copy(update={"data": values}), None
