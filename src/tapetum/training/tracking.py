"""Where a training run is recorded: nowhere, or in MLflow."""

import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import structlog

from tapetum.errors import ConfigError
from tapetum.settings import masked

if TYPE_CHECKING:
    from mlflow import MlflowClient

log = structlog.get_logger()


class Run(Protocol):
    """One run while it goes on; `address` says where a person finds it."""

    address: str

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        """Record figures at a step, such as an epoch."""

    def file(self, path: Path) -> None:
        """Keep a file, or all files of a folder."""


class Tracker(Protocol):
    """Opens runs; a run that ends with an error is marked as failed."""

    @contextmanager
    def run(self, experiment: str, params: Mapping[str, str]) -> Iterator[Run]:
        """Open a run of an experiment with its parameters."""


class NullRun:
    """Records nothing."""

    address = "not recorded"

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        """Forget them."""

    def file(self, path: Path) -> None:
        """Leave it where it is."""


class NullTracker:
    """Opens runs that record nothing."""

    @contextmanager
    def run(self, experiment: str, params: Mapping[str, str]) -> Iterator[Run]:
        """A run that forgets all it is told."""
        yield NullRun()


class MlflowRun:
    """A run on an MLflow server or in its SQLite file; when that fails, a warning is all that is lost."""

    def __init__(self, client: "MlflowClient", run_id: str, address: str) -> None:
        self.address = address
        self._client = client
        self._run_id = run_id
        self._is_lost = False

    def params(self, values: Mapping[str, str]) -> None:
        """Record the choices of the run."""
        for name, value in values.items():
            self._try(self._client.log_param, name, value)

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        """Record figures at a step."""
        for name, value in values.items():
            self._try(self._client.log_metric, name, value, step=step)

    def file(self, path: Path) -> None:
        """Keep a file, or all files of a folder, as artifacts."""
        if path.is_dir():
            self._try(self._client.log_artifacts, str(path), path.name)
        else:
            self._try(self._client.log_artifact, str(path))

    def finish(self, status: str) -> None:
        """Mark the run FINISHED or FAILED."""
        self._try(self._client.set_terminated, status)

    def _try(self, call: Callable[..., Any], *arguments: Any, **options: Any) -> None:
        if self._is_lost:
            return
        try:
            call(self._run_id, *arguments, **options)
        except Exception as error:  # of MLflow, its database or the network: no base but this
            self._is_lost = True
            log.warning("tracking stopped, training goes on", reason=masked(error))


class MlflowTracker:
    """Records in MLflow at a tracking URI, such as sqlite:///mlruns/mlflow.db."""

    def __init__(self, uri: str) -> None:
        self._uri = uri

    @contextmanager
    def run(self, experiment: str, params: Mapping[str, str]) -> Iterator[Run]:
        """A run of an experiment, which is made where it does not exist. Raises ConfigError for a wrong URI."""
        # Read when mlflow is imported: usage reports would leave this machine.
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        try:
            import mlflow  # seconds, and an extra
        except ImportError:
            raise ConfigError(
                "MLflow is not installed: pip install 'tapetum[train]', or MLFLOW_TRACKING_URI=none"
            ) from None
        for talkative in ("alembic", "mlflow"):
            logging.getLogger(talkative).setLevel(logging.WARNING)
        try:
            artifacts = None
            if self._uri.startswith("sqlite:///"):
                home = Path(self._uri.removeprefix("sqlite:///")).absolute().parent
                home.mkdir(parents=True, exist_ok=True)
                artifacts = (home / "artifacts" / experiment).as_uri()
            client = mlflow.MlflowClient(self._uri)
            known = client.get_experiment_by_name(experiment)
            experiment_id = known.experiment_id if known else client.create_experiment(experiment, artifacts)
            run_id = client.create_run(experiment_id).info.run_id
        except Exception as error:  # its own errors, SQLAlchemy's, KeyError for an unknown scheme: no base but this
            raise ConfigError(
                f"MLFLOW_TRACKING_URI is {masked(self._uri)!r}, which cannot be used: {masked(error)}; "
                "expected the address of a server, sqlite:///mlruns/mlflow.db, or none"
            ) from None
        tracked = MlflowRun(client, run_id, f"run {run_id} of experiment {experiment} in {masked(self._uri)}")
        status = "FAILED"
        try:
            tracked.params(params)
            yield tracked
            status = "FINISHED"
        finally:
            tracked.finish(status)


def open_tracker(uri: str) -> Tracker:
    """The tracker for a tracking URI; `none` records nothing."""
    return NullTracker() if uri == "none" else MlflowTracker(uri)
