"""The Open Inference Protocol, version 2 (KServe's), over HTTP: thin shells round the model.

https://github.com/kserve/open-inference-protocol, with Triton's binary_tensor_data and classification.
"""

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Request, Response
from pydantic import BaseModel

from tapetum import __version__
from tapetum.errors import NotReady, PictureError
from tapetum.inference.predictor import Picture, Prediction
from tapetum.serving import classifying, paths, uploads
from tapetum.serving.auth import predicting, probing
from tapetum.serving.lifecycle import Model
from tapetum.serving.oip import compression, models
from tapetum.serving.oip.answer import InferenceResponse, write
from tapetum.serving.oip.models import ModelMetadata
from tapetum.serving.oip.request import JSON_SIZE, Inference, InferenceRequest, parse
from tapetum.serving.problems import Failure
from tapetum.serving.record import Outcome
from tapetum.serving.routes import TheModel

EXTENSIONS = ["binary_tensor_data", "classification", "model_repository"]
_JSON, _BYTES = "application/json", "application/octet-stream"
# HTTP clients ask for compression on their own; a packet's worth is not worth the time.
_WORTH_COMPRESSING = 1400


class ServerMetadata(BaseModel):
    """What this service is to the protocol."""

    name: str = "tapetum"
    version: str = __version__
    extensions: list[str] = EXTENSIONS


class Live(BaseModel):
    """The process answers."""

    live: Literal[True] = True


class Ready(BaseModel):
    """Whether requests can be answered."""

    ready: bool


class ModelReady(Ready):
    """Whether requests for a model can be answered."""

    name: str


_Name = Annotated[str, Path(description="The bundle's name, or that with `-tensor` for pixels instead of files.")]
_Version = Annotated[str, Path(description="The version that is served.")]


async def _model(model: TheModel, name: _Name) -> ModelMetadata:
    return models.find(model.facts, name)


async def _version(model: TheModel, name: _Name, version: _Version) -> ModelMetadata:
    return models.find(model.facts, name, version)


OfName = Annotated[ModelMetadata, Depends(_model)]
OfVersion = Annotated[ModelMetadata, Depends(_version)]


