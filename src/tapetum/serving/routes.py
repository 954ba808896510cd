"""The routes: thin shells round the model."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Request, Response
from pydantic import BaseModel, Field

from tapetum import __version__
from tapetum.bundle import Facts
from tapetum.inference.predictor import Prediction
from tapetum.serving import classifying, problems, uploads
from tapetum.serving.auth import predicting, probing
from tapetum.serving.direct import Direct
from tapetum.serving.edition import Edition
from tapetum.serving.instruments import Instruments
from tapetum.serving.lifecycle import Model
from tapetum.serving.problems import MEDIA_TYPE, Problem
from tapetum.serving.record import Outcome


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
    precision: str | None = Field(description="Its arithmetic: fp32, bf16 or int8; null until it is loaded.")
    reason: str | None = Field(description="Why it is not ready; null when it is.")


class ModelName(BaseModel):
    """Which model answered."""

    name: str
    version: str
    fingerprint: str | None = Field(
        description="SHA-256 over the pictures, labels and parts the model was made from; null where none are known."
    )


class ServedModel(ModelName):
    """A model that this service runs."""

    digest: str = Field(description="SHA-256 of its bundle.json, which covers every file.")


class Classification(BaseModel):
    """The class of one picture."""

    prediction: str
    probability: float = Field(description="Probability of the predicted class, from 0 to 1.")
    confidence: float = Field(description="The same as probability.")
    probabilities: dict[str, float] = Field(description="Of every class; they add up to 1.")
    inference_time_ms: float = Field(
        description="Time in the model, of the picture or of the batch that it was computed in, without decoding and "
        "waiting."
    )
    unlike_training: bool | None = Field(
        None,
        exclude_if=lambda value: value is None,
        description="Whether the picture is unlike those of training, so that its class means little; absent where "
        "the bundle has no profile.",
    )


class Answer(Classification):
    """The class of one picture, and who says so."""

    request_id: str
    model: ModelName


class BatchAnswer(BaseModel):
    """A classification or a problem for each picture, in the order of the pictures."""

    results: list[Classification | Problem]
    request_id: str
    model: ModelName


# FastAPI would call plain functions on a thread of their own, which costs more than all else that it does.
async def _model(request: Request) -> Model:
    model: Model = request.app.state.model
    return model


async def _instruments(request: Request) -> Instruments:
    instruments: Instruments = request.app.state.instruments
    return instruments


TheModel = Annotated[Model, Depends(_model)]
TheInstruments = Annotated[Instruments, Depends(_instruments)]

router = APIRouter()

_PROBLEM: dict[str, Any] = {"model": Problem, "content": {MEDIA_TYPE: {}}}
_PICTURE = {
    "type": "string",
    "format": "binary",
    "description": "The picture itself: JPEG, PNG, WebP, GIF, BMP or TIFF.",
}


def _form(field: str, content: dict[str, Any], said: str) -> dict[str, Any]:
    schema = {"type": "object", "required": [field], "properties": {field: content}, "description": said}
    return {"multipart/form-data": {"schema": schema}}


def _described(content: dict[str, Any]) -> dict[str, Any]:
    """What OpenAPI says of a request whose body is read without FastAPI."""
    return {"requestBody": {"required": True, "content": content}, "parameters": [classifying.TIMEOUT_HEADER]}


PROBLEMS: dict[int | str, dict[str, Any]] = dict.fromkeys((400, 401, 408, 413, 415, 422, 500, 503, 504), _PROBLEM)
ONE = _described(_form(uploads.ONE, _PICTURE, "A form with the picture as a file.") | {"image/*": {"schema": _PICTURE}})
_MANY = _described(
    _form(
        uploads.MANY, {"type": "array", "items": _PICTURE}, "A form with each picture as a file in its field `files`."
    )
)


@router.get("/health", dependencies=[Depends(probing)])
async def health(model: TheModel) -> Health:
    """Liveness: the process answers."""
    return Health(model_loaded=model.is_loaded, timestamp=datetime.now(UTC), version=__version__)


@router.get("/ready", dependencies=[Depends(probing)], responses={503: {"model": Readiness}})
async def ready(model: TheModel, response: Response) -> Readiness:
    """Readiness: 200 once the bundle's hashes and golden pictures hold; 503 until then, and while it drains."""
    reason = model.obstacle
    response.status_code = 200 if reason is None else 503
    return Readiness(
        ready=reason is None, model_path=model.path, device=model.device, precision=model.precision, reason=reason
    )


