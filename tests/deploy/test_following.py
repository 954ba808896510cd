"""Pods that serve what was promoted: a real tracking server, and a bundle on its way from there to a pod."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
import tracking
from containers import podman
from played import play
from rendered import Manifest
from tracking import Server
from web import serves, web

from tapetum import bundle as bundles
from tapetum import files
from tapetum.delivery import fetch as fetching
from tapetum.delivery.fetch import fetch
from tapetum.delivery.promotion import BUNDLE_PATH
from tapetum.errors import ConfigError, DownloadError
from tapetum.training.mlflow_tracking import MlflowTracker

# What MLflow itself makes of SQLAlchemy, pandas and type hints: nothing in our hands.
pytestmark = pytest.mark.filterwarnings("ignore:::mlflow")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The tracking server of the manifest."""
    with tracking.of_the_manifest(tmp_path_factory.mktemp("tracking")) as started:
        yield started


@pytest.fixture(scope="module")
def digest(server: Server, bundle_path: Path) -> str:
    """The digest of models:/pets/1, which was registered as training does it."""
    bundle = bundles.load_sealed(bundle_path)
    with MlflowTracker(server.address).run("pets", {}) as run:
        run.challenger("pets", bundle, {})
    return bundles.digest(bundle)


@pytest.fixture
def registered(server, digest, own_bundle):
    """Register a copy of the bundle as it is by then; the version as fetch wants it, and its digest."""
    from mlflow import MlflowClient

    def register(source: str | None = None) -> tuple[str, str]:
        client = MlflowClient(server.address)
        logged = client.create_logged_model("1", "pets")
        place = logged.artifact_location.removeprefix("mlflow-artifacts:/")
        shutil.copytree(own_bundle, server.artifacts / place / BUNDLE_PATH)
        made = client.create_model_version("pets", source or f"models:/{logged.model_id}", model_id=logged.model_id)
        return f"models:/pets/{made.version}", files.sha256(own_bundle / bundles.FACTS)

    return register


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def listing(bundle: Path, **listed: str) -> None:
    """Have bundle.json list more files."""
    facts = json.loads((bundle / bundles.FACTS).read_text())
    facts["files"] |= listed
    (bundle / bundles.FACTS).write_text(json.dumps(facts))


def test_what_was_registered_arrives_whole(server, digest, bundle_path, tmp_path):
    fetch(server.address, "models:/pets/1", digest, tmp_path / "model" / "bundle")

    assert contents(tmp_path / "model" / "bundle") == contents(bundle_path)
    assert os.listdir(tmp_path / "model") == ["bundle"]
    assert bundles.digest(bundles.load_sealed(tmp_path / "model" / "bundle")) == digest


def test_a_bundle_that_is_there_needs_no_server(digest, bundle_path):
    """As after a restart of a pod, when the server may be away."""
    fetch("http://127.0.0.1:9", "models:/pets/1", digest, bundle_path)


def test_a_server_that_is_away_is_asked_some_times(digest, tmp_path):
    pauses: list[float] = []

    with pytest.raises(DownloadError, match=r"failed 5 times, at last with .*refused: try again later"):
        fetch("http://127.0.0.1:9", "models:/pets/1", digest, tmp_path / "bundle", sleep=pauses.append)

    assert pauses == [1, 2, 4, 8]
    assert os.listdir(tmp_path) == []


def test_another_digest_than_was_promoted_is_refused(server, digest, own_bundle, tmp_path):
    """As where somebody changed the artifacts of a version; what lay there stays."""
    other = "0" * 64

    with pytest.raises(DownloadError, match=f"models:/pets/1 at .* has the digest {digest}, and {other} was asked for"):
        fetch(server.address, "models:/pets/1", other, own_bundle)

    assert bundles.digest(bundles.load_sealed(own_bundle)) == digest


def test_a_file_that_is_not_the_one_that_was_sealed_is_refused(server, registered, own_bundle, tmp_path):
    weights = own_bundle / bundles.WEIGHTS
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    model, digest = registered()

    with pytest.raises(DownloadError, match=r"weights.safetensors has the SHA-256 .* it is not the promised file"):
        fetch(server.address, model, digest, tmp_path / "to" / "bundle")

    assert os.listdir(tmp_path / "to") == []


@pytest.mark.parametrize("name", ["../escaped", "/escaped", "golden/../../escaped", "..\\escaped", "bundle.json"])
def test_a_name_that_leaves_the_bundle_is_refused(server, registered, own_bundle, tmp_path, name):
    listing(own_bundle, **{name: "0" * 64})
    model, digest = registered()

    with pytest.raises(DownloadError, match="which is no file inside a bundle: nothing of it is served"):
        fetch(server.address, model, digest, tmp_path / "to" / "bundle")

    assert os.listdir(tmp_path / "to") == []


