"""The process in which MLflow works: `python -m tapetum.training.recorder FD`, which `aside` starts and tells of a run.

It ends when the other end of its line is closed, and then marks a run as failed that nobody said to be over.
"""

import gc
import signal
import sys
from collections.abc import Callable, MutableMapping
from contextlib import suppress
from multiprocessing.connection import Connection
from threading import Lock
from typing import Any

import structlog

from tapetum import machine
from tapetum.errors import ConfigError
from tapetum.training import mlflow_client, model_registry
from tapetum.training.mlflow_tracking import MlflowTracker

Tell = Callable[[tuple[Any, ...]], None]


def main() -> None:
    """Record one run."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # whoever trains decides when the run is over
    machine.collect_seldom()
    with Connection(int(sys.argv[1])) as line:
        lock = Lock()  # figures of the machine come from a thread, which may have to warn

        def tell(message: tuple[Any, ...]) -> None:
            with lock, suppress(OSError):  # nobody listens any more, and the run is to be closed all the same
                line.send(message)

        structlog.configure(processors=[lambda _, level, event: _pass_on(tell, level, event)])
        with suppress(EOFError):
            _record(line, tell)
    gc.freeze()  # as the command line ends: looking for cycles among all that MLflow made takes a second


def _record(line: Connection, tell: Tell) -> None:
    uri, experiment = _heard(line)
    # What opening a run and saving a model import, while nobody waits for it yet.
    with suppress(ConfigError, ImportError), mlflow_client.environment(uri):
        mlflow_client.quietly()
        from mlflow import pyfunc  # noqa: F401  # it is used later, and imported by then
        from mlflow.store.tracking import sqlalchemy_store  # noqa: F401  # the same
    tracker = MlflowTracker(uri, experiment)
    name, params = _heard(line)
    try:
        with tracker.run(name, params) as run:
            tell(("address", run.address))
            is_prepared = False
            while (message := _heard(line)) is not None:
                method, arguments = message
                getattr(run, method)(*arguments)
                if method == "metrics" and not is_prepared:
                    model_registry.prepare()
                    is_prepared = True
    except ConfigError as error:
        tell(("error", error))
        return
    tell(("address", run.address))


def _heard(line: Connection) -> Any:
    """The next message. Raises EOFError where the line was closed, in the midst of one too."""
    try:
        return line.recv()
    except OSError as error:
        raise EOFError from error


def _pass_on(tell: Tell, level: str, event: MutableMapping[str, Any]) -> str:
    tell(("log", level, dict(event)))
    raise structlog.DropEvent


if __name__ == "__main__":
    main()
