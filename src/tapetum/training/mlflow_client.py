"""A client of MLflow that keeps quiet, gives up in time, and finds what its user has set."""

import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING

from tapetum import settings
from tapetum.errors import ConfigError

if TYPE_CHECKING:
    from mlflow import MlflowClient

# Usage reports would leave this machine; bars tear ours; a project's files for uv do not belong into a model.
_QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_UV_AUTO_DETECT": "false",
}
# MLflow's own 8 attempts of 120 s each would hold everything up for minutes. A server that answered once may
# take longer over a large file, and is missed for some seconds while it starts anew.
PATIENT = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "20", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2"}


def quietly() -> "Callable[[str], MlflowClient]":
    """What makes a client for a tracking URI. Raises ConfigError where MLflow is not installed."""
    try:
        import mlflow  # seconds, and an extra
    except ImportError:
        raise ConfigError(
            "MLflow is not installed: pip install 'tapetum[train]', or MLFLOW_TRACKING_URI=none"
        ) from None
    # What they warn of is told once, by us.
    for talkative in ("alembic", "mlflow", "urllib3"):
        logging.getLogger(talkative).setLevel(logging.ERROR)
    return mlflow.MlflowClient


@contextmanager
def environment(uri: str) -> Iterator[None]:
    """Until the block ends, the variables that MLflow is to see: those that its user set, and ours."""
    given = {name: value for name, value in settings.given().items() if name.startswith("MLFLOW_") and value}
    # A store looks its own models up at the URI of the environment; .env it does not read.
    with defaults({"MLFLOW_TRACKING_URI": uri} | _QUIET | given):
        yield


@contextmanager
def defaults(variables: Mapping[str, str]) -> Iterator[None]:
    """Set variables of the environment that nobody set, until the block ends."""
    fresh = {name: value for name, value in variables.items() if name not in os.environ}
    os.environ.update(fresh)
    try:
        yield
    finally:
        for name in fresh:
            os.environ.pop(name, None)


def is_silence(error: Exception) -> bool:
    """Whether no server answered, or one that is ill; one that refuses did answer."""
    from mlflow.exceptions import InvalidUrlException, MlflowException

    if not isinstance(error, MlflowException) or isinstance(error, InvalidUrlException):
        return False
    return bool(error.get_http_status_code() >= HTTPStatus.INTERNAL_SERVER_ERROR)
