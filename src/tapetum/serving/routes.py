"""The routes: thin shells round the model."""

from datetime import UTC, datetime
from time import perf_counter
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel, Field
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from tapetum import __version__
from tapetum.errors import MissingPicture, PictureError, RequestError
from tapetum.serving.instruments import Instruments
from tapetum.serving.lifecycle import Model
from tapetum.serving.problems import MEDIA_TYPE, Problem

FIELD = "file"


class Info(BaseModel):
    """What this service is."""

    message: str
    version: str
    docs: str = "/docs"


class Health(BaseModel):
    """Whether the process lives."""

    status: str = "healthy"
    model_loaded: bool
    timestamp: datetime
    version: str = Field(description="Version of Tapetum.")


class Readiness(BaseModel):
    """Whether requests can be answered."""

    ready: bool
    model_path: str
    device: str | None = Field(description="Where the model computes; null until it is loaded.")


class ModelName(BaseModel):
    """Which model answered."""

    name: str
    version: str
    fingerprint: str | None = Field(
        description="SHA-256 over the pictures, labels and parts the model was made from; null where none are known."
    )


class Answer(BaseModel):
    """The class of one picture."""

    prediction: str
    probability: float = Field(description="Probability of the predicted class, from 0 to 1.")
    confidence: float = Field(description="The same as probability.")
    probabilities: dict[str, float] = Field(description="Of every class; they add up to 1.")
    inference_time_ms: float = Field(description="Time in the model, without decoding and waiting.")
    request_id: str
    model: ModelName


def _model(request: Request) -> Model:
    model: Model = request.app.state.model
    return model


def _instruments(request: Request) -> Instruments:
    instruments: Instruments = request.app.state.instruments
    return instruments


TheModel = Annotated[Model, Depends(_model)]
TheInstruments = Annotated[Instruments, Depends(_instruments)]

router = APIRouter()

_PROBLEM: dict[str, Any] = {"model": Problem, "content": {MEDIA_TYPE: {}}}
_PICTURE = {"type": "string", "format": "binary"}
_PICTURE_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {"schema": {"type": "object", "required": [FIELD], "properties": {FIELD: _PICTURE}}},
            "image/*": {"schema": _PICTURE},
        },
    }
}


@router.get("/")
async def info(model: TheModel) -> Info:
    """What this service is, and where its documentation lies."""
    title = model.predictor.bundle.facts.title if model.is_ready else "Tapetum"
    return Info(message=title, version=__version__)


@router.get("/health")
async def health(model: TheModel) -> Health:
    """Liveness: the process answers."""
    return Health(model_loaded=model.is_ready, timestamp=datetime.now(UTC), version=__version__)


@router.get("/ready", responses={503: {"model": Readiness}})
async def ready(model: TheModel, response: Response) -> Readiness:
    """Readiness: 200 once the bundle's hashes and golden pictures hold, 503 until then."""
    response.status_code = 200 if model.is_ready else 503
    device = model.predictor.engine.device if model.is_ready else None
    return Readiness(ready=model.is_ready, model_path=model.path, device=device)


@router.get("/metrics", response_class=Response)
def metrics(instruments: TheInstruments) -> Response:
    """All series, for Prometheus."""
    return Response(instruments.exposition(), media_type=CONTENT_TYPE_LATEST)


@router.post("/predict", responses=dict.fromkeys((400, 413, 415, 422, 503), _PROBLEM), openapi_extra=_PICTURE_BODY)
async def predict(request: Request, model: TheModel, instruments: TheInstruments) -> Answer:
    """Classify one picture, sent as the multipart field `file` or as the raw body."""
    start = perf_counter()
    try:
        prediction = await model.predict(await _picture(request))
    except (PictureError, RequestError, HTTPException, ClientDisconnect):
        raise
    except Exception:  # counted here, answered at the edge
        instruments.failed()
        raise
    instruments.predicted(prediction.label, perf_counter() - start)
    facts = model.predictor.bundle.facts
    return Answer(
        prediction=prediction.label,
        probability=prediction.confidence,
        confidence=prediction.confidence,
        probabilities=dict(zip(facts.labels, prediction.probabilities.tolist(), strict=True)),
        inference_time_ms=prediction.inference_s * 1000,
        request_id=request.state.request_id,
        model=ModelName(name=facts.name, version=facts.version, fingerprint=facts.fingerprint),
    )


async def _picture(request: Request) -> bytes:
    """The picture's bytes. Raises MissingPicture."""
    if request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        async with request.form() as form:
            part = form.get(FIELD)
            if isinstance(part, UploadFile):
                return await part.read()
            found = ", ".join(form) or "none"
            raise MissingPicture(
                f"the form has no file in the field {FIELD!r} (fields: {found}): -F {FIELD}=@photo.jpg"
            )
    content = await request.body()
    if not content:
        raise MissingPicture(
            f"the request has no body: send a picture as the multipart field {FIELD!r}, or as the body itself"
        )
    return content
