"""The application: routes, errors and surroundings put together, in one visible place."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from tapetum import __version__
from tapetum.serving import problems, tracing
from tapetum.serving.auth import API_KEY, Access
from tapetum.serving.classifying import TIMEOUT
from tapetum.serving.door import Door, Doorway
from tapetum.serving.instruments import Instruments
from tapetum.serving.lifecycle import Model
from tapetum.serving.middleware import BodyLimit, Identity
from tapetum.serving.record import Observer
from tapetum.serving.routes import router
from tapetum.serving.uploads import Store
from tapetum.settings import Settings


def _end_process() -> None:
    signal.raise_signal(signal.SIGTERM)


def create_app(settings: Settings, on_failure: Callable[[], None] = _end_process) -> FastAPI:
    """The service of one bundle; `on_failure` is called when that bundle cannot be served."""
    instruments = Instruments()
    model = Model(settings, on_failure)
    observers: list[Observer] = [instruments.observe]

    async def load() -> None:
        await model.load()
        if model.is_loaded:
            instruments.expect(model.facts.labels)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        loading = asyncio.create_task(load())
        yield
        loading.cancel()
        await asyncio.wait([loading])
        await model.close()

    app = FastAPI(title="Tapetum", version=__version__, lifespan=lifespan, redoc_url=None)
    app.state.settings = settings
    app.state.access = Access(settings)
    app.state.model = model
    app.state.instruments = instruments
    app.state.observers = observers
    app.state.door = Door(model, observers)
    app.state.store = Store(settings.max_held_bytes)
    app.include_router(router)
    problems.install(app)
    app.add_middleware(BodyLimit, max_bytes=settings.max_body_bytes)
    app.add_middleware(Identity, observers=observers)
    app.add_middleware(Doorway, door=app.state.door)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=[origin.strip() for origin in settings.cors_origins.split(",")],
            allow_methods=["GET", "POST"],
            allow_headers=[
                "Authorization",
                API_KEY,
                problems.REQUEST_ID,
                tracing.TRACEPARENT,
                tracing.TRACESTATE,
                TIMEOUT,
            ],
            expose_headers=[problems.REQUEST_ID, tracing.TRACEPARENT, "Retry-After"],
        )
    return app
