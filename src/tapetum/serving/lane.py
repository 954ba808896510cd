"""The short way of predictions: from the connection to the endpoint and back, past the layers of the application."""

from fastapi import FastAPI, Request
from starlette.types import Receive, Scope, Send

from tapetum.errors import TapetumError
from tapetum.serving import problems
from tapetum.serving.direct import Direct
from tapetum.serving.middleware import BodyLimit, Identity
from tapetum.serving.record import InFlight, Observer


class Lane:
    """What an application is for its `Direct` routes, as ASGI, and answers the same.

    What stands in it between its own layers and these routes is there for routes of
    another kind, and for each request takes as long as the endpoint itself.
    """

    def __init__(self, app: FastAPI, observers: list[Observer], in_flight: InFlight, max_bytes: int) -> None:
        self._app = app
        self._handlers = {route.path: route.get_route_handler() for route in app.routes if isinstance(route, Direct)}
        self._surrounded = Identity(BodyLimit(self._answer, max_bytes), observers, in_flight)

    def takes(self, scope: Scope) -> bool:
        """Whether a request goes this way."""
        return scope["method"] == "POST" and scope["path"] in self._handlers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["app"] = self._app
        await self._surrounded(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        request.state.route = scope["path"]
        try:
            response = await self._handlers[scope["path"]](request)
        except TapetumError as error:
            response = problems.answer(request, error)
        await response(scope, receive, send)