def test_an_answer_without_end_is_refused(server, registered, own_bundle, tmp_path):
    listing(own_bundle, **{"golden/" + "x" * fetching.MAX_ANSWER_BYTES: "0" * 64})
    model, digest = registered()

    with pytest.raises(DownloadError, match="at most 10,000,000 are fetched"):
        fetch(server.address, model, digest, tmp_path / "to" / "bundle")


def test_a_draft_is_refused(server, registered, own_bundle, tmp_path):
    facts = json.loads((own_bundle / bundles.FACTS).read_text())
    (own_bundle / bundles.FACTS).write_text(json.dumps(facts | {"files": None}))
    model, digest = registered()

    with pytest.raises(DownloadError, match="is a draft and cannot be served"):
        fetch(server.address, model, digest, tmp_path / "to" / "bundle")


def test_a_server_that_does_not_hand_out_artifacts_is_named(server, registered, tmp_path):
    model, digest = registered("s3://elsewhere/model")

    with pytest.raises(DownloadError, match=r"lies at s3://elsewhere/model, past http.* --artifacts-destination"):
        fetch(server.address, model, digest, tmp_path / "to" / "bundle")


@pytest.mark.parametrize(
    ("uri", "model", "digest", "words"),
    [
        ("http://localhost", "models:/pets@champion", "0" * 64, "'models:/pets@champion' names no version"),
        ("http://localhost", "", "0" * 64, "'' names no version"),
        ("http://localhost", "models:/pets/1", "", "the digest is ''"),
        ("sqlite:///mlruns/mlflow.db", "models:/pets/1", "0" * 64, "MLFLOW_TRACKING_URI is 'sqlite"),
    ],
    ids=["alias", "no model", "no digest", "no server"],
)
def test_what_cannot_be_fetched_is_said(uri, model, digest, words, tmp_path):
    with pytest.raises(ConfigError, match=words):
        fetch(uri, model, digest, tmp_path / "bundle")


def test_the_command_says_what_came_of_it_in_one_line(server, digest, tmp_path):
    def run(model: str, folder: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "tapetum.delivery.fetch", model, digest, "--to", str(tmp_path / folder)]
        variables = os.environ | {"MLFLOW_TRACKING_URI": server.address}
        return subprocess.run(command, env=variables, capture_output=True, text=True, check=False)

    right, wrong = run("models:/pets/1", "bundle"), run("models:/pets/99", "other")

    assert (right.returncode, right.stdout) == (0, f"{tmp_path / 'bundle'} holds models:/pets/1\n")
    assert wrong.returncode == 2
    assert re.fullmatch(r"tapetum: .*name=pets&version=99 answered with status 404 .*\n", wrong.stderr)


def test_a_pod_that_is_taken_back_in_the_middle_of_a_file_leaves_nothing(tmp_path):
    """A container's first process, as this is in a pod, is ended by SIGTERM only if it listens to it."""

    def half(handler: BaseHTTPRequestHandler) -> None:
        serves(b"{" * 1000, cut_after=500)(handler)
        process.send_signal(signal.SIGTERM)

    with web() as place:
        place.answers[:] = [serves(b'{"artifact_uri": "mlflow-artifacts:/1/models/m-1/artifacts"}'), half]
        command = [sys.executable, "-m", "tapetum.delivery.fetch", "models:/pets/1", "0" * 64]
        variables = os.environ | {"MLFLOW_TRACKING_URI": place.url}
        process = subprocess.Popen([*command, "--to", str(tmp_path / "to" / "bundle")], env=variables)
        code = process.wait()

    assert code == 128 + signal.SIGTERM
    assert os.listdir(tmp_path / "to") == []


def test_a_pod_fetches_what_its_annotations_name_and_serves_it(server, digest, image, trained, tmp_path):
    """The first container and the service as the manifest has them; the name `mlflow` leads to this machine."""
    port = server.address.rpartition(":")[2]
    network = "podman-default-kube-network"  # which the first pod on a machine would make
    if network not in podman("network", "ls", "--format", "{{.Name}}").split():
        podman("network", "create", network)
    gateway = json.loads(podman("network", "inspect", network))[0]["subnets"][0]["gateway"]

    def fill(made: Manifest, settings: Manifest) -> None:
        made["metadata"]["annotations"] = {"tapetum/model": "models:/pets/1", "tapetum/digest": digest}
        made["spec"]["hostAliases"] = [{"ip": gateway, "hostnames": ["mlflow"]}]
        settings["data"]["MLFLOW_TRACKING_URI"] = settings["data"]["MLFLOW_TRACKING_URI"].replace("5000", port)

    with play("deploy/k8s/overlays/kind-following", image, tmp_path, fill) as served:
        ready = served.client.get("/ready").json()
        answer = served.client.post("/predict", content=(trained / "pictures" / "bright" / "00.png").read_bytes())
        held = served.execute("sha256sum", "/model/bundle/bundle.json").split()[0]
        writable = served.execute("sh", "-c", "touch /model/here 2>/dev/null && echo yes || echo no")

    assert ready["model_path"] == "/model/bundle"
    assert answer.json()["prediction"] == "bright"
    assert held == digest
    assert writable == "no"
