"""The application: routes, errors and surroundings put together, in one visible place."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from starlette.middleware.cors import CORSMiddleware

from tapetum import __version__
from tapetum.bundle import Facts
from tapetum.errors import ConfigError
from tapetum.inference.worker import Opened
from tapetum.logs.journal import Journal
from tapetum.profile.reference import Reference
from tapetum.serving import (
    admin_routes,
    alert_routes,
    card_routes,
    explaining,
    feedback_routes,
    home,
    logging_status,
    manual,
    operations,
    problems,
    readings,
    routes,
    shadow_routes,
    system_readings,
    tracing,
)
from tapetum.serving.alarm import Alarm, measures
from tapetum.serving.auth import API_KEY, Access
from tapetum.serving.classifying import TIMEOUT
from tapetum.serving.door import Door, Doorway
from tapetum.serving.instruments import Expected, Instruments
from tapetum.serving.lane import Lane
from tapetum.serving.lifecycle import Model
from tapetum.serving.middleware import BodyLimit, Identity
from tapetum.serving.oip import repository
from tapetum.serving.oip import routes as oip_routes
from tapetum.serving.oip.request import JSON_SIZE
from tapetum.serving.paths import Paths
from tapetum.serving.problems import Failure, Problem
from tapetum.serving.record import InFlight, Observer
from tapetum.serving.shadow import Shadow
from tapetum.serving.uploads import Store
from tapetum.settings import Settings
from tapetum.watch import gpu
from tapetum.watch.comparison import Comparison
from tapetum.watch.drift import EVERY_S, Drift
from tapetum.watch.feedback import Feedback
from tapetum.watch.keeper import Keeper
from tapetum.watch.record import Taker
from tapetum.watch.sampler import Sampler
from tapetum.watch.shelf import Shelf
from tapetum.watch.system import System
from tapetum.watch.window import Window

if TYPE_CHECKING:
    from tapetum.serving.spans import Spans


def _end_process() -> None:
    signal.raise_signal(signal.SIGTERM)


def create_app(
    settings: Settings, on_failure: Callable[[], None] = _end_process, journal: Journal | None = None
) -> FastAPI:
    """The service of one bundle; `on_failure` is called when that bundle cannot be served.

    `journal` is where the process logs, if that was configured.
    """
    journal = journal or Journal()
    instruments = Instruments(settings.low_confidence)
    instruments.sources.append(partial(logging_status.readings, journal))
    window = Window(settings.window_s, settings.low_confidence, monotonic)
    access = Access(settings)
    feedback = Feedback(settings.feedback_requests, settings.feedback_age_s, monotonic)
    keeper = _keeper(settings)
    drift = Drift(settings.drift_window)

    def follow(facts: Facts, opened: Opened, reference: Reference | None) -> None:
        instruments.expect_model(facts.labels, settings.engine, opened.device)
        window.expect(facts.labels, facts.version)
        feedback.expect(facts.labels, facts.version)
        drift.expect(facts.labels, facts.version, reference)
        if shadow is not None:
            shadow.follow(facts, opened.digest)

    model = Model(settings, on_failure, follow)
    shadow = _shadow(settings, model, instruments, holds_pictures=bool(access.to_administer))
    takers: list[Taker] = [each.offer for each in (keeper, shadow) if each is not None]
    machine = System()
    system, gpus = Sampler(machine.look, machine.look()), Sampler(gpu.look, gpu.NOT_ASKED)
    comparisons = Sampler(drift.look, None, every_s=EVERY_S)
    in_flight = InFlight()
    alarm = Alarm(
        settings,
        measures(window, system, drift, settings.alert_min_requests),
        lambda: model.facts.name if model.is_loaded else "tapetum",
    )
    instruments.sources += [readings.of_requests(in_flight), readings.of_model(model, settings.engine)]
    instruments.sources += [system_readings.of_system(system), system_readings.of_gpus(gpus), alarm.readings]
    instruments.sources += [readings.of_drift(drift), feedback_routes.readings(feedback, keeper)]
    observers: list[Observer] = [instruments.observe, window.observe, drift.observe]
    if access.to_tell:  # else nobody can speak of an answer
        observers.append(feedback.observe)
    spans = _open_spans() if settings.otel_traces_exporter == "otlp" else None
    if spans is not None:
        observers.append(spans.observe)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        tasks = [
            asyncio.create_task(model.load(None if shadow is None else shadow.open)),
            asyncio.create_task(alarm.run()),
        ]
        if shadow is not None:
            tasks.append(asyncio.create_task(shadow.run()))
        system.start()
        gpus.start()
        comparisons.start()
        if keeper is not None:
            keeper.start()
        yield
        system.stop()
        gpus.stop()
        comparisons.stop()
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        await model.close()
        if shadow is not None:
            await shadow.close()
        if keeper is not None:
            await asyncio.to_thread(keeper.close)
        if spans is not None:
            await asyncio.to_thread(spans.close)
        # Some servers end the process without Python's own end, by the signal that they were stopped with.
        await asyncio.to_thread(journal.close)

    app = FastAPI(
        title="Tapetum",
        version=__version__,
        lifespan=lifespan,
        docs_url=None,  # manual.py has it: FastAPI's loads scripts from another host
        redoc_url=None,
        redirect_slashes=False,  # to http:// behind a balancer that ends TLS, whither a key would follow in the clear
        # A request is counted, and sent as a span, of its Exchange: never by FastAPI a second time.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.settings = settings
    app.state.access = access
    app.state.model = model
    app.state.instruments = instruments
    app.state.window = window
    app.state.drift = drift
    app.state.system = system
    app.state.gpus = gpus
    app.state.alarm = alarm
    app.state.observers = observers
    app.state.door = Door(model, observers)
    app.state.journal = journal
    app.state.feedback = feedback
    app.state.keeper = keeper
    app.state.shadow = shadow
    app.state.takers = takers
    app.state.store = Store(settings.max_held_bytes)
    app.state.unloaded = set()  # names of models that are not offered under /v2 at present
    routes.install(app)
    asked_most_first = (routes, home, manual, card_routes, explaining, feedback_routes, operations, alert_routes)
    for each in (*asked_most_first, logging_status, oip_routes, repository, admin_routes, shadow_routes):
        app.include_router(each.router)
    problems.install(app)
    app.add_middleware(BodyLimit, max_bytes=settings.max_body_bytes)
    app.add_middleware(Identity, observers=observers, in_flight=in_flight)
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
                JSON_SIZE,
            ],
            expose_headers=[problems.REQUEST_ID, tracing.TRACEPARENT, "Retry-After", JSON_SIZE],
        )
    app.state.lane = Lane(app, observers, in_flight, settings.max_body_bytes)
    instruments.expect_routes(_expected(app))
    app.state.paths = Paths(str(route.path) for route in iter_route_contexts(app.routes))
    app.state.page = home.Page(app.state.paths, settings)
    return app


def _keeper(settings: Settings) -> Keeper | None:
    """What keeps pictures; None where that is not wanted."""
    if settings.keep_pictures_dir is None:
        return None
    bounds = (settings.keep_pictures_max_bytes, settings.keep_pictures_max_age_s)
    open_shelf = partial(Shelf, settings.keep_pictures_dir, *bounds)
    return Keeper(open_shelf, settings.keep_pictures_share, settings.low_confidence, partial(datetime.now, UTC))


def _shadow(settings: Settings, model: Model, instruments: Instruments, holds_pictures: bool) -> Shadow | None:
    """What compares a challenger; None where there is none. Nobody may see its pictures without an operator's key."""
    if settings.shadow is None:
        return None
    new_comparison = partial(Comparison, partial(datetime.now, UTC), holds_pictures)
    return Shadow(settings, settings.shadow, lambda: model.edition.is_calm, instruments, new_comparison)


def _open_spans() -> "Spans":
    """What sends spans. Raises ConfigError where its packages are missing, or cannot use what they are told."""
    try:
        from tapetum.serving.spans import Spans
    except ImportError as error:
        raise ConfigError(
            f"OTEL_TRACES_EXPORTER is 'otlp', and tracing is not installed ({error}): pip install 'tapetum[otel]'"
        ) from error
    return Spans()


def _expected(app: FastAPI) -> Iterator[Expected]:
    """What each route says of itself."""
    for route in iter_route_contexts(app.routes):
        documented: dict[int, dict[str, Any]] = getattr(route, "responses", {})
        problematic = {status for status, response in documented.items() if response["model"] in (Problem, Failure)}
        yield Expected(str(route.path), route.methods or (), (200, *documented), problematic)
