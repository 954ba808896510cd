"""The two models that one bundle is to the Open Inference Protocol: pictures as people have them, and tensors."""

from typing import Literal

from pydantic import BaseModel, Field

from tapetum.bundle import Facts
from tapetum.errors import UnknownModel

PLATFORM = "onnx_onnxv1"  # the protocol's word for a graph such as the bundle's
PROBABILITIES, LABEL = "probabilities", "label"


class Tensor(BaseModel):
    """An input or an output; a dimension of -1 is as long as the request has pictures."""

    name: str
    datatype: Literal["BYTES", "UINT8", "FP32"]
    shape: list[int]


class ModelMetadata(BaseModel):
    """What a model takes and answers."""

    name: str
    versions: list[str] = Field(description="The one that is served.")
    platform: str = PLATFORM
    inputs: list[Tensor]
    outputs: list[Tensor]


def offered(facts: Facts) -> list[ModelMetadata]:
    """NAME takes files of pictures, NAME-tensor their pixels, decoded and resized as the bundle has it."""
    outputs = [
        Tensor(name=PROBABILITIES, datatype="FP32", shape=[-1, len(facts.labels)]),
        Tensor(name=LABEL, datatype="BYTES", shape=[-1]),
    ]
    spec = facts.preprocess
    inputs = {
        facts.name: Tensor(name="picture", datatype="BYTES", shape=[-1]),
        f"{facts.name}-tensor": Tensor(name="pixels", datatype="UINT8", shape=[-1, spec.height, spec.width, 3]),
    }
    return [
        ModelMetadata(name=name, versions=[facts.version], inputs=[taken], outputs=outputs)
        for name, taken in inputs.items()
    ]


def find(facts: Facts, name: str, version: str | None = None) -> ModelMetadata:
    """The model called `name`, in its only version. Raises UnknownModel."""
    models = {model.name: model for model in offered(facts)}
    if name not in models:
        raise UnknownModel(f"there is no model of this name: this service has {' and '.join(models)}")
    if version not in (None, facts.version):
        raise UnknownModel(f"there is no such version of {name}: it is served in version {facts.version} only")
    return models[name]