def failures(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What OpenAPI says of errors."""
    return {status: {"model": Failure} for status in statuses}


_INFERRED = failures(400, 401, 404, 408, 413, 415, 422, 500, 503, 504) | {200: {"model": InferenceResponse}}


def _inlined(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema of pydantic's without references, which in OpenAPI would lead out of it."""
    definitions = schema.pop("$defs", {})

    def resolved(node: Any) -> Any:
        if isinstance(node, list):
            return [resolved(each) for each in node]
        if not isinstance(node, dict):
            return node
        target = definitions.get(node.get("$ref", "").rpartition("/")[2], {})
        return {key: resolved(value) for key, value in (target | node).items() if key != "$ref"}

    return {key: resolved(value) for key, value in schema.items()}


_REQUEST = {
    "requestBody": {
        "required": True,
        "content": {
            _JSON: {"schema": _inlined(InferenceRequest.model_json_schema())},
            _BYTES: {
                "schema": {"type": "string", "format": "binary", "description": "The JSON and then the input's bytes."}
            },
        },
    },
    "parameters": [
        {
            "name": JSON_SIZE,
            "in": "header",
            "required": False,
            "schema": {"type": "string", "example": "180"},
            "description": "Bytes of the JSON, where the body goes on; 0 where the body is the input alone.",
        },
        classifying.TIMEOUT_HEADER,
    ],
}

router = APIRouter(tags=["Open Inference Protocol"])
_predicting: dict[str, Any] = {"dependencies": [Depends(predicting)], "responses": failures(401, 404, 503)}
_probing: dict[str, Any] = {
    "dependencies": [Depends(probing)],
    "responses": failures(401, 404) | {503: {"model": ModelReady}},
}
_inferring: dict[str, Any] = {
    "dependencies": [Depends(predicting)],
    "responses": _INFERRED,
    "response_class": Response,
    "openapi_extra": _REQUEST,
}


@router.get("/v2", dependencies=[Depends(predicting)], responses=failures(401))
async def server_metadata() -> ServerMetadata:
    """What this service is to the protocol."""
    return ServerMetadata()


@router.get("/v2/health/live", dependencies=[Depends(probing)])
async def live() -> Live:
    """Liveness: the process answers."""
    return Live()


@router.get("/v2/health/ready", dependencies=[Depends(probing)], responses={503: {"model": Ready}})
async def ready(model: TheModel, response: Response) -> Ready:
    """Readiness of the service, as /ready has it: 200 or 503."""
    response.status_code = 200 if model.is_ready else 503
    return Ready(ready=model.is_ready)


@router.get(paths.MODEL, **_predicting)
async def model_metadata(served: OfName) -> ModelMetadata:
    """What a model takes and answers."""
    return served


@router.get(paths.VERSION, **_predicting)
async def version_metadata(served: OfVersion) -> ModelMetadata:
    """The same of a version, of which there is one."""
    return served


@router.get(f"{paths.MODEL}/ready", **_probing)
async def model_ready(request: Request, response: Response, served: OfName) -> ModelReady:
    """Readiness of a model: 200 or 503."""
    return _readiness(request, response, served)


@router.get(f"{paths.VERSION}/ready", **_probing)
async def version_ready(request: Request, response: Response, served: OfVersion) -> ModelReady:
    """The same of a version."""
    return _readiness(request, response, served)


@router.post(paths.INFER, **_inferring)
async def model_infer(request: Request, served: OfName) -> Response:
    """Classify what the input has: all of it, or the answer is what is wrong with the first that cannot be."""
    return await _infer(request, served)


@router.post(paths.INFER_VERSION, **_inferring)
async def version_infer(request: Request, served: OfVersion) -> Response:
    """The same with a version."""
    return await _infer(request, served)


def obstacle(request: Request, served: ModelMetadata) -> str | None:
    """Why a model cannot be asked; None where it can."""
    model: Model = request.app.state.model
    if served.name in request.app.state.unloaded:
        return "the model was unloaded: an operator can load it"
    return model.obstacle


def _readiness(request: Request, response: Response, served: ModelMetadata) -> ModelReady:
    is_ready = obstacle(request, served) is None
    response.status_code = 200 if is_ready else 503
    return ModelReady(name=served.name, ready=is_ready)


async def _infer(request: Request, served: ModelMetadata) -> Response:
    settings = request.app.state.settings
    if served.name in request.app.state.unloaded:
        raise NotReady(str(obstacle(request, served)))
    asked: list[Inference] = []

    async def read(hold: uploads.Hold) -> Sequence[Picture]:
        body = await _body(request, hold, settings.max_body_bytes)
        most = min(settings.max_batch, settings.max_pending)
        asked.append(parse(body, request.headers.get(JSON_SIZE), served, most))
        return asked[0].pictures

    outcomes = await classifying.classify(request, read)
    predictions = [_prediction(outcome, row, len(outcomes)) for row, outcome in enumerate(outcomes)]
    facts = outcomes[0].facts  # of the model that answered, though another may be served by now
    assert facts is not None, "what came out of the queue went to a model"
    head, binary = write(asked[0], served.name, facts, predictions)
    headers = {JSON_SIZE: str(len(head))} if binary else {}
    return await _packed(request, b"".join([head, *binary]), headers, _BYTES if binary else _JSON)


def _prediction(outcome: Outcome, row: int, count: int) -> Prediction:
    """What a picture was answered. Raises what it was refused for, which is then the answer to them all."""
    if isinstance(outcome.result, Prediction):
        return outcome.result
    if isinstance(outcome.result, PictureError) and count > 1:
        raise type(outcome.result)(f"picture {row} of {count}, counted from 0: {outcome.result}")
    raise outcome.result


async def _body(request: Request, hold: uploads.Hold, most_bytes: int) -> bytes:
    """The body of a request, unfolded where it is compressed. Raises a RequestError or Overloaded."""
    body = await uploads.whole(request, hold)
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding in ("identity", ""):
        return body
    unfolded = await asyncio.to_thread(compression.inflate, body, encoding, most_bytes)
    hold.take(len(unfolded))
    return unfolded


async def _packed(request: Request, content: bytes, headers: dict[str, str], media_type: str) -> Response:
    """The answer, compressed where the client asks for it."""
    encoding = compression.accepted(request.headers.get("accept-encoding", ""))
    if encoding is not None and len(content) > _WORTH_COMPRESSING:
        content = await asyncio.to_thread(compression.deflate, content, encoding)
        headers = headers | {"Content-Encoding": encoding}
    return Response(content, headers=headers, media_type=media_type)
