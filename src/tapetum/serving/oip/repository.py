"""The protocol's model repository extension: for operators, and off where they have no keys.

What one bundle is to the protocol cannot be loaded apart: to load either of its
models reloads the bundle for both. To unload one takes it from /v2 only.
"""

from typing import Any, Literal

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ValidationError

from tapetum.errors import MalformedRequest
from tapetum.serving.auth import administering
from tapetum.serving.oip.models import offered
from tapetum.serving.oip.routes import OfName, failures, obstacle
from tapetum.serving.parameters import sent
from tapetum.serving.routes import TheModel


class IndexRequest(BaseModel):
    """What is to be listed."""

    ready: bool = False


class IndexEntry(BaseModel):
    """A model and whether it can be asked."""

    name: str
    version: str
    state: Literal["READY", "UNAVAILABLE"]
    reason: str


def _body(schema: dict[str, Any]) -> dict[str, Any]:
    return {"requestBody": {"required": False, "content": {"application/json": {"schema": schema}}}}


_NOTHING = "Nothing, or an object whose `parameters` are empty."
_PARAMETERS = _body({"type": "object", "properties": {"parameters": {"type": "object"}}, "description": _NOTHING})

router = APIRouter(
    prefix="/v2/repository",
    tags=["Open Inference Protocol"],
    dependencies=[Depends(administering)],
    responses=failures(400, 401, 403, 413, 503),
)


@router.post("/index", openapi_extra=_body(IndexRequest.model_json_schema()))
async def index(request: Request, model: TheModel) -> list[IndexEntry]:
    """The models of the bundle; with `ready` those that can be asked."""
    try:
        wanted = IndexRequest.model_validate(await sent(request))
    except ValidationError:
        raise MalformedRequest("ready is no boolean") from None
    reasons = [(served, obstacle(request, served)) for served in offered(model.facts)]
    return [
        IndexEntry(
            name=served.name,
            version=served.versions[0],
            state="READY" if reason is None else "UNAVAILABLE",
            reason=reason or "",
        )
        for served, reason in reasons
        if reason is None or not wanted.ready
    ]


@router.post("/models/{name}/load", responses=failures(404, 409), openapi_extra=_PARAMETERS)
async def load(request: Request, model: TheModel, served: OfName) -> None:
    """Reload the bundle as /admin/reload does, and offer the model again if it was unloaded."""
    parameters = (await sent(request)).get("parameters")
    if parameters:
        raise MalformedRequest("load takes no parameters: what is loaded is the bundle at TAPETUM_BUNDLE")
    await model.reload()
    request.app.state.unloaded.discard(served.name)


@router.post("/models/{name}/unload", responses=failures(404), openapi_extra=_PARAMETERS)
async def unload(request: Request, served: OfName) -> None:
    """Take a model from /v2 until it is loaded; what it has accepted is answered, and /predict goes on."""
    await sent(request)
    request.app.state.unloaded.add(served.name)
