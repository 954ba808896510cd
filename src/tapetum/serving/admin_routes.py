"""The routes that change what a running service does: for operators, and off where they have no keys."""

from typing import Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from tapetum.serving.auth import administering
from tapetum.serving.problems import MEDIA_TYPE, Problem
from tapetum.serving.routes import ModelName, TheModel, name_of

_PROBLEM: dict[str, Any] = {"model": Problem, "content": {MEDIA_TYPE: {}}}


class Reloaded(BaseModel):
    """The new bundle answers from now on."""

    model: ModelName
    former: ModelName = Field(description="The one that it has taken the place of.")
    device: str | None = Field(description="Where the model computes.")


router = APIRouter(prefix="/admin", dependencies=[Depends(administering)])


@router.post(
    "/reload",
    responses={
        code: _PROBLEM | {"description": description}
        for code, description in (
            (401, "No operator's key."),
            (403, "There are no operator's keys."),
            (409, "The bundle is refused, and why, or a reload is under way; the model of before goes on."),
            (503, "There is no model to replace: it is being loaded, or the service is about to end."),
        )
    },
)
async def reload(model: TheModel) -> Reloaded:
    """Serve what lies at TAPETUM_BUNDLE now, once it is verified and proved; nothing that is sent along is read."""
    former = model.facts
    facts = await model.reload()
    return Reloaded(model=name_of(facts), former=name_of(former), device=model.device)
