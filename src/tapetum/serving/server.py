"""The server process: a port that is surely ours, then the application, then a clean end."""

import errno
import signal
import socket

import structlog
import uvicorn

from tapetum.bundle import FACTS
from tapetum.errors import ConfigError, ResourceError
from tapetum.serving.app import create_app
from tapetum.settings import Settings

GRACE_S = 30
_LOOPBACK = ("127.", "localhost", "::1")

log = structlog.get_logger()


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises ResourceError where the address cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        reason = "it is in use: stop what uses it" if error.errno == errno.EADDRINUSE else f"{error.strerror or error}"
        raise ResourceError(f"port {port} on {host} cannot be had; {reason}, or choose another with --port") from error


def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises ConfigError, ResourceError, or the reason why the bundle cannot be served.
    """
    if not (settings.bundle / FACTS).is_file():
        raise ConfigError(
            f"TAPETUM_BUNDLE is {str(settings.bundle)!r}, where there is no bundle: `tapetum train` makes one"
        )
    listening = listen(settings.host, settings.port)
    port = listening.getsockname()[1]
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    app = create_app(settings, on_failure=lambda: setattr(server, "should_exit", True))
    config = uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=GRACE_S)
    server = uvicorn.Server(config)
    if not settings.host.startswith(_LOOPBACK):
        log.warning("anyone who reaches this address can ask for predictions", host=settings.host)
    log.info("listening", address=f"http://{host}:{port}", bundle=str(settings.bundle))
    # uvicorn drains on SIGTERM, then raises it again; asked to stop and stopped is a success.
    signal.signal(signal.SIGTERM, lambda number, frame: setattr(server, "should_exit", True))
    server.run(sockets=[listening])
    if app.state.model.failure is not None:
        raise app.state.model.failure
