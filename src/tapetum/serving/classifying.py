"""One request for predictions, from its head to its records."""

import re
from collections.abc import Awaitable, Callable, Sequence
from time import perf_counter

from starlette.requests import Request

from tapetum.errors import MalformedRequest
from tapetum.inference.predictor import Picture
from tapetum.serving import record
from tapetum.serving.lifecycle import Model
from tapetum.serving.record import Outcome
from tapetum.serving.uploads import Hold

TIMEOUT = "X-Request-Timeout"
TIMEOUT_HEADER = {  # as OpenAPI has it
    "name": TIMEOUT,
    "in": "header",
    "required": False,
    "schema": {"type": "string", "example": "2.5"},
    "description": "Time that the caller allows, in seconds or as `500ms`; at most TAPETUM_REQUEST_TIMEOUT_S.",
}
GONE = "tapetum.gone"  # in the scope: a future that is done when the client has hung up
_TIMEOUT = re.compile(r"(\d{1,6}(?:\.\d{1,6})?)\s*(ms|s)?")

Read = Callable[[Hold], Awaitable[Sequence[Picture]]]


async def classify(request: Request, read: Read) -> list[Outcome]:
    """Read the pictures, have them computed, and leave a record of each with the request.

    Raises what concerns the request as a whole, which is then its one record.
    """
    start = perf_counter()
    state = request.app.state
    model: Model = state.model
    served = model.facts if model.is_loaded else None
    outcomes: list[Outcome] = []
    try:
        timeout_s = timeout_s_of(request, state.settings.request_timeout_s)
        served = served or model.facts  # raises before the body is read; a full queue was refused at the door
        with state.store.hold() as hold:
            contents = await read(hold)
            outcomes = await model.predict(contents, timeout_s, gone(request))
    except Exception as error:  # whatever ends a request is its outcome, and goes on to who answers it
        outcomes = [Outcome(error)]
        raise
    finally:
        total_s, request_id = perf_counter() - start, request.state.request_id
        records = [record.make(outcome, request_id, request.scope["path"], total_s, served) for outcome in outcomes]
        request.state.records = tuple(records)
    for take in state.takers:
        take(contents, records)
    return outcomes


def timeout_s_of(request: Request, most_s: float) -> float:
    """What the caller allows, at most what the service does. Raises MalformedRequest."""
    given = request.headers.get(TIMEOUT)
    if given is None:
        return most_s
    found = _TIMEOUT.fullmatch(given.strip())
    seconds = float(found[1]) / (1000 if found[2] == "ms" else 1) if found else 0.0
    if seconds <= 0:
        raise MalformedRequest(f"{TIMEOUT} is {given!r}: expected seconds above 0, such as 2.5, or 500ms")
    return min(seconds, most_s)


def gone(request: Request) -> Awaitable[None]:
    """Done when the client has hung up; the request's body must have been read."""
    # A connection of our own says so by itself, and spares a task that waits for it.
    known: Awaitable[None] | None = request.scope.get(GONE)
    return _hung_up(request) if known is None else known


async def _hung_up(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
