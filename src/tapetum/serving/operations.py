"""What the service tells people of itself: its requests, its model, its machine."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field

from tapetum.serving.auth import observing
from tapetum.serving.feedback_routes import TheFeedback
from tapetum.serving.problems import MEDIA_TYPE, Problem
from tapetum.serving.routes import ServedModel, TheModel, served
from tapetum.serving.shadow import ShadowFigures
from tapetum.serving.shadow_routes import TheShadow
from tapetum.watch.drift import Drift, DriftFigures
from tapetum.watch.feedback import RealisedFigures
from tapetum.watch.figures import ApiFigures, ModelFigures, Number
from tapetum.watch.sampler import Sampler
from tapetum.watch.system_figures import GpuReport, SystemFigures
from tapetum.watch.window import Window


class LastReload(BaseModel):
    """What came of the last reload."""

    at: datetime
    swapped: bool = Field(description="Whether its bundle is served; else the model of before goes on.")
    reason: str | None = Field(description="Why the bundle was refused; null where it was not.")


class ModelStats(ModelFigures):
    """Pictures of the window since this model is served, what it said of them, and which model that is."""

    model: ServedModel | None = Field(description="null until it is loaded.")
    device: str | None = Field(description="Where it computes; null until it is loaded.")
    last_reload: LastReload | None = Field(description="null where there was none.")
    test_accuracy: Number | None = Field(
        description="On the test part, in the precision served, as the bundle states it; null where it does not."
    )
    realised: RealisedFigures = Field(description="How many answers were right, by feedback.")
    drift: DriftFigures = Field(description="The last predictions beside the profile of the bundle.")
    shadow: ShadowFigures | None = Field(description="null where no challenger is asked, or before it is open.")


class SystemInfo(SystemFigures):
    """The machine or container, this process, and every NVIDIA GPU, at one look."""

    gpu: GpuReport


async def _window(request: Request) -> Window:
    window: Window = request.app.state.window
    return window


async def _drift(request: Request) -> Drift:
    drift: Drift = request.app.state.drift
    return drift


async def _system(request: Request) -> Sampler[SystemFigures]:
    system: Sampler[SystemFigures] = request.app.state.system
    return system


async def _gpus(request: Request) -> Sampler[GpuReport]:
    gpus: Sampler[GpuReport] = request.app.state.gpus
    return gpus


TheWindow = Annotated[Window, Depends(_window)]

router = APIRouter(dependencies=[Depends(observing)], responses={401: {"model": Problem, "content": {MEDIA_TYPE: {}}}})


@router.get("/api-stats")
async def api_stats(window: TheWindow) -> ApiFigures:
    """Requests of the last TAPETUM_WINDOW_S seconds: rates, errors, latency and sizes, in total and by route."""
    return window.api()


@router.get("/model-stats")
async def model_stats(
    window: TheWindow,
    model: TheModel,
    feedback: TheFeedback,
    drift: Annotated[Drift, Depends(_drift)],
    shadow: TheShadow,
) -> ModelStats:
    """Predictions of the last TAPETUM_WINDOW_S seconds: times, confidence, classes, and whether all is well."""
    # A service that drains still answers what comes.
    figures = window.model(None if model.is_draining else model.obstacle)
    last = model.last_reload
    return ModelStats(
        **dict(figures),
        model=served(model.edition) if model.is_loaded else None,
        device=model.device,
        drift=drift.figures(),
        last_reload=last and LastReload(at=last.at, swapped=last.reason is None, reason=last.reason),
        test_accuracy=model.edition.test_accuracy,
        realised=feedback.figures(),
        shadow=shadow.figures() if shadow is not None and model.is_loaded else None,
    )


@router.get("/system-info")
async def system_info(
    system: Annotated[Sampler[SystemFigures], Depends(_system)], gpus: Annotated[Sampler[GpuReport], Depends(_gpus)]
) -> SystemInfo:
    """Processors, memory, disks, network, this process and NVIDIA GPUs, as of the last look some seconds ago."""
    return SystemInfo(**dict(system.latest), gpu=gpus.latest)