@router.get("/metrics", dependencies=[Depends(probing)], response_class=Response)
def metrics(request: Request, instruments: TheInstruments) -> Response:
    """All series, for Prometheus; with exemplars for a scraper that accepts OpenMetrics."""
    # A plain function, so on a thread of its own: a scrape takes longer than many a request.
    content, content_type = instruments.exposition(request.headers.get("accept", ""))
    return Response(content, headers={"Content-Type": content_type})


async def predict(request: Request) -> Response:
    """Classify one picture, sent as the multipart field `file` or as the raw body."""

    async def read(hold: uploads.Hold) -> list[bytes]:
        return [await uploads.picture(request, hold)]

    (outcome,) = await classifying.classify(request, read)
    if isinstance(outcome.result, Exception):
        raise outcome.result
    facts = _asked(outcome)
    fields = _classified(outcome.result, facts)
    return _json(Answer(**fields, request_id=request.state.request_id, model=name_of(facts)))


async def predict_batch(request: Request) -> Response:
    """Classify pictures, each sent as a multipart field `files`: a result or a problem for each, in order."""
    settings = request.app.state.settings
    most = min(settings.max_batch, settings.max_pending)

    async def read(hold: uploads.Hold) -> list[bytes]:
        return await uploads.pictures(request, hold, most)

    outcomes = await classifying.classify(request, read)
    facts = _asked(outcomes[0])

    def result(outcome: Outcome) -> Classification | Problem:
        if isinstance(outcome.result, Exception):
            return problems.describe(outcome.result, request.state.ids)
        return Classification(**_classified(outcome.result, facts))

    results = [result(outcome) for outcome in outcomes]
    return _json(BatchAnswer(results=results, request_id=request.state.request_id, model=name_of(facts)))


def install(app: FastAPI) -> None:
    """Add the routes that classify, which go before all others since they are asked most."""
    for path, answer, endpoint, described in (
        ("/predict", Answer, predict, ONE),
        ("/predict/batch", BatchAnswer, predict_batch, _MANY),
    ):
        app.router.add_api_route(
            path,
            endpoint,
            methods=["POST"],
            response_model=answer,
            dependencies=[Depends(predicting)],
            responses=PROBLEMS,
            openapi_extra=described,
            route_class_override=Direct,
        )


def _json(answer: BaseModel) -> Response:
    return Response(answer.model_dump_json(), media_type="application/json")


def _asked(outcome: Outcome) -> Facts:
    """The model that a picture was given to."""
    assert outcome.facts is not None, "what came out of the queue went to a model"
    return outcome.facts


def _classified(prediction: Prediction, facts: Facts) -> dict[str, Any]:
    """The fields of a Classification."""
    confidence = prediction.confidence
    return {
        "prediction": prediction.label,
        "probability": confidence,
        "confidence": confidence,
        "probabilities": dict(zip(facts.labels, prediction.probabilities.tolist(), strict=True)),
        "inference_time_ms": prediction.inference_s * 1000,
        "unlike_training": None if prediction.sight is None else prediction.sight.is_unlike,
    }


def name_of(facts: Facts) -> ModelName:
    """Which model it is."""
    return ModelName(name=facts.name, version=facts.version, fingerprint=facts.fingerprint)


def served(edition: Edition) -> ServedModel:
    """Which model it is whose workers are open."""
    assert edition.opened is not None, "who asks knows that it is open"
    return ServedModel(**dict(name_of(edition.facts)), digest=edition.opened.digest)
