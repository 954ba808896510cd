"""Training while a real MLflow server records it, and while that server dies."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
from conftest import fill
from structlog.testing import capture_logs

from tapetum import pipeline, recipe
from tapetum.pipeline import Outcome
from tapetum.progress import silent
from tapetum.training.fit import EpochResult
from tapetum.training.mlflow_tracking import MlflowTracker

# What MLflow itself makes of SQLAlchemy, pandas and type hints: nothing in our hands.
pytestmark = pytest.mark.filterwarnings("ignore:::mlflow")

MAKEFILE = Path(__file__).parents[2] / "Makefile"
READY_POLLS = 6000
REFERENCE = {
    *("train_loss", "train_accuracy"),
    *("val_loss", "val_accuracy", "val_precision", "val_recall", "val_f1"),
}


class Server(NamedTuple):
    """A server of MLflow with its process group."""

    address: str
    group: int


@contextmanager
def mlflow_ui(folder: Path) -> Iterator[Server]:
    """`make mlflow-ui` in a folder, on a free port, until the block ends."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    given = ["INSTALLED=", f"BIN={Path(sys.executable).parent}", f"PORT={port}"]
    log = folder / "server.log"
    with log.open("wb") as stream:
        command = ["make", "--file", str(MAKEFILE), "mlflow-ui", *given]
        process = subprocess.Popen(command, cwd=folder, stdout=stream, stderr=stream, start_new_session=True)
    try:
        for _ in range(READY_POLLS):
            try:
                process.wait(0.02)
                raise AssertionError(log.read_text())
            except subprocess.TimeoutExpired:
                pass
            try:
                if httpx.get(f"http://127.0.0.1:{port}/health").status_code == httpx.codes.OK:
                    break
            except httpx.TransportError:
                pass
        yield Server(f"http://127.0.0.1:{port}", process.pid)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for the tests of the module; the last of them kills it."""
    with mlflow_ui(tmp_path_factory.mktemp("server")) as started:
        yield started


def train(
    out: Path, uri: str, *overrides: str, on_epoch: Callable[[EpochResult], None] = lambda result: None
) -> Outcome:
    """Train on a folder of pictures that are told apart at once."""
    pictures = fill(out / "pictures")
    choices = ["image.height=16", "image.width=16", "train.epochs=3", "augment.flip=false", *overrides]
    chosen = recipe.for_pictures(pictures, {"bright": 40, "dark": 40}, 24, choices)
    manifest, _ = pipeline.divide(pictures, chosen.parts, out, silent)
    with chdir(out):
        return pipeline.train(chosen, manifest, out, out / "cache", MlflowTracker(uri), on_epoch, silent)


def test_a_server_keeps_figures_files_and_a_model_that_passed(server, tmp_path):
    from mlflow import MlflowClient

    outcome = train(tmp_path, server.address, "gate.accuracy=0.5", "gate.class_recall=0", "gate.calibration_error=1")

    client = MlflowClient(server.address)
    challenger = client.get_model_version_by_alias("pictures", "challenger")
    run = client.get_run(challenger.run_id)
    assert outcome.tracked.endswith("models:/pictures@challenger is version 1")
    assert run.data.metrics.keys() >= REFERENCE
    assert [entry.step for entry in client.get_metric_history(run.info.run_id, "val_f1")] == [1, 2, 3]
    assert run.data.params["train.epochs"] == "3"
    assert run.data.params["fingerprint"] == challenger.tags["fingerprint"] == outcome.bundle.facts.fingerprint
    assert run.data.tags["bundle.version"] == challenger.tags["bundle.version"] == outcome.bundle.facts.version
    assert challenger.tags["gate.accuracy in fp32"].endswith("demanded ≥ 0.5000")
    kept = {entry.path for entry in client.list_artifacts(run.info.run_id)}
    assert kept == {*pipeline.KEPT, "MODEL_CARD.md"}
    model_id = challenger.source.removeprefix("models:/")
    assert "artifacts" in {entry.path for entry in client.list_logged_model_artifacts(model_id)}


def test_a_model_that_failed_its_gate_is_kept_as_a_draft_and_not_registered(server, tmp_path):
    from mlflow import MlflowClient

    outcome = train(tmp_path, server.address, "name=refused", "gate.calibration_error=0")

    client = MlflowClient(server.address)
    run_id = outcome.tracked.split()[1]
    assert not outcome.verdict.passed
    assert client.get_run(run_id).data.tags["gate"] == "failed"
    assert "draft/bundle.json" in {entry.path for entry in client.list_artifacts(run_id, "draft")}
    assert client.search_model_versions("name='refused'") == []


def test_the_page_of_the_runs_opens(server):
    answer = httpx.get(server.address)

    assert answer.status_code == httpx.codes.OK
    assert "<title>MLflow</title>" in answer.text


def test_a_server_that_dies_in_the_middle_costs_one_warning(server, tmp_path):
    """Everything else is made and written as if nobody had looked on."""
    seen = []

    def kill(result: EpochResult) -> None:
        seen.append(result.epoch)
        if result.epoch == 1:
            os.killpg(server.group, signal.SIGKILL)

    choices = ["gate.accuracy=0.5", "gate.class_recall=0", "gate.calibration_error=1"]
    with capture_logs() as logs:
        outcome = train(tmp_path, server.address, *choices, on_epoch=kill)

    assert seen == [1, 2, 3]
    assert outcome.bundle.is_sealed
    assert [entry["event"] for entry in logs] == [
        "tracking stopped, training goes on and keeps all files in its folder"
    ]
    assert outcome.tracked.startswith("in part: run ")
    assert {path.name for path in tmp_path.iterdir()} >= {*pipeline.KEPT, "bundle"}
