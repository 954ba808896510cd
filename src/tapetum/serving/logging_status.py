"""How the log does: for operators as `GET /logging-status`, for Prometheus as readings."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field

from tapetum import metrics
from tapetum.logs.destinations import File, Kind
from tapetum.logs.journal import Journal
from tapetum.logs.outlet import Outlet
from tapetum.serving.auth import observing
from tapetum.serving.instruments import Reading
from tapetum.serving.problems import MEDIA_TYPE, Problem
from tapetum.settings import Settings


class FileStatus(BaseModel):
    """The log file, and how it rotates."""

    size_bytes: int = Field(description="Size of the file that is written now.")
    max_bytes: int = Field(description="Size at which it rotates.")
    keep: int = Field(description="How many older files stay.")


class HandlerStatus(BaseModel):
    """One destination of the log."""

    kind: Kind
    # In full, as /ready shows the bundle's: whoever may ask here operates the service, and needs it to mend it.
    destination: str = Field(description="Path or address, as it was set.")
    up: bool = Field(description="Whether the last attempt to write to it succeeded, and none hangs.")
    errors: int = Field(description="Failed attempts so far.")
    last_error: str | None = Field(description="Why the last of them failed.")
    last_error_at: datetime | None
    queued: int = Field(description="Lines that wait for it.")
    dropped: int = Field(description="Lines that never reached it, since too many waited.")
    file: FileStatus | None = Field(description="Of the handler that is a file.")


class LoggingStatus(BaseModel):
    """The log of this process."""

    healthy: bool = Field(description="Whether every handler is up.")
    level: str = Field(description="Least severe level that is logged.")
    format: str = Field(description="Of the console; files and syslog get JSON.")
    lines: dict[str, int] = Field(description="Lines logged so far, by level.")
    dropped: int = Field(description="Lines dropped so far, over all handlers.")
    queue_limit: int = Field(description="How many lines may wait for each handler.")
    handlers: list[HandlerStatus]


router = APIRouter()


async def _journal(request: Request) -> Journal:
    journal: Journal = request.app.state.journal
    return journal


async def _settings(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


@router.get(
    "/logging-status",
    dependencies=[Depends(observing)],
    responses={401: {"model": Problem, "content": {MEDIA_TYPE: {}}}},
)
async def logging_status(
    journal: Annotated[Journal, Depends(_journal)], settings: Annotated[Settings, Depends(_settings)]
) -> LoggingStatus:
    """Where lines go, whether they arrive, and how many were lost."""
    handlers = [_status(outlet) for outlet in journal.outlets]
    return LoggingStatus(
        healthy=all(handler.up for handler in handlers),
        level=settings.log_level,
        format=settings.log_format,
        lines=journal.lines,
        dropped=journal.dropped,
        queue_limit=journal.limit,
        handlers=handlers,
    )


def _status(outlet: Outlet) -> HandlerStatus:
    health, destination = outlet.health, outlet.destination
    file = None
    if isinstance(destination, File):
        file = FileStatus(size_bytes=destination.size_bytes, max_bytes=destination.max_bytes, keep=destination.keep)
    return HandlerStatus(
        kind=destination.kind,
        destination=destination.name,
        up=health.is_up,
        errors=health.errors,
        last_error=health.last_error,
        last_error_at=None if health.last_error_s is None else datetime.fromtimestamp(health.last_error_s, UTC),
        queued=health.queued,
        dropped=health.dropped,
        file=file,
    )


def readings(journal: Journal) -> Iterator[Reading]:
    """The same as series."""
    for level, lines in journal.lines.items():
        yield Reading(metrics.LOG_LINES, lines, (level,))
    yield Reading(metrics.LOG_DROPPED, journal.dropped)
    for outlet in journal.outlets:
        handler = (outlet.destination.kind,)
        yield Reading(metrics.LOG_HANDLER_UP, outlet.health.is_up, handler)
        yield Reading(metrics.LOG_HANDLER_ERRORS, outlet.health.errors, handler)
        if isinstance(outlet.destination, File):
            yield Reading(metrics.LOG_FILE_SIZE, outlet.destination.size_bytes)
