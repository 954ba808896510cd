"""What a run records, and what it never shows."""

import json
import re
import socket
from collections.abc import Iterator
from contextlib import chdir
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tapetum.errors import ConfigError
from tapetum.training.tracking import MlflowTracker, NullTracker, open_tracker

# MLflow's own use of SQLAlchemy: nothing in our hands.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A working folder, since artifacts go to ./mlruns, with a run that ended well and one that did not."""
    folder = tmp_path_factory.mktemp("tracking")
    (folder / "bundle").mkdir()
    (folder / "bundle" / "inner.txt").write_text("inner")
    (folder / "scores.txt").write_text("scores")
    with chdir(folder):
        tracker = MlflowTracker("sqlite:///store/mlflow.db")
        with tracker.run("pets", {"train.lr": "0.003"}) as run:
            run.metrics({"val_loss": 0.75, "val_accuracy": 0.5}, step=1)
            run.metrics({"val_loss": 0.25}, step=2)
            run.file(folder / "scores.txt")
            run.file(folder / "bundle")
        with pytest.raises(KeyboardInterrupt), tracker.run("pets", {}):
            raise KeyboardInterrupt
        yield folder


@pytest.fixture
def client(place):
    from mlflow import MlflowClient

    return MlflowClient("sqlite:///store/mlflow.db")


@pytest.fixture
def finished(client):
    experiment = client.get_experiment_by_name("pets")
    (run,) = client.search_runs([experiment.experiment_id], "attributes.status = 'FINISHED'")
    return run


def test_parameters_are_recorded(finished):
    assert finished.data.params == {"train.lr": "0.003"}


def test_figures_are_recorded_by_step(finished, client):
    history = client.get_metric_history(finished.info.run_id, "val_loss")

    assert [(entry.step, entry.value) for entry in history] == [(1, 0.75), (2, 0.25)]
    assert finished.data.metrics == {"val_loss": 0.25, "val_accuracy": 0.5}


def test_files_and_folders_are_kept(finished, client):
    top = [entry.path for entry in client.list_artifacts(finished.info.run_id)]
    inner = [entry.path for entry in client.list_artifacts(finished.info.run_id, "bundle")]

    assert sorted(top) == ["bundle", "scores.txt"]
    assert inner == ["bundle/inner.txt"]


def test_a_run_that_ends_with_an_error_failed(finished, client):
    runs = client.search_runs([finished.info.experiment_id])

    assert sorted(run.info.status for run in runs) == ["FAILED", "FINISHED"]


def test_the_address_names_run_experiment_and_store(place):
    with MlflowTracker("sqlite:///store/mlflow.db").run("address", {}) as run:
        assert run.address.endswith(" of experiment address in sqlite:///store/mlflow.db")


@pytest.mark.parametrize(
    "uri",
    [
        pytest.param("nonsense", id="no scheme"),
        pytest.param("carrier-pigeon://loft", id="unknown scheme"),
        pytest.param("sqlite://user@/mlflow.db", id="bad address"),
        pytest.param("sqlite:///scores.txt/mlflow.db", id="file for a folder"),
        pytest.param("postgresql+pg8000://localhost:1/mlflow", id="no such driver here"),
    ],
)
def test_a_wrong_uri_is_a_config_error_that_names_variable_and_value(place, uri):
    message = f"MLFLOW_TRACKING_URI is {uri!r}, which cannot be used"
    with pytest.raises(ConfigError, match=re.escape(message)), MlflowTracker(uri).run("pets", {}):
        pass


class _Server(BaseHTTPRequestHandler):
    """As much of MLflow's REST interface as a run without figures needs."""

    def do_GET(self) -> None:
        self._answer({"experiment": {"experiment_id": "1", "name": "pets"}})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        info = {"run_id": "r1", "experiment_id": "1", "status": "RUNNING", "lifecycle_stage": "active"}
        self._answer({"run": {"info": info, "data": {}}, "run_info": info})

    def log_message(self, *values: object) -> None:
        pass

    def _answer(self, content: dict[str, object]) -> None:
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def test_the_password_of_a_server_is_not_in_the_address():
    with HTTPServer(("127.0.0.1", 0), _Server) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            with MlflowTracker(f"http://user:secret@127.0.0.1:{server.server_port}").run("pets", {}) as run:
                assert run.address == f"run r1 of experiment pets in http://user:***@127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_the_password_of_a_server_that_is_away_is_not_in_the_error(monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        uri = f"http://user:secret@127.0.0.1:{taken.getsockname()[1]}"

        with pytest.raises(ConfigError, match=r"user:\*\*\*@127") as caught, MlflowTracker(uri).run("pets", {}):
            pass

    assert "secret" not in str(caught.value)


def test_the_null_tracker_takes_all_and_writes_nothing(tmp_path):
    with chdir(tmp_path), NullTracker().run("pets", {"train.lr": "0.003"}) as run:
        run.metrics({"val_loss": 0.75}, step=1)
        run.file(Path("nowhere"))

    assert run.address == "not recorded"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("uri", "kind"), [("none", NullTracker), ("sqlite:///mlflow.db", MlflowTracker)])
def test_a_uri_chooses_the_tracker(uri, kind):
    assert type(open_tracker(uri)) is kind
