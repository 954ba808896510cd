"""Refuses predictions while the queue is full or no worker is there, before anything else is done for them."""

from time import monotonic, perf_counter

import structlog
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from tapetum.errors import Unavailable
from tapetum.serving import problems, record
from tapetum.serving.lifecycle import Model
from tapetum.serving.middleware import conclude, identify, tell
from tapetum.serving.paths import PREDICTING, Paths
from tapetum.serving.problems import Written
from tapetum.serving.record import Observer, Outcome

_LOG_EVERY_S = 1.0

log = structlog.get_logger()


class Door:
    """Overload is when refusing must cost least: here it takes none of the layers behind, and one log line a second."""

    def __init__(self, model: Model, observers: list[Observer]) -> None:
        self._model = model
        self._observers = observers
        self._paths = Paths(PREDICTING)
        self._refused = 0
        self._log_at = 0.0

    def refusal(self, scope: Scope) -> Written | None:
        """The answer to a request that is not let in, which is then recorded; None for one that is."""
        start = perf_counter()
        if scope["type"] != "http" or scope["method"] != "POST" or not self._model.is_loaded:
            return None
        route = self._paths.template_of(scope["path"])
        if route is None:
            return None
        try:
            self._model.require_room()
        except Unavailable as error:
            return self._refuse(error, scope, route, start)
        return None

    def _refuse(self, error: Unavailable, scope: Scope, route: str, start: float) -> Written:
        ids, carried = identify(scope)
        written = problems.write(problems.kind_of(error), str(error), scope["path"], ids, carried)
        total_s = perf_counter() - start
        refused = record.make(Outcome(error), ids["request_id"], scope["path"], total_s, self._model.facts)
        scope["state"].update(records=(refused,), route=route, problem=refused.outcome)
        tell(self._observers, conclude(scope, refused.status, 0, len(written.body), total_s))
        self._refused += 1
        if monotonic() >= self._log_at:
            log.warning("requests are refused", reason=str(error), refused=self._refused)
            self._refused, self._log_at = 0, monotonic() + _LOG_EVERY_S
        return written


class Doorway:
    """The door as middleware, for servers that do not ask it themselves."""

    def __init__(self, app: ASGIApp, door: Door) -> None:
        self.app = app
        self._door = door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        written = self._door.refusal(scope)
        answer = self.app if written is None else Response(written.body, written.status, written.headers)
        await answer(scope, receive, send)
