"""What a run records, and what it never shows."""

import json
import os
import re
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
from structlog.testing import capture_logs

from tapetum import bundle as bundles
from tapetum.data import manifest as manifests
from tapetum.errors import ConfigError
from tapetum.training.mlflow_tracking import MlflowTracker
from tapetum.training.tracking import NullTracker

# MLflow's own use of SQLAlchemy: nothing in our hands.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning")


# More than MLflow takes at once.
PARAMS = {f"train.choice{number}": str(number) for number in range(120)}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, trained: Path) -> Iterator[Path]:
    """A working folder, since artifacts go to ./store, with a run that ended well and one that did not."""
    folder = tmp_path_factory.mktemp("tracking")
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
    author = ["-c", "user.name=n", "-c", "user.email=n@localhost"]
    subprocess.run(["git", *author, "commit", "--quiet", "--allow-empty", "-m", "x"], cwd=folder, check=True)
    (folder / "bundle").mkdir()
    (folder / "bundle" / "inner.txt").write_text("inner")
    (folder / "scores.txt").write_text("scores")
    with chdir(folder):
        tracker = MlflowTracker("sqlite:///store/mlflow.db")
        with tracker.run("pets", PARAMS) as run:
            run.pictures(manifests.load(trained / "manifest.json"))
            run.tags({"gate": "passed"})
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
    assert finished.data.params == PARAMS


def test_figures_are_recorded_by_step(finished, client):
    history = client.get_metric_history(finished.info.run_id, "val_loss")

    assert [(entry.step, entry.value) for entry in history] == [(1, 0.75), (2, 0.25)]
    assert {"val_loss": 0.25, "val_accuracy": 0.5}.items() <= finished.data.metrics.items()


def test_a_run_shorter_than_the_interval_has_a_sample_of_the_machine_and_leaves_no_thread(finished):
    assert 0 <= finished.data.metrics["system/cpu_utilization_percentage"] <= 100
    assert finished.data.metrics["system/system_memory_usage_megabytes"] > 0
    assert "system-metrics" not in [thread.name for thread in threading.enumerate()]


def test_the_run_can_be_found_by_the_commit_of_the_working_folder(finished, place):
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=place, capture_output=True, text=True, check=True).stdout

    assert finished.data.tags["mlflow.source.git.commit"] == commit.strip()
    assert finished.data.tags["gate"] == "passed"


def test_the_pictures_are_a_dataset_with_their_fingerprint(finished, trained):
    (used,) = finished.inputs.dataset_inputs

    manifest = manifests.load(trained / "manifest.json")
    assert manifest.fingerprint.startswith(used.dataset.digest)
    assert json.loads(used.dataset.source) == {"uri": str(trained / "pictures")}
    assert json.loads(used.dataset.profile)["train"] == len(manifest.part("train"))


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
        self.server.__dict__.setdefault("tokens", set()).add(self.headers["Authorization"])
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class _Refusal(_Server):
    """Knows nobody."""

    def _answer(self, content: dict[str, object]) -> None:
        self.send_error(401)


class _Stalling(_Server):
    """Opens runs, and never answers to figures or tags."""

    def do_POST(self) -> None:
        if not self.path.endswith("log-batch"):
            return super().do_POST()
        self.server.__dict__.setdefault("unanswered", []).append(self.path)
        self.rfile.read()  # until the caller gives up
        return None


@contextmanager
def served(server: HTTPServer) -> Iterator[str]:
    """The address of a server that answers until the block ends."""
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()


def test_the_password_of_a_server_is_not_in_the_address():
    with HTTPServer(("127.0.0.1", 0), _Server) as server, served(server) as address:
        uri = f"http://user:secret@{address}"
        with MlflowTracker(uri).run("pets", {}) as run:
            assert run.address == f"run r1 of experiment pets in http://user:***@{address}"


