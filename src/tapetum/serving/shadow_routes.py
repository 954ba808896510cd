"""The route that shows what a challenger saw otherwise: callers' pictures, so it is for operators alone."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse

from tapetum.errors import NoReport
from tapetum.serving import shadow_page
from tapetum.serving.auth import administering
from tapetum.serving.card_routes import ALONE
from tapetum.serving.problems import MEDIA_TYPE, Problem
from tapetum.serving.routes import TheModel, name_of
from tapetum.serving.shadow import Shadow

_PROBLEM: dict[str, Any] = {"model": Problem, "content": {MEDIA_TYPE: {}}}


async def the_shadow(request: Request) -> Shadow | None:
    """What compares a challenger, if one is given."""
    shadow: Shadow | None = request.app.state.shadow
    return shadow


TheShadow = Annotated[Shadow | None, Depends(the_shadow)]

router = APIRouter(dependencies=[Depends(administering)])


@router.get(
    "/shadow-report",
    response_class=HTMLResponse,
    responses={
        code: _PROBLEM | {"description": description}
        for code, description in (
            (401, "No operator's key."),
            (403, "There are no operator's keys, so no pictures are held."),
            (404, "There is no challenger."),
            (503, "The model is being loaded."),
        )
    },
)
async def shadow_report(shadow: TheShadow, model: TheModel) -> HTMLResponse:
    """The challenger beside the served model, with the newest pictures that they disagree about, as one HTML page."""
    champion = name_of(model.facts)
    if shadow is None:
        raise NoReport("no challenger is asked: `tapetum serve BUNDLE --shadow CHALLENGER` asks one")
    figures, comparison = shadow.figures(), shadow.comparison
    page = await asyncio.to_thread(
        shadow_page.html, champion, figures, shadow.skipped.copy(), comparison.confusions.copy(), comparison.shown
    )
    return HTMLResponse(page, headers={"Content-Security-Policy": ALONE})
