"""The route by which people say what a picture shows: for holders of a key, and off where there are none."""

from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field, ValidationError

from tapetum import metrics
from tapetum.errors import MalformedRequest
from tapetum.serving.auth import telling
from tapetum.serving.instruments import Reading, Source
from tapetum.serving.parameters import sent
from tapetum.serving.problems import MEDIA_TYPE, Problem
from tapetum.watch.feedback import OUTCOMES, Feedback
from tapetum.watch.keeper import REASONS, Keeper


class Word(BaseModel):
    """What a picture shows that was answered before."""

    request_id: str = Field(max_length=128, description="That of the answer.")
    label: str = Field(max_length=256, description="The class that the picture shows, as a person sees it.")
    picture: int = Field(0, ge=0, description="Which picture of the request is meant, counted from 0.")


class Heard(BaseModel):
    """What was taken in."""

    request_id: str
    picture: int
    prediction: str = Field(description="What the model had said.")
    label: str
    correct: bool = Field(description="Whether these are the same.")
    replaced: str | None = Field(description="What was said of the same answer before; null where nothing was.")
    version: str = Field(description="That of the model that had answered.")


async def _feedback(request: Request) -> Feedback:
    feedback: Feedback = request.app.state.feedback
    return feedback


async def _keeper(request: Request) -> Keeper | None:
    keeper: Keeper | None = request.app.state.keeper
    return keeper


TheFeedback = Annotated[Feedback, Depends(_feedback)]

router = APIRouter(dependencies=[Depends(telling)])

_PROBLEM: dict[str, Any] = {"model": Problem, "content": {MEDIA_TYPE: {}}}


@router.post(
    "/feedback",
    responses={
        code: _PROBLEM | {"description": description}
        for code, description in (
            (400, "The request is no such JSON."),
            (401, "No valid key."),
            (403, "There are no keys, so this is off."),
            (404, "No such answer is remembered; it says how many are, and for how long."),
            (413, "The request is too large."),
            (422, "The label is none of the model's classes, which it names."),
        )
    },
    openapi_extra={
        "requestBody": {"required": True, "content": {"application/json": {"schema": Word.model_json_schema()}}}
    },
)
async def hear(request: Request, feedback: TheFeedback, keeper: Annotated[Keeper | None, Depends(_keeper)]) -> Heard:
    """Say what a picture shows that was answered before; what is said later of the same answer takes its place."""
    word = _word(await sent(request))
    verdict = feedback.judge(word.request_id, word.picture, word.label)
    if keeper is not None:
        keeper.label(word.request_id, word.picture, word.label)
    return Heard(
        request_id=word.request_id,
        picture=word.picture,
        prediction=verdict.prediction,
        label=word.label,
        correct=verdict.is_right,
        replaced=verdict.replaced,
        version=verdict.version,
    )


def _word(content: dict[str, Any]) -> Word:
    try:
        return Word.model_validate(content)
    except ValidationError as error:
        problem = error.errors()[0]
        raise MalformedRequest(
            f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}; expected such as "
            '{"request_id": "8c48…", "label": "cat"}'
        ) from None


def readings(feedback: Feedback, keeper: Keeper | None) -> Source:
    """What was said, and what was kept."""

    def read() -> Iterator[Reading]:
        for outcome, number in feedback.words.items():
            yield Reading(metrics.FEEDBACK, number, (outcome,))
        for label, numbers in feedback.counts().items():
            for outcome, number in zip(OUTCOMES, numbers, strict=True):
                yield Reading(metrics.JUDGED, number, (label, outcome))
        lost = keeper.lost if keeper else dict.fromkeys(REASONS, 0)
        yield Reading(metrics.KEPT, keeper.pictures if keeper else 0)
        yield Reading(metrics.KEPT_SIZE, keeper.size if keeper else 0)
        for reason, number in lost.items():
            yield Reading(metrics.KEPT_LOST, number, (reason,))

    return read
