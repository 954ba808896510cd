"""Runs in MLflow: in its SQLite file or on a server, which may be away without stopping a training."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import structlog

from tapetum import __version__
from tapetum.bundle import Bundle
from tapetum.data.manifest import Manifest
from tapetum.data.sample import PARTS
from tapetum.errors import ConfigError
from tapetum.settings import masked
from tapetum.training import mlflow_client, model_registry, system_metrics
from tapetum.training.tracking import NullRun, Run

if TYPE_CHECKING:
    from mlflow import MlflowClient

log = structlog.get_logger()

_FIRST_CONTACT = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "5", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
_MOST_PARAMS = 100  # in one request, which is MLflow's limit
_LONGEST_DIGEST = 36


class MlflowRun:
    """A run in MLflow; when that fails, a warning is all that is lost, and it is not asked again."""

    def __init__(self, client: "MlflowClient", run_id: str, address: str) -> None:
        self.id = run_id
        self._client = client
        self._address = address
        self._lost: Exception | None = None
        self._lock = Lock()  # figures of the machine come from a thread

    @property
    def address(self) -> str:
        return f"in part: {self._address}" if self._lost else self._address

    def params(self, values: Mapping[str, str]) -> None:
        """Record the choices of the run."""
        from mlflow.entities import Param

        params = [Param(name, value) for name, value in values.items()]
        for start in range(0, len(params), _MOST_PARAMS):
            self._try(self._client.log_batch, params=params[start : start + _MOST_PARAMS])

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        """Record figures at a step."""
        from mlflow.entities import Metric

        now_ms = int(time.time() * 1000)
        self._try(self._client.log_batch, [Metric(name, value, now_ms, step) for name, value in values.items()])

    def tags(self, values: Mapping[str, str]) -> None:
        """Record what the run can be found by."""
        from mlflow.entities import RunTag

        self._try(self._client.log_batch, tags=[RunTag(name, value) for name, value in values.items()])

    def pictures(self, manifest: Manifest) -> None:
        """Record the pictures as a dataset: where they lie, their fingerprint and how many each part has."""
        from mlflow.entities import Dataset, DatasetInput

        counts = {part: len(manifest.part(part)) for part in PARTS}
        dataset = Dataset(
            name=manifest.root.absolute().name,
            digest=manifest.fingerprint[:_LONGEST_DIGEST],
            source_type="local",
            source=json.dumps({"uri": str(manifest.root.absolute())}),
            profile=json.dumps({"labels": len(manifest.labels), **counts}),
        )
        self._try(self._client.log_inputs, [DatasetInput(dataset, [])])

    def file(self, path: Path) -> None:
        """Keep a file, or all files of a folder, as artifacts."""
        if path.is_dir():
            self._try(self._client.log_artifacts, str(path), path.name)
        else:
            self._try(self._client.log_artifact, str(path))

    def challenger(self, name: str, bundle: Bundle, tags: Mapping[str, str]) -> None:
        """Keep a sealed bundle as a model, register it, and move the alias to it."""

        def register(run_id: str) -> None:
            version = model_registry.register(self._client, run_id, name, bundle, tags)
            self._address += f", models:/{name}@{model_registry.ALIAS} is version {version}"

        self._try(register)

    def finish(self, status: str) -> None:
        """Mark the run FINISHED or FAILED, unless nobody would hear it."""
        if self._lost is None or not mlflow_client.is_silence(self._lost):
            self._try(self._client.set_terminated, status, is_last=True)

    def _try(self, call: Callable[..., Any], *arguments: Any, is_last: bool = False, **options: Any) -> None:
        with self._lock:
            if self._lost and not is_last:
                return
            try:
                call(self.id, *arguments, **options)
            except Exception as error:  # of MLflow, its database or the network: no base but this
                self._lost = error
                log.warning(
                    "tracking stopped, training goes on and keeps all files in its folder", reason=masked(error)
                )


class MlflowTracker:
    """Records in MLflow at a tracking URI, such as sqlite:///mlruns/mlflow.db, in one experiment where it is named."""

    def __init__(self, uri: str, experiment: str | None = None) -> None:
        self._uri = uri
        self._experiment = experiment

    @contextmanager
    def run(self, experiment: str, params: Mapping[str, str]) -> Iterator[Run]:
        """A run of an experiment, which is made where it does not exist.

        A server that does not answer is a warning, and nothing is recorded.
        Raises ConfigError for a URI that cannot be used, and where a server refuses.
        """
        with mlflow_client.environment(self._uri):
            with mlflow_client.defaults(_FIRST_CONTACT):
                tracked = self._open(self._experiment or experiment)
            if tracked is None:
                yield NullRun(f"not recorded: {masked(self._uri)} did not answer")
                return
            with mlflow_client.defaults(mlflow_client.PATIENT):
                status = "FAILED"
                try:
                    tracked.params(params)
                    with system_metrics.sampled(tracked.id, self._uri, tracked.metrics):
                        yield tracked
                    status = "FINISHED"
                finally:
                    tracked.finish(status)

    def _open(self, experiment: str) -> MlflowRun | None:
        """A new run, or None where the server does not answer. Raises ConfigError."""
        connect = mlflow_client.quietly()
        try:
            artifacts = None
            if self._uri.startswith("sqlite:///"):
                home = Path(self._uri.removeprefix("sqlite:///")).absolute().parent
                home.mkdir(parents=True, exist_ok=True)
                artifacts = (home / "artifacts" / quote(experiment, safe="")).as_uri()
            client = connect(self._uri)
            known = client.get_experiment_by_name(experiment)
            experiment_id = known.experiment_id if known else client.create_experiment(experiment, artifacts)
            run_id = client.create_run(experiment_id, tags=_origin()).info.run_id
        except Exception as error:  # its own errors, SQLAlchemy's, KeyError for an unknown scheme: no base but this
            if self._uri.startswith("http") and mlflow_client.is_silence(error):
                log.warning("tracking server did not answer, training goes on unrecorded", reason=masked(error))
                return None
            raise ConfigError(
                f"MLFLOW_TRACKING_URI is {masked(self._uri)!r}, which cannot be used: {masked(error)}; "
                "expected the address of a server, sqlite:///mlruns/mlflow.db, or none"
            ) from None
        return MlflowRun(client, run_id, f"run {run_id} of experiment {experiment} in {masked(self._uri)}")


def _origin() -> dict[str, str]:
    """Tags that say what made the run: Tapetum's version, and the commit of the working folder where it has one."""
    from mlflow.utils.git_utils import get_git_commit
    from mlflow.utils.mlflow_tags import MLFLOW_GIT_COMMIT

    commit = get_git_commit(str(Path.cwd()))
    return {"tapetum.version": __version__} | ({MLFLOW_GIT_COMMIT: commit} if commit else {})
