"""Refuses predictions while the queue is full or no worker is there, before anything else is done for them."""

from time import monotonic

import structlog
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from tapetum.errors import Unavailable
from tapetum.serving import problems, record
from tapetum.serving.lifecycle import Model
from tapetum.serving.middleware import conclude, identify
from tapetum.serving.record import Observer, Outcome

_ROUTES = ("/predict", "/predict/batch")
_LOG_EVERY_S = 1.0

log = structlog.get_logger()


class Door:
    """Overload is when refusing must cost least: here it takes none of the layers behind, and one log line a second."""

    def __init__(self, app: ASGIApp, model: Model, observers: list[Observer]) -> None:
        self.app = app
        self._model = model
        self._observers = observers
        self._refused = 0
        self._log_at = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "POST" and scope["path"] in _ROUTES and self._model.is_loaded:
            try:
                self._model.require_room()
            except Unavailable as error:
                await self._refuse(error, scope, receive, send)
                return
        await self.app(scope, receive, send)

    async def _refuse(self, error: Unavailable, scope: Scope, receive: Receive, send: Send) -> None:
        ids, carried = identify(scope)
        response = problems.answer(Request(scope), error)
        response.headers.update(carried)
        facts = self._model.facts
        refused = record.make(Outcome(error), ids["request_id"], scope["path"], 0.0, facts.name, facts.version)
        scope["state"]["records"] = (refused,)
        exchange = conclude(scope, response.status_code, 0, len(response.body), 0.0)
        for observe in self._observers:
            observe(exchange)
        self._refused += 1
        if monotonic() >= self._log_at:
            log.warning("requests are refused", reason=str(error), refused=self._refused)
            self._refused, self._log_at = 0, monotonic() + _LOG_EVERY_S
        await response(scope, receive, send)