@pytest.fixture(params=["no server", "silent server"])
def away(request, monkeypatch) -> Iterator[str]:
    """Addresses of nobody, and of somebody who takes connections and never says a word."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        if request.param == "silent server":
            taken.listen()
        yield f"127.0.0.1:{taken.getsockname()[1]}"


def test_a_server_that_does_not_answer_is_one_warning_without_the_password(away, bundle_path, trained):
    with capture_logs() as logs, MlflowTracker(f"http://user:secret@{away}").run("pets", {"a": "b"}) as run:
        run.pictures(manifests.load(trained / "manifest.json"))
        run.metrics({"val_loss": 0.75}, step=1)
        run.tags({"gate": "passed"})
        run.file(trained / "scores.txt")
        run.challenger("pets", bundles.load(bundle_path), {})

    assert run.address == f"not recorded: http://user:***@{away} did not answer"
    (warning,) = logs
    assert warning["event"] == "tracking server did not answer, training goes on unrecorded"
    assert "secret" not in str(warning)


def test_what_a_run_sets_in_the_environment_ends_with_it(away):
    before = dict(os.environ)

    with MlflowTracker(f"http://{away}").run("pets", {}):
        assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"

    assert dict(os.environ) == before


def test_a_server_that_refuses_is_a_config_error():
    """Such as for a wrong password: that is put right sooner than a run is made again."""
    with HTTPServer(("127.0.0.1", 0), _Refusal) as server, served(server) as address:
        message = f"MLFLOW_TRACKING_URI is 'http://{address}', which cannot be used"
        with pytest.raises(ConfigError, match=message), MlflowTracker(f"http://{address}").run("pets", {}):
            pass


def test_a_server_that_stalls_is_asked_once_and_no_more(monkeypatch, tmp_path):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")

    with HTTPServer(("127.0.0.1", 0), _Stalling) as server, served(server) as address, capture_logs() as logs:
        tracker = MlflowTracker(f"http://{address}")
        with tracker.run("pets", {}) as run:
            run.metrics({"val_loss": 0.75}, step=1)
            run.tags({"gate": "passed"})
            run.metrics({"val_loss": 0.5}, step=2)

    assert len(server.unanswered) == 1
    assert run.address == f"in part: run r1 of experiment pets in http://{address}"
    (warning,) = logs
    assert warning["event"] == "tracking stopped, training goes on and keeps all files in its folder"
    assert "Read timed out" in warning["reason"]


def test_credentials_stand_in_dotenv_as_well(tmp_path):
    (tmp_path / ".env").write_text("MLFLOW_TRACKING_TOKEN=from-dotenv\n")

    with chdir(tmp_path), HTTPServer(("127.0.0.1", 0), _Server) as server, served(server) as address:
        tracker = MlflowTracker(f"http://{address}")
        with tracker.run("pets", {}):
            pass

    assert server.tokens == {"Bearer from-dotenv"}


def test_a_run_that_could_not_keep_a_file_says_so_and_ends(place, client):
    with capture_logs() as logs, MlflowTracker("sqlite:///store/mlflow.db").run("gaps", {}) as run:
        run.file(place / "nowhere")
        run.tags({"gate": "passed"})

    (kept,) = client.search_runs([client.get_experiment_by_name("gaps").experiment_id])
    assert (kept.info.status, kept.data.tags.get("gate")) == ("FINISHED", None)
    assert run.address.startswith("in part: run ")
    assert len(logs) == 1


def test_one_experiment_may_hold_the_runs_of_many_recipes(place, client):
    with MlflowTracker("sqlite:///store/mlflow.db", "Team A/cats").run("pets", {}) as run:
        run.file(place / "scores.txt")

    experiment = client.get_experiment_by_name("Team A/cats")
    (kept,) = client.search_runs([experiment.experiment_id])
    assert [entry.path for entry in client.list_artifacts(kept.info.run_id)] == ["scores.txt"]


def test_the_null_tracker_takes_all_and_writes_nothing(tmp_path):
    with chdir(tmp_path), NullTracker().run("pets", {"train.lr": "0.003"}) as run:
        run.metrics({"val_loss": 0.75}, step=1)
        run.tags({"gate": "passed"})
        run.file(Path("nowhere"))

    assert run.address == "not recorded"
    assert list(tmp_path.iterdir()) == []
