"""The inference request of the protocol: JSON, and after it perhaps a tensor's bytes."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Annotated, Any

from pydantic import BaseModel, Field, ValidationError
from pydantic_core import from_json

from tapetum.errors import BodyTooLarge, MalformedRequest, MissingPicture
from tapetum.inference.predictor import Picture
from tapetum.serving.oip import tensors
from tapetum.serving.oip.models import PROBABILITIES, ModelMetadata, Tensor

JSON_SIZE = "Inference-Header-Content-Length"
# Nothing else is answered while JSON is read, so it must not take long: 1,000,000 numbers or 150,000 lists in lists
# take 0.03 to 0.08 s. Flat that is six pictures of 224 by 224, nested two.
MOST_VALUES = 1_000_000
MOST_LISTS = 150_000
_MOST_OUTPUTS = 16
_MOST_DIMENSIONS = 8


# Bounded so that they can be printed: Python refuses numbers of thousands of digits.
Dimension = Annotated[int, Field(ge=0, le=2**31 - 1)]
Size = Annotated[int, Field(ge=0, le=2**63 - 1)]
Count = Annotated[int, Field(ge=1, le=2**31 - 1)]


class InputParameters(BaseModel):
    """How an input is sent; others are ignored."""

    binary_data_size: Size | None = Field(None, description="Bytes of it after the JSON.")
    shared_memory_region: Any = Field(None, description="Refused: the service shares no memory with anyone.")


class RequestInput(BaseModel):
    """One input; its `data` are flat or nested, and base64 where they are BYTES."""

    name: str
    shape: list[Dimension] = Field(min_length=1, max_length=_MOST_DIMENSIONS)
    datatype: str
    parameters: InputParameters = InputParameters()
    data: list[Any] | None = None


class OutputParameters(BaseModel):
    """How an output is wanted; others are ignored."""

    binary_data: bool | None = Field(None, description="Whether as bytes after the JSON.")
    classification: Count | None = Field(
        None, description="So many of the most probable classes, each as `value:index:label`."
    )
    shared_memory_region: Any = Field(None, description="Refused: the service shares no memory with anyone.")


class RequestedOutput(BaseModel):
    """One output that is wanted."""

    name: str
    parameters: OutputParameters = OutputParameters()


class RequestParameters(BaseModel):
    """How outputs are wanted that do not say it themselves; others are ignored."""

    binary_data_output: bool = False


class InferenceRequest(BaseModel):
    """The JSON of a request; without `outputs` all of them are answered."""

    id: str | None = None
    parameters: RequestParameters = RequestParameters()
    inputs: list[RequestInput] = Field(min_length=1, max_length=1)
    outputs: list[RequestedOutput] = Field([], max_length=_MOST_OUTPUTS)


@dataclass(frozen=True)
class Wanted:
    """An output, as bytes or as JSON; with `classes` as so many words."""

    name: str
    is_binary: bool
    classes: int | None = None


@dataclass(frozen=True)
class Inference:
    """What a request asks for."""

    id: str | None
    pictures: Sequence[Picture]
    outputs: list[Wanted]


def parse(body: bytes, json_size: str | None, model: ModelMetadata, most: int) -> Inference:
    """The request in a body, for at most so many pictures; `json_size` is the header of that.

    A size of 0 means that the body is nothing but the input: one picture, or
    the pixels of some. Raises a RequestError.
    """
    size = _size(json_size, len(body))
    content = memoryview(body)[size:]
    (taken,) = model.inputs
    if size == 0:
        outputs = [Wanted(output.name, is_binary=True) for output in model.outputs]
        return Inference(None, _bare(content, taken, most), outputs)
    request = _read(body[:size])
    return Inference(request.id, _pictures(request.inputs[0], content, taken, most), _outputs(request, model))


def _size(given: str | None, whole: int) -> int:
    if not whole:
        raise MalformedRequest("the request has no body: the protocol's JSON is expected")
    if given is None:
        return whole
    if not (given.isascii() and given.isdecimal() and len(given) < 12) or int(given) > whole:
        raise MalformedRequest(f"{JSON_SIZE} is no number of bytes from 0 to {whole}, which the body has")
    return int(given)


def _read(text: bytes) -> InferenceRequest:
    if text.count(b",") > MOST_VALUES or text.count(b"[") + text.count(b"{") > MOST_LISTS:
        raise BodyTooLarge(
            f"the JSON has more than {MOST_VALUES:,} values or {MOST_LISTS:,} lists: send tensors in the binary form"
        )
    try:
        return InferenceRequest.model_validate(from_json(text))
    except ValidationError as error:
        problem = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(map(str, problem["loc"])) or "the request"
        raise MalformedRequest(f"{place}: {problem['msg'].replace('Input should be', 'expected')}") from None
    except ValueError:
        raise MalformedRequest("the request is no JSON that can be read") from None


def _bare(content: memoryview, taken: Tensor, most: int) -> Sequence[Picture]:
    if taken.datatype == "BYTES":
        return [bytes(content)]
    _, *shape = taken.shape
    count = len(content) // prod(shape)
    _require_few(count, most)
    return list(tensors.pixels_from_bytes(content, [max(1, count), *shape]))


def _pictures(given: RequestInput, content: memoryview, taken: Tensor, most: int) -> Sequence[Picture]:
    if (given.name, given.datatype) != (taken.name, taken.datatype):
        raise MalformedRequest(f"the model has one input: {taken.name!r} of {taken.datatype}")
    if given.parameters.shared_memory_region is not None:
        raise MalformedRequest("the service shares no memory with anyone: send the data along")
    _require_shape(given.shape, taken)
    count = given.shape[0]
    if not count:
        raise MissingPicture("the request has 0 pictures: expected at least 1")
    _require_few(count, most)
    size = given.parameters.binary_data_size
    if (size is None) == (given.data is None):
        raise MalformedRequest("the input needs data in the JSON, or binary_data_size and data after it: one of them")
    if (size or 0) != len(content):
        raise MalformedRequest(
            f"{len(content)} bytes follow the JSON, which is as long as {JSON_SIZE} says: binary_data_size is {size}"
        )
    is_file = taken.datatype == "BYTES"
    if given.data is None:
        if is_file:
            return tensors.files_from_bytes(content, count)
        return list(tensors.pixels_from_bytes(content, given.shape))
    if is_file:
        return tensors.files_from_json(given.data, given.shape)
    return list(tensors.pixels_from_json(given.data, given.shape))


def _require_shape(shape: list[int], taken: Tensor) -> None:
    of_one = shape[1:]
    is_column = taken.datatype == "BYTES" and of_one == [1]
    if of_one != taken.shape[1:] and not is_column:
        raise MalformedRequest(f"the input's shape is {shape}: expected {taken.shape}, -1 being any number of pictures")


def _require_few(count: int, most: int) -> None:
    if count > most:
        raise BodyTooLarge(f"the request has {count} pictures: at most {most} may come together")


def _outputs(request: InferenceRequest, model: ModelMetadata) -> list[Wanted]:
    names = [output.name for output in model.outputs]
    wanted = [_wanted(output, request.parameters.binary_data_output, names) for output in request.outputs]
    return wanted or [Wanted(name, request.parameters.binary_data_output) for name in names]


def _wanted(output: RequestedOutput, is_binary: bool, names: list[str]) -> Wanted:
    parameters = output.parameters
    if output.name not in names:
        raise MalformedRequest(f"the model has no such output: it has {' and '.join(names)}")
    if parameters.shared_memory_region is not None:
        raise MalformedRequest("the service shares no memory with anyone: outputs come in the answer")
    if parameters.classification is not None and output.name != PROBABILITIES:
        raise MalformedRequest(f"classification is of {PROBABILITIES!r}: {output.name!r} has no numbers")
    return Wanted(
        output.name,
        is_binary if parameters.binary_data is None else parameters.binary_data,
        parameters.classification,
    )
