"""The server process: a port that is surely ours, then the application, then a clean end."""

import asyncio
import errno
import gc
import os
import signal
import socket
from functools import partial
from time import monotonic
from types import FrameType
from typing import Any, cast

import structlog
import uvicorn

from tapetum import machine
from tapetum.bundle import FACTS
from tapetum.errors import ConfigError, ResourceError
from tapetum.logs.journal import Journal
from tapetum.serving.app import create_app
from tapetum.serving.connections import Connection, Limits
from tapetum.serving.lifecycle import Model
from tapetum.settings import Settings, variable

_LOOPBACK = ("127.", "localhost", "::1")
_LAST_LINES_S = 1.0

log = structlog.get_logger()


class _Server(uvicorn.Server):
    """uvicorn, which on a signal first lets balancers see that it will go, where uvicorn closes the door at once."""

    def __init__(self, config: uvicorn.Config, model: Model, journal: Journal, drain_s: float) -> None:
        super().__init__(config)
        self.was_interrupted = False
        self._model = model
        self._journal = journal
        self._drain_s = drain_s
        self._close_at: float | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin, and take SIGHUP for the wish to reload."""
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._model.reload_soon)
        await super().startup(sockets)
        # Collections of garbage pass over what will stay from here on: they took a quarter of a refusal's time.
        gc.collect()
        gc.freeze()
        machine.collect_as_usual()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal drains, at once on Ctrl-C; the second ends the process, and with it the workers."""
        if self._close_at is not None:
            self._journal.close(_LAST_LINES_S)
            os._exit(128 + sig)
        self.was_interrupted = sig == signal.SIGINT
        self._close_at = monotonic() + (0 if self.was_interrupted else self._drain_s)
        self._model.drain()

    async def on_tick(self, counter: int) -> bool:
        """A look, ten times a second, at whether to end."""
        if self._close_at is not None and monotonic() >= self._close_at:
            self.should_exit = True
        return await super().on_tick(counter)


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises ResourceError where the address cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        reason = "it is in use: stop what uses it" if error.errno == errno.EADDRINUSE else f"{error.strerror or error}"
        raise ResourceError(f"port {port} on {host} cannot be had; {reason}, or choose another with --port") from error


def run(settings: Settings, journal: Journal) -> None:
    """Serve until SIGTERM or SIGINT; `journal` is where this process logs.

    Raises ConfigError, ResourceError, the reason why the bundle cannot be served, or KeyboardInterrupt after SIGINT.
    """
    for name, path in (("bundle", settings.bundle), ("shadow", settings.shadow)):
        if path is not None and not (path / FACTS).is_file():
            of_run = path / "bundle"  # in the folder of a run, which is easily named instead
            remedy = f"did you mean {of_run}?" if (of_run / FACTS).is_file() else "`tapetum train` makes one"
            raise ConfigError(f"{variable(name)} is {str(path)!r}, where there is no bundle: {remedy}")
    listening = listen(settings.host, settings.port)
    port = listening.getsockname()[1]
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    app = create_app(settings, on_failure=lambda: setattr(server, "should_exit", True), journal=journal)
    model: Model = app.state.model
    limits = Limits(
        settings.max_connections,
        settings.head_timeout_s,
        settings.body_timeout_s,
        lambda: model.is_draining,
        app.state.door.refusal,
        app.state.lane,
    )
    config = uvicorn.Config(
        app,
        http=cast(Any, partial(Connection, limits, app.state.observers)),
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # nobody asks for a client's address
        timeout_keep_alive=cast(Any, settings.keep_alive_s),
        # What was accepted has this long at most: to arrive, to be computed, and to be taken.
        timeout_graceful_shutdown=int(settings.body_timeout_s + settings.request_timeout_s) + 1,
    )
    server = _Server(config, model, journal, settings.drain_s)
    if not settings.host.startswith(_LOOPBACK) and not settings.api_keys_file:
        log.warning(
            "anyone who reaches this address can ask for predictions: TAPETUM_API_KEYS_FILE closes it",
            host=settings.host,
        )
    log.info("listening", address=f"http://{host}:{port}", bundle=str(settings.bundle))
    server.run(sockets=[listening])
    if model.failure is not None:
        raise model.failure
    if server.was_interrupted:
        raise KeyboardInterrupt
