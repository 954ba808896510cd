"""A run that is recorded by a process of its own is recorded as whole, and closed whatever ends."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from structlog.testing import capture_logs

from tapetum import bundle as bundles
from tapetum.data import manifest as manifests
from tapetum.errors import ConfigError
from tapetum.training.aside import AsideTracker, open_tracker
from tapetum.training.tracking import NullTracker

# MLflow's own use of SQLAlchemy: nothing in our hands.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning")

# Opens a run, and has a signal sent to the process that records it, or to its own.
KILLED = """
import os, sys
import psutil
from tapetum.training.aside import open_tracker
uri, pid, *signals = sys.argv[1:]
with open_tracker(uri) as tracker, tracker.run("killed", {}) as run:
    (recorder,) = psutil.Process().children()
    for number in signals:
        os.kill(recorder.pid if pid == "recorder" else os.getpid(), int(number))
    run.tags({"went": "on"})
"""


@pytest.fixture
def uri(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/mlflow.db"


def recorders() -> list[int]:
    """Processes that record for this one."""
    return [process.pid for process in psutil.Process().children() if "tapetum.training.recorder" in process.cmdline()]


def kept(uri: str, experiment: str):
    from mlflow import MlflowClient

    client = MlflowClient(uri)
    (run,) = client.search_runs([client.get_experiment_by_name(experiment).experiment_id])
    return run


def test_all_that_a_run_tells_is_recorded_in_its_order(uri, bundle_path, trained):
    with open_tracker(uri) as tracker, tracker.run("pets", {"train.lr": "0.003"}) as run:
        run.pictures(manifests.load(trained / "manifest.json"))
        run.metrics({"val_loss": 0.75}, step=1)
        run.tags({"gate": "passed"})
        run.file(trained / "scores.txt")
        run.challenger("pets", bundles.load(bundle_path), {"gate": "passed"})

    found = kept(uri, "pets")
    assert run.address.startswith(f"run {found.info.run_id} of experiment pets")
    assert run.address.endswith("models:/pets@challenger is version 1")
    assert (found.info.status, found.data.params) == ("FINISHED", {"train.lr": "0.003"})
    assert (found.data.metrics["val_loss"], found.data.tags["gate"]) == (0.75, "passed")
    assert len(found.inputs.dataset_inputs) == 1
    assert recorders() == []


def test_a_run_that_ends_with_an_error_failed(uri):
    with pytest.raises(KeyboardInterrupt), open_tracker(uri) as tracker, tracker.run("pets", {}):
        raise KeyboardInterrupt

    assert kept(uri, "pets").info.status == "FAILED"


@pytest.mark.parametrize(
    ("pid", "signals", "status"),
    [
        pytest.param(
            "recorder", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], "FINISHED", id="recorder asked to end"
        ),
        pytest.param("own", [signal.SIGKILL], "FAILED", id="training killed"),
    ],
)
def test_a_run_is_closed_whoever_gets_a_signal(uri, pid, signals, status):
    command = [sys.executable, "-c", KILLED, uri, pid, *(str(int(number)) for number in signals)]
    # Both processes hold standard error: this returns when both have ended.
    subprocess.run(command, stderr=subprocess.PIPE, check=False)

    assert kept(uri, "killed").info.status == status
    assert kept(uri, "killed").data.tags.get("went") == ("on" if status == "FINISHED" else None)


def test_where_the_process_that_records_is_killed_training_goes_on_and_says_so_once(uri):
    with capture_logs() as logs, open_tracker(uri) as tracker, tracker.run("pets", {}) as run:
        (recorder,) = recorders()
        os.kill(recorder, signal.SIGKILL)
        run.metrics({"val_loss": 0.75}, step=1)
        run.tags({"gate": "passed"})

    (warning,) = logs
    assert warning["event"] == "tracking stopped, training goes on and keeps all files in its folder"
    assert warning["reason"] == "the process that records it ended with code -9"
    assert run.address.startswith("in part: run ")


def test_what_cannot_be_recorded_is_warned_of_here(uri, tmp_path):
    with capture_logs() as logs, open_tracker(uri) as tracker, tracker.run("pets", {}) as run:
        run.file(tmp_path / "nowhere")

    (warning,) = logs
    assert "nowhere" in warning["reason"]
    assert run.address.startswith("in part: run ")


def test_a_wrong_uri_is_a_config_error_before_anything_is_trained():
    message = "MLFLOW_TRACKING_URI is 'nonsense', which cannot be used"
    with (
        pytest.raises(ConfigError, match=re.escape(message)),
        open_tracker("nonsense") as tracker,
        tracker.run("p", {}),
    ):
        pass


def test_a_process_that_does_not_start_is_a_config_error(uri):
    with open_tracker(uri) as tracker:
        (recorder,) = recorders()
        os.kill(recorder, signal.SIGKILL)
        with pytest.raises(ConfigError, match="its process ended with code -9"), tracker.run("pets", {}):
            pass


def test_a_run_that_never_began_leaves_no_process(uri):
    with pytest.raises(KeyboardInterrupt), open_tracker(uri):
        raise KeyboardInterrupt

    assert recorders() == []


@pytest.mark.parametrize(("uri", "kind"), [("none", NullTracker), ("sqlite:///mlflow.db", AsideTracker)])
def test_a_uri_chooses_the_tracker(uri, kind):
    with open_tracker(uri) as tracker:
        assert type(tracker) is kind
