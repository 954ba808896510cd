"""Routes that take their request as it came."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from tapetum.serving.auth import offered


class Direct(APIRoute):
    """A route whose guards and endpoint are called with the request, and which answers with a Response.

    It is documented as any other. FastAPI's way of finding out what an endpoint
    needs takes longer than all else that the front does for a picture.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """What is called for a request."""
        guards = [guard.dependency for guard in self.dependencies]

        async def handle(request: Request) -> Response:
            for guard in guards:
                assert guard is not None
                await guard(request, offered(request))
            response: Response = await self.endpoint(request)
            return response

        return handle
