"""The model card: what is served, and how well it was measured to do, in figures, as text, and as the run's report."""

import asyncio
import hashlib
from typing import Any

from fastapi import APIRouter, Depends, Response
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, Field

from tapetum import bundle as bundles
from tapetum.errors import BundleError, NoReport
from tapetum.scores import Scores
from tapetum.serving.auth import observing, predicting
from tapetum.serving.edition import Edition
from tapetum.serving.problems import MEDIA_TYPE, Problem
from tapetum.serving.routes import ModelName, TheModel, name_of

# The report styles itself, which no page of ours may: so it stands alone, and nothing in it can run or ask anyone.
ALONE = "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'; frame-ancestors 'none'"
_PROBLEM: dict[str, Any] = {"model": Problem, "content": {MEDIA_TYPE: {}}}


class Card(BaseModel):
    """What the model is, and what it was measured to do."""

    model: ModelName
    title: str
    architecture: str
    labels: list[str]
    height: int = Field(description="Of what the model sees, in pixels.")
    width: int
    precision: str | None = Field(description="Its arithmetic here: fp32, bf16 or int8.")
    scores: Scores | None = Field(
        description="On the test part, in that arithmetic if it was measured; null for a model that nobody measured. "
        "Rows of `confusion` are true classes, columns are answers."
    )
    card: str | None = Field(description="The model card as Markdown; null where the bundle has none.")
    has_report: bool = Field(description="Whether /model-report has the report of its run.")


router = APIRouter(responses={401: _PROBLEM, 503: _PROBLEM})


@router.get("/model-card", dependencies=[Depends(predicting)])
async def model_card(model: TheModel) -> Card:
    """What the model that is served is, and what it was measured to do."""
    edition, facts = model.edition, model.facts
    card = await asyncio.to_thread(_read, edition, bundles.CARD)
    first = next(iter(facts.scores.values()), None)
    return Card(
        model=name_of(facts),
        title=facts.title,
        architecture=facts.architecture,
        labels=list(facts.labels),
        height=facts.preprocess.height,
        width=facts.preprocess.width,
        precision=model.precision,
        scores=next((scores for name, scores in facts.scores.items() if name == model.precision), first),
        card=None if card is None else card.decode(),
        has_report=bundles.REPORT in (facts.files or {}),
    )


@router.get(
    "/model-report",
    dependencies=[Depends(observing)],
    response_class=HTMLResponse,
    responses={404: _PROBLEM | {"description": "The bundle has no report."}},
)
async def model_report(model: TheModel) -> Response:
    """The report of the model's run, with plots and pictures of the test part, as one HTML page."""
    report = await asyncio.to_thread(_read, model.edition, bundles.REPORT)
    if report is None:
        raise NoReport("the bundle that is served has no report.html: `tapetum evaluate` makes one")
    return HTMLResponse(report, headers={"Content-Security-Policy": ALONE})


def _read(edition: Edition, name: str) -> bytes | None:
    """A file of the bundle; None where it has none. Raises BundleError where it is not what was sealed."""
    sealed = (edition.facts.files or {}).get(name)
    if sealed is None:
        return None
    content = (edition.path / name).read_bytes()
    if hashlib.sha256(content).hexdigest() != sealed:
        raise BundleError(f"{edition.path / name} was changed after the bundle was opened: copy the bundle again")
    return content
