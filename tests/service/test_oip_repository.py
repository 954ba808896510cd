"""The model repository of the Open Inference Protocol, for operators."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from inferring import client_of, of_files, of_pixels, post, words
from running import Service, running, serve_command
from tritonclient.http import InferenceServerClient
from tritonclient.utils import InferenceServerException

from tapetum import bundle as bundles
from tapetum import files

REPOSITORY = "/v2/repository"
OPERATOR = {"X-API-Key": "an-operator-key-of-night-shift"}


@pytest.fixture(scope="module")
def service(bundle_path, tmp_path_factory) -> Iterator[Service]:
    """One with an operator's key."""
    folder = tmp_path_factory.mktemp("operated")
    (folder / "operators").write_text(OPERATOR["X-API-Key"])
    keys = {"TAPETUM_OPERATOR_KEYS_FILE": str(folder / "operators")}
    with running(serve_command(bundle_path), folder / "log", **keys) as started:
        yield started


@pytest.fixture
def operated(start, tmp_path, own_bundle) -> Iterator[tuple[InferenceServerClient, Service]]:
    """A service of a bundle of its own, with an operator's key."""
    (tmp_path / "operators").write_text(OPERATOR["X-API-Key"])
    service = start(serve_command(own_bundle), TAPETUM_OPERATOR_KEYS_FILE=str(tmp_path / "operators"))
    with client_of(service) as client:
        yield client, service


def amend(bundle: Path, **changes: object) -> None:
    """Change facts of a sealed bundle, whose hashes are of its other files."""
    facts = json.loads((bundle / bundles.FACTS).read_text())
    files.write_text(bundle / bundles.FACTS, json.dumps(facts | changes))


def test_without_operators_there_is_no_repository(start):
    service = start()

    for path in ("index", "models/pictures/load", "models/pictures/unload"):
        response = post(service, b"", f"{REPOSITORY}/{path}")

        assert response.status_code == 403
        assert "TAPETUM_OPERATOR_KEYS_FILE" in response.json()["error"]


@pytest.mark.parametrize("path", ["index", "models/pictures/load", "models/pictures/unload"])
def test_the_repository_asks_for_an_operator(service, path):
    response = post(service, b"", f"{REPOSITORY}/{path}")

    assert (response.status_code, response.headers["WWW-Authenticate"]) == (401, 'Bearer realm="tapetum"')


def test_an_operator_unloads_a_model_and_loads_it(operated, photos, pixels):
    client, service = operated
    version = service.client.get("/v2/models/pictures").json()["versions"][0]
    entries = [
        {"name": name, "version": version, "state": "READY", "reason": ""} for name in ("pictures", "pictures-tensor")
    ]
    assert client.get_model_repository_index(headers=OPERATOR) == entries

    client.unload_model("pictures", headers=OPERATOR)

    unloaded, other = client.get_model_repository_index(headers=OPERATOR)
    assert (unloaded["state"], unloaded["reason"][:22]) == ("UNAVAILABLE", "the model was unloaded")
    assert post(service, {"ready": True}, f"{REPOSITORY}/index", **OPERATOR).json() == [other] == entries[1:]
    assert (client.is_model_ready("pictures"), client.is_model_ready("pictures-tensor")) == (False, True)
    with pytest.raises(InferenceServerException, match="an operator can load it") as raised:
        client.infer("pictures", of_files(photos))
    assert raised.value.status() == "503"
    assert words(client.infer("pictures-tensor", of_pixels(pixels))) == ["bright", "dark", "bright"]
    assert service.client.post("/predict", content=photos[0]).status_code == 200

    client.load_model("pictures", headers=OPERATOR)

    assert client.is_model_ready("pictures")
    assert client.get_model_repository_index(headers=OPERATOR) == entries


def test_to_load_is_to_reload_the_bundle(operated, own_bundle, photos):
    client, _ = operated
    amend(own_bundle, version="new", labels=["hell", "dunkel"])

    client.load_model("pictures-tensor", headers=OPERATOR)

    assert client.get_model_metadata("pictures")["versions"] == ["new"]
    assert words(client.infer("pictures", of_files(photos), "new")) == ["hell", "dunkel", "hell"]


def test_a_bundle_that_is_not_fit_is_not_loaded(operated, own_bundle, photos):
    client, _ = operated
    amend(own_bundle, files={"model.onnx": "0" * 64})

    with pytest.raises(InferenceServerException, match="the model of before goes on") as raised:
        client.load_model("pictures", headers=OPERATOR)

    assert raised.value.status() == "409"
    assert words(client.infer("pictures", of_files(photos))) == ["bright", "dark", "bright"]


@pytest.mark.parametrize(
    ("path", "body", "status", "said"),
    [
        ("models/dogs/load", b"", 404, "pictures and pictures-tensor"),
        ("models/pictures/load", b'{"parameters": {"config": "{}"}}', 400, "takes no parameters"),
        ("models/pictures/unload", b"[]", 400, "no JSON object"),
        ("models/pictures/unload", b"{", 400, "no JSON object"),
        ("index", b'{"ready": "perhaps"}', 400, "no boolean"),
        ("index", bytes(10_001), 413, "10000 bytes"),
    ],
)
def test_what_a_repository_does_not_take_is_the_callers_fault(service, path, body, status, said):
    response = post(service, body, f"{REPOSITORY}/{path}", **OPERATOR)

    assert response.status_code == status
    assert said in response.json()["error"]
    assert service.client.get("/v2/models/pictures/ready").status_code == 200
