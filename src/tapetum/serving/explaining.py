"""The route of heat maps: why a picture was taken for what it was."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from tapetum.bundle import Facts
from tapetum.errors import MalformedRequest, SwitchedOff
from tapetum.inference.explain import Explanation, Method
from tapetum.inference.showing import FORMS, Form
from tapetum.serving import uploads
from tapetum.serving.auth import predicting
from tapetum.serving.classifying import gone, timeout_s_of
from tapetum.serving.problems import MEDIA_TYPE, Problem
from tapetum.serving.routes import ONE, PROBLEMS, ModelName, TheModel, name_of

_JSON, _PNG = "application/json", "image/png"
_DIGITS = 4


class Why(BaseModel):
    """Where in one picture the model saw a class."""

    prediction: str
    probability: float = Field(description="Probability of the predicted class, from 0 to 1.")
    probabilities: dict[str, float] = Field(description="Of every class; they add up to 1.")
    explained: str = Field(serialization_alias="class", description="The class that the heat is about.")
    method: Method
    heat: list[list[float]] = Field(
        description="Rows of a grid over the picture: how much a cell speaks for the class, 1 the most, 0 nothing."
    )
    box: tuple[float, float, float, float] = Field(
        description="What the grid covers: left, top, right and bottom, as shares of the picture's sides."
    )
    request_id: str
    model: ModelName


router = APIRouter()

_OFF: dict[int | str, dict[str, Any]] = {
    403: {"model": Problem, "content": {MEDIA_TYPE: {}}, "description": "Heat maps are switched off."}
}
_DRAWN: dict[int | str, dict[str, Any]] = {
    200: {"model": Why, "content": {_PNG: {"schema": {"type": "string", "format": "binary"}}}}
}
_CLASS = Query(alias="class", description="Class to look for; without it the one that is predicted.")
_FORM = Query(
    alias="format",
    description="`overlay` over the picture, `map` alone in grey, or `json`; without it json for who accepts "
    "application/json, else overlay.",
    json_schema_extra={"enum": list(FORMS)},
)


@router.post(
    "/explain",
    dependencies=[Depends(predicting)],
    response_class=Response,
    responses=PROBLEMS | _OFF | _DRAWN,
    openapi_extra=ONE,
)
async def explain(
    request: Request,
    model: TheModel,
    label: Annotated[str | None, _CLASS] = None,
    form: Annotated[str | None, _FORM] = None,
) -> Response:
    """Show where in one picture the model sees a class: a PNG of it, or numbers."""
    settings = request.app.state.settings
    if settings.max_explains == 0:
        raise SwitchedOff("heat maps are off: set TAPETUM_MAX_EXPLAINS above 0 to offer them")
    wanted = _form(form, request.headers.get("accept", ""))
    timeout_s = timeout_s_of(request, settings.request_timeout_s)
    model.require_room_to_explain()  # a refusal need not wait for the body
    with request.app.state.store.hold() as hold:
        content = await uploads.picture(request, hold)
        shown, facts = await model.explain(content, label, wanted, timeout_s, gone(request))
    if wanted != "json":
        return Response(shown.png, media_type=_PNG)
    why = _to_why(shown.explanation, facts, request.state.request_id)
    return JSONResponse(why.model_dump(by_alias=True))


def _form(given: str | None, accept: str) -> Form:
    if given is None:
        return "json" if _JSON in accept.lower() else "overlay"
    form = next((form for form in FORMS if form == given), None)
    if form is None:
        raise MalformedRequest(f"the format is {given!r}: expected one of {', '.join(FORMS)}")
    return form


def _to_why(explanation: Explanation, facts: Facts, request_id: str) -> Why:
    probabilities = explanation.probabilities
    return Why(
        prediction=facts.labels[probabilities.argmax()],
        probability=float(probabilities.max()),
        probabilities=dict(zip(facts.labels, probabilities.tolist(), strict=True)),
        explained=explanation.label,
        method=explanation.method,
        heat=explanation.heat.astype(float).round(_DIGITS).tolist(),
        box=explanation.box,
        request_id=request_id,
        model=name_of(facts),
    )
