"""The log of a whole process, configured once: our lines and libraries', warnings, and errors that nobody caught."""

import atexit
import errno
import faulthandler
import logging
import sys
import threading
from types import SimpleNamespace
from typing import Any

import structlog

from tapetum.errors import ConfigError
from tapetum.logs import context, lines, syslog
from tapetum.logs.destinations import Console, Destination, File
from tapetum.logs.journal import Journal
from tapetum.logs.syslog import Syslog
from tapetum.settings import Settings

# What may mend itself: these do not end the start.
_PASSING = {errno.ENOSPC, errno.EDQUOT, errno.ENXIO, errno.ECONNREFUSED}
_NUMBERS = {name: logging.getLevelNamesMapping()[name.upper()] for name in lines.LEVELS}

log = structlog.get_logger()


def configure(settings: Settings) -> Journal:
    """Log to standard error, and to the file and the syslog that are set.

    Raises ConfigError where one of them can never be written to. At the end
    of the process everything queued is written; who ends it otherwise than
    through `exit` calls `close` before.
    """
    journal = Journal(_destinations(settings))
    atexit.register(journal.close)
    level = _NUMBERS[settings.log_level]
    structlog.configure(
        processors=[
            context.merge,
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            lines.finish,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *names: SimpleNamespace(**dict.fromkeys(lines.LEVELS, journal.take)),
        cache_logger_on_first_use=True,
    )
    _take_over_libraries(level)
    _take_over_uncaught()
    return journal


def _destinations(settings: Settings) -> list[Destination]:
    chosen: list[Destination] = []
    if sys.stderr is not None:
        faulthandler.enable()
        is_text = settings.log_format == "console"
        chosen.append(Console(lines.console_renderer(sys.stderr.isatty()) if is_text else None))
    if settings.log_file is not None:
        file = File(settings.log_file, settings.log_file_max_bytes, settings.log_file_keep)
        _probe("TAPETUM_LOG_FILE", file, "name a file in a folder that this user may write to")
        chosen.append(file)
    if settings.log_syslog is not None:
        address = syslog.to_address(settings.log_syslog)
        daemon = Syslog(address)
        if address.how == "unix":  # a network may be up later than the service
            _probe("TAPETUM_LOG_SYSLOG", daemon, "name the socket of a syslog daemon that runs, such as /dev/log")
        chosen.append(daemon)
    return chosen


def _probe(variable: str, destination: File | Syslog, remedy: str) -> None:
    try:
        destination.open()
    except OSError as error:
        if error.errno not in _PASSING:
            raise ConfigError(f"{variable} is {destination.name!r}: {error.strerror}: {remedy}") from error


class _Foreign(logging.Handler):
    """Lines of libraries, which know logging only."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log it as one of ours."""
        try:
            text = record.getMessage()
        except Exception:  # a slip in a library's message must not cost the line
            text = str(record.msg)
        level = next((name for name in reversed(lines.LEVELS) if record.levelno >= _NUMBERS[name]), "debug")
        getattr(log, level)(text, logger=record.name, exc_info=record.exc_info or None)


def _take_over_libraries(level: int) -> None:
    """Every logger's lines, those that uvicorn has set up by itself too."""
    for name in list(logging.root.manager.loggerDict):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    # The middleware logs each request, with all that is known of it.
    logging.getLogger("uvicorn.access").propagate = False
    logging.captureWarnings(True)
    # What libraries say for their own developers shows bytes of pictures, such as Pillow's values of TIFF tags.
    logging.basicConfig(level=max(level, logging.INFO), handlers=[_Foreign()], force=True)


def _take_over_uncaught() -> None:
    def of_the_process(*caught: Any) -> None:
        log.critical("the process ends with an error", exc_info=caught)

    def of_a_thread(caught: threading.ExceptHookArgs) -> None:
        error = (caught.exc_type, caught.exc_value, caught.exc_traceback)
        log.critical("a thread ends with an error", thread=getattr(caught.thread, "name", None), exc_info=error)

    def of_nobody(caught: "sys.UnraisableHookArgs") -> None:
        error = (caught.exc_type, caught.exc_value, caught.exc_traceback)
        log.error(caught.err_msg or "an error in passing", exc_info=error)

    sys.excepthook, threading.excepthook, sys.unraisablehook = of_the_process, of_a_thread, of_nobody
