"""The Open Inference Protocol as its own client speaks it, against a real service."""

import gzip
import json
from base64 import b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from inferring import INFER, SIZE, client_of, of_files, of_pixels, post, words
from running import Service, ask_beyond_the_limit, frozen, running, serve_command
from tritonclient.http import InferenceServerClient, InferRequestedOutput
from tritonclient.utils import InferenceServerException

from tapetum import bundle as bundles


@pytest.fixture
def client(service: Service) -> Iterator[InferenceServerClient]:
    with client_of(service) as asking:
        yield asking


@pytest.fixture(scope="module")
def known(service: Service, photos) -> np.ndarray:
    """What /predict says of them: (3, 2)."""
    answers = [service.client.post("/predict", content=content).json()["probabilities"] for content in photos]
    return np.array([[answer["bright"], answer["dark"]] for answer in answers], np.float32)


def wanted(is_binary: bool, **parameters: int) -> list[InferRequestedOutput]:
    names = ("probabilities", "label")
    return [InferRequestedOutput(name, binary_data=is_binary, **parameters) for name in names]


def asking(**changes: Any) -> dict[str, Any]:
    """A request in JSON for one picture, with parts of its input changed."""
    given_input = {"name": "picture", "shape": [1], "datatype": "BYTES", "data": ["eA=="]} | changes
    return {"inputs": [{name: value for name, value in given_input.items() if value is not None}]}


def test_the_server_and_its_models_are_described(client, bundle_path):
    version = bundles.load(bundle_path).facts.version

    server = client.get_server_metadata()
    of_files, of_pixels = (client.get_model_metadata(name, version) for name in ("pictures", "pictures-tensor"))

    assert server["name"] == "tapetum"
    assert server["extensions"] == ["binary_tensor_data", "classification", "model_repository"]
    outputs = [
        {"name": "probabilities", "datatype": "FP32", "shape": [-1, 2]},
        {"name": "label", "datatype": "BYTES", "shape": [-1]},
    ]
    assert of_files == client.get_model_metadata("pictures")
    assert of_files["versions"] == [version]
    assert of_files["inputs"] == [{"name": "picture", "datatype": "BYTES", "shape": [-1]}]
    assert of_pixels["inputs"] == [{"name": "pixels", "datatype": "UINT8", "shape": [-1, 16, 16, 3]}]
    assert of_files["outputs"] == of_pixels["outputs"] == outputs


def test_readiness_is_told_of_the_server_and_of_each_model(client, bundle_path):
    version = bundles.load(bundle_path).facts.version

    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("pictures")
    assert client.is_model_ready("pictures-tensor", version)
    assert not client.is_model_ready("pictures", "2")
    assert not client.is_model_ready("dogs")


@pytest.mark.parametrize("is_binary", [True, False])
@pytest.mark.parametrize("is_answer_binary", [True, False])
def test_both_models_answer_what_predict_answers(client, photos, pixels, known, is_binary, is_answer_binary):
    outputs = wanted(is_answer_binary)

    of_bytes = client.infer("pictures", of_files(photos, is_binary=is_binary), outputs=outputs)
    of_tensor = client.infer("pictures-tensor", of_pixels(pixels, is_binary), outputs=outputs)

    for result in (of_bytes, of_tensor):
        np.testing.assert_array_equal(result.as_numpy("probabilities"), known)
        assert result.as_numpy("probabilities").dtype == np.float32
        assert words(result) == ["bright", "dark", "bright"]


def test_without_outputs_all_come_and_the_id_comes_back(client, photos, bundle_path):
    version = bundles.load(bundle_path).facts.version

    response = client.infer("pictures", of_files(photos), version, request_id="order-66").get_response()

    assert [output["name"] for output in response["outputs"]] == ["probabilities", "label"]
    assert (response["model_name"], response["model_version"], response["id"]) == ("pictures", version, "order-66")


def test_outputs_come_in_the_order_and_the_form_that_each_is_wanted_in(client, photos):
    outputs = [InferRequestedOutput("label", binary_data=False), InferRequestedOutput("probabilities")]

    result = client.infer("pictures", of_files(photos[:1]), outputs=outputs)

    label, probabilities = result.get_response()["outputs"]
    assert label == {"name": "label", "datatype": "BYTES", "shape": [1], "data": ["bright"]}
    assert probabilities["parameters"] == {"binary_data_size": 8}
    assert "id" not in result.get_response()


@pytest.mark.parametrize("is_binary", [True, False])
def test_pictures_may_come_as_a_column(client, photos, known, is_binary):
    result = client.infer("pictures", of_files(photos, [3, 1], is_binary))

    np.testing.assert_array_equal(result.as_numpy("probabilities"), known)
    assert result.as_numpy("label").shape == (3,)


@pytest.mark.parametrize("is_nested", [True, False])
def test_pixels_in_json_may_be_flat_or_nested(service, pixels, is_nested):
    data = pixels[:2].tolist() if is_nested else pixels[:2].ravel().tolist()
    tensor = {"name": "pixels", "shape": [2, 16, 16, 3], "datatype": "UINT8", "data": data}

    answer = post(service, {"inputs": [tensor]}, "/v2/models/pictures-tensor/infer").json()

    assert answer["outputs"][1]["data"] == ["bright", "dark"]
    assert answer["outputs"][0]["shape"] == [2, 2]


def test_a_body_without_json_is_the_input(service, photos, pixels, known):
    """With a header of 0 bytes: one picture, or the pixels of several; the answer is binary."""
    one = post(service, photos[0], **{SIZE: "0"})
    several = post(service, pixels.tobytes(), "/v2/models/pictures-tensor/infer", **{SIZE: "0"})

    for response, expected in ((one, known[:1]), (several, known)):
        head = int(response.headers[SIZE])
        found = np.frombuffer(response.content[head:][: expected.nbytes], "<f4").reshape(expected.shape)
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("is_binary", [True, False])
def test_classification_is_the_most_probable_classes_with_their_labels(client, photos, known, is_binary):
    outputs = [InferRequestedOutput("probabilities", binary_data=is_binary, class_count=5)]

    result = client.infer("pictures", of_files(photos[:2]), outputs=outputs)

    assert words(result, "probabilities") == [
        [f"{known[0, 0]:f}:0:bright", f"{known[0, 1]:f}:1:dark"],
        [f"{known[1, 1]:f}:1:dark", f"{known[1, 0]:f}:0:bright"],
    ]


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_requests_and_answers_may_be_compressed(client, service, photos, known, encoding):
    inputs, outputs = of_files(photos * 10), wanted(is_binary=False)
    compression = {"request_compression_algorithm": encoding, "response_compression_algorithm": encoding}

    result = client.infer("pictures", inputs, outputs=outputs, **compression)
    as_bytes = client.infer("pictures", inputs, **compression)

    np.testing.assert_array_equal(result.as_numpy("probabilities"), np.tile(known, (10, 1)))
    np.testing.assert_array_equal(as_bytes.as_numpy("probabilities"), np.tile(known, (10, 1)))
    request = asking(shape=[30], data=[b64encode(content).decode() for content in photos * 10])
    with service.client.stream("POST", INFER, json=request, headers={"Accept-Encoding": encoding}) as response:
        assert response.headers["Content-Encoding"] == encoding


def test_a_short_answer_is_not_compressed(service, photos):
    response = post(service, asking(data=[b64encode(photos[0]).decode()]), **{"Accept-Encoding": "gzip"})

    assert response.status_code == 200
    assert "Content-Encoding" not in response.headers


def test_many_requests_at_once_get_their_own_answers(client, photos, pixels, known):
    inputs = {"pictures": [of_files([content]) for content in photos]}
    inputs["pictures-tensor"] = [of_pixels(pixels[row : row + 1]) for row in range(3)]

    running_requests = [
        (row, client.async_infer(name, tensors[row]))
        for _ in range(8)
        for name, tensors in inputs.items()
        for row in range(3)
    ]

    for row, request in running_requests:
        np.testing.assert_array_equal(request.get_result().as_numpy("probabilities"), known[row : row + 1])


def test_predictions_count_in_the_same_series(service, client, photos):
    def sample(name: str) -> float:
        lines = service.client.get("/metrics").text.splitlines()
        return next((float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(f"{name} ")), 0.0)

    names = (
        'predictions_total{predicted_class="bright"}',
        "prediction_latency_seconds_count",
        'http_requests_total{method="POST",path="/v2/models/{name}/infer",status="200"}',
        'http_problems_total{path="/v2/models/{name}/infer",type="broken-picture"}',
    )
    before = [sample(name) for name in names]

    client.infer("pictures", of_files(photos))
    with pytest.raises(InferenceServerException):
        client.infer("pictures", of_files([photos[0][:100]]))

    assert [sample(name) - was for name, was in zip(names, before, strict=True)] == [2, 3, 1, 1]


def test_the_window_and_the_log_know_the_pictures(service, client, photos):
    before = service.client.get("/model-stats").json()["predictions"]

    client.infer("pictures", of_files(photos[:1]), headers={"X-Request-ID": "of-triton"})

    assert service.client.get("/model-stats").json()["predictions"] > before
    assert "/v2/models/{name}/infer" in service.client.get("/api-stats").json()["endpoints"]
    service.until(lambda: any(line.get("request_id") == "of-triton" for line in service.lines()))
    (line,) = (line for line in service.lines() if line.get("request_id") == "of-triton")
    assert (line["path"], line["outcome"], line["label"]) == (INFER, "answered", "bright")


def test_one_bad_picture_is_the_answer_and_says_which_it_is(client, photos):
    with pytest.raises(InferenceServerException, match=r"picture 1 of 3, counted from 0: .* look like text") as raised:
        client.infer("pictures", of_files([photos[0], b"dear diary", photos[2]]))

    assert raised.value.status() == "415"


WRONG = {
    "no body": (b"", 400, "no body"),
    "no JSON": (b"\xff\xd8\xff", 400, "no JSON"),
    "no object": ([1], 400, "the request"),
    "deep": (b"[" * 100_000, 400, "no JSON"),
    "a huge number": (b'{"inputs": [{"name": "picture", "shape": [' + b"9" * 5000 + b"]}]}", 400, ""),
    "no inputs": ({}, 400, "inputs: Field required"),
    "two inputs": ({"inputs": asking()["inputs"] * 2}, 400, "inputs"),
    "another input": (asking(name="image"), 400, "'picture' of BYTES"),
    "another type": (asking(datatype="UINT8"), 400, "'picture' of BYTES"),
    "another shape": (asking(shape=[1, 2]), 400, "expected [-1]"),
    "no shape": (asking(shape=[]), 400, "shape"),
    "a shape of text": (asking(shape=["one"]), 400, "inputs.0.shape.0"),
    "no pictures": (asking(shape=[0], data=[]), 422, "0 pictures"),
    "33 pictures": (asking(shape=[33], data=["eA=="] * 33), 413, "at most 32"),
    "no data": (asking(data=None), 400, "needs data"),
    "too few data": (asking(shape=[2]), 400, "1 elements: the shape says 2"),
    "no list": (asking(data="eA=="), 400, "inputs.0.data"),
    "no base64": (asking(data=["<jpeg>"]), 400, "no base64"),
    "a number": (asking(data=[1]), 400, "no base64"),
    "no picture": (asking(), 415, "not a picture"),
    "an empty picture": (asking(data=[""]), 422, "0 bytes"),
    "binary data that are missing": (asking(data=None, parameters={"binary_data_size": 5}), 400, "0 bytes follow"),
    "shared memory": (asking(parameters={"shared_memory_region": "x"}), 400, "no memory"),
    "another output": (asking() | {"outputs": [{"name": "x"}]}, 400, "probabilities and label"),
    "classes of words": (
        asking() | {"outputs": [{"name": "label", "parameters": {"classification": 1}}]},
        400,
        "no numbers",
    ),
    "no classes": (
        asking() | {"outputs": [{"name": "probabilities", "parameters": {"classification": 0}}]},
        400,
        "outputs.0.parameters.classification",
    ),
    "a million values": (b'{"inputs": [' + b"[]," * 500_000, 413, "binary form"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_said_as_the_protocol_has_it(service, name):
    body, status, said = WRONG[name]

    response = post(service, body)

    assert (response.status_code, response.headers["Content-Type"]) == (status, "application/json")
    assert response.json().keys() == {"error"}
    assert said in response.json()["error"]
    assert response.headers["X-Request-ID"]


BINARY = {
    "a header beyond the body": ("99999", {}, b"", "from 0 to"),
    "a header of words": ("ten", {}, b"", "from 0 to"),
    "bytes that nobody has announced": (None, {"data": ["eA=="]}, b"abc", "3 bytes follow"),
    "data in both places": (
        None,
        {"data": ["eA=="], "parameters": {"binary_data_size": 5}},
        b"\1\0\0\0x",
        "one of them",
    ),
    "an element cut short": (None, {"parameters": {"binary_data_size": 5}}, b"\2\0\0\0x", "says that it has 2 bytes"),
    "a length cut short": (None, {"parameters": {"binary_data_size": 3}}, b"\1\0\0", "have 0 elements"),
    "an element too many": (None, {"parameters": {"binary_data_size": 10}}, b"\1\0\0\0x" * 2, "5 bytes are left over"),
    "an element of 4 GB": (None, {"parameters": {"binary_data_size": 5}}, b"\xff\xff\xff\xffx", "4294967295"),
}


@pytest.mark.parametrize("name", BINARY)
def test_binary_data_that_contradict_themselves_are_the_callers_fault(service, name):
    size, changes, binary, said = BINARY[name]
    head = json.dumps(asking(**({"data": None} | changes))).encode()

    response = post(service, head + binary, **{SIZE: size or str(len(head))})

    assert response.status_code == 400
    assert said in response.json()["error"]


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/v2/models/dogs/infer", 404, "pictures and pictures-tensor"),
        ("/v2/models/pictures/versions/7/infer", 404, "is served in version"),
        ("/v2/models/pictures/guess", 404, "/docs lists"),
        ("/v2/models/pictures", 405, "does not take POST"),
    ],
)
def test_what_is_not_there_is_said_as_the_protocol_has_it(service, path, status, said):
    response = post(service, asking(), path)

    assert response.status_code == status
    assert said in response.json()["error"]


def test_pixels_of_another_size_are_refused(client, pixels):
    with pytest.raises(InferenceServerException, match=r"expected \[-1, 16, 16, 3\]"):
        client.infer("pictures-tensor", of_pixels(pixels[:, :8]))


@pytest.mark.parametrize("values", [[256], [-1], [1.5], ["a"], [None]])
def test_pixels_are_whole_numbers_of_a_byte(service, values):
    tensor = {"name": "pixels", "shape": [1, 16, 16, 3], "datatype": "UINT8", "data": [0] * 767 + values}

    response = post(service, {"inputs": [tensor]}, "/v2/models/pictures-tensor/infer")

    assert response.status_code == 400
    assert "from 0 to 255" in response.json()["error"]


@pytest.mark.parametrize(
    ("body", "encoding", "status", "said"),
    [
        (gzip.compress(bytes(50_000_000)), "gzip", 413, "20.0 MB"),
        (gzip.compress(b"{}")[:-9], "gzip", 400, "breaks off"),
        (gzip.compress(b"{}") + b"more", "gzip", 400, "goes on"),
        (b"{}", "gzip", 400, "is no gzip"),
        (gzip.compress(b"{}"), "deflate", 400, "is no deflate"),
        (b"{}", "br", 400, "gzip or deflate"),
    ],
    ids=["a bomb", "cut off", "too long", "no gzip", "no deflate", "unknown"],
)
def test_compressed_bodies_are_bounded_and_must_be_whole(service, body, encoding, status, said):
    response = post(service, body, **{"Content-Encoding": encoding})

    assert response.status_code == status
    assert said in response.json()["error"]


def test_refusals_before_the_route_speak_the_protocol_too(service):
    response = service.client.post(INFER, content=iter([bytes(1_000_000)] * 50))

    assert response.status_code == 413
    assert response.json().keys() == {"error"}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=8), children, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from(["picture", "pixels", "probabilities", "label", "x"])
PARAMETERS = st.dictionaries(
    st.sampled_from(["binary_data_size", "binary_data", "classification", "binary_data_output"]),
    st.integers(-1, 40) | st.booleans() | JSON,
    max_size=2,
)
SHAPES = st.lists(st.integers(-1, 3) | st.just(16), max_size=4) | st.just([1, 16, 16, 3])
DATATYPES = st.sampled_from(["BYTES", "UINT8", "FP32"])
INPUTS = st.fixed_dictionaries(
    {"name": NAMES, "shape": SHAPES | JSON, "datatype": DATATYPES | JSON},
    optional={"parameters": PARAMETERS | JSON, "data": st.lists(st.just("eA==") | JSON, max_size=3) | JSON},
)
OUTPUTS = st.fixed_dictionaries({"name": NAMES}, optional={"parameters": PARAMETERS | JSON})
REQUESTS = st.fixed_dictionaries(
    {"inputs": st.lists(INPUTS | JSON, max_size=2) | JSON},
    optional={"id": JSON, "parameters": PARAMETERS | JSON, "outputs": st.lists(OUTPUTS | JSON, max_size=2) | JSON},
)


@settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(
    request=REQUESTS | JSON,
    binary=st.binary(max_size=40) | st.just(b"\1\0\0\0x") | st.just(bytes(768)),
    size=st.none() | st.integers(-2, 60),
    model=st.sampled_from(["pictures", "pictures-tensor"]),
)
def test_no_request_is_the_services_fault(service, request, binary, size, model):
    head = json.dumps(request).encode()
    header = str(len(head) if size is None else size)

    response = post(service, head + binary, f"/v2/models/{model}/infer", **{SIZE: header})

    assert response.status_code < 500, response.text
    assert response.status_code == 200 or response.json().keys() == {"error"}


def test_a_full_service_refuses_as_the_protocol_has_it(start, photos, pixels):
    service = start(TAPETUM_WORKERS="1", TAPETUM_MAX_PENDING="2", TAPETUM_REQUEST_TIMEOUT_S="60")
    path = "/v2/models/{name}/versions/{version}/infer"
    version = service.client.get("/v2/models/pictures").json()["versions"][0]
    asked = path.format(name="pictures-tensor", version=version)
    send = lambda: post(service, photos[0], "/predict", **{"X-Request-Timeout": "20"})  # noqa: E731 - called often

    with ThreadPoolExecutor(4) as callers, frozen(service.workers()):
        waiting = ask_beyond_the_limit(callers, send, limit=2)
        refused = post(service, pixels.tobytes(), asked, **{SIZE: "0"})
        metrics = service.client.get("/metrics").text
    assert {future.result().status_code for future in waiting} == {200}

    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
    assert "2 may" in refused.json()["error"]
    assert f'http_requests_total{{method="POST",path="{path}",status="503"}} 1.0' in metrics
    assert f'http_problems_total{{path="{path}",type="overloaded"}} 1.0' in metrics


def test_a_deadline_holds_for_tensors(start, pixels):
    service = start(TAPETUM_WORKERS="1")

    with frozen(service.workers()):
        response = post(
            service,
            pixels.tobytes(),
            "/v2/models/pictures-tensor/infer",
            **{SIZE: "0", "X-Request-Timeout": "200ms"},
        )

    assert response.status_code == 504
    assert "within 0.2 s" in response.json()["error"]


def test_keys_open_what_they_open_elsewhere(start, tmp_path, photos):
    (tmp_path / "keys").write_text("an-api-key-of-the-shop")
    service = start(TAPETUM_API_KEYS_FILE=str(tmp_path / "keys"))
    key = {"Authorization": "Bearer an-api-key-of-the-shop"}

    with client_of(service) as client:
        with pytest.raises(InferenceServerException, match="the key is missing") as raised:
            client.infer("pictures", of_files(photos))
        assert raised.value.status() == "401"
        assert client.is_model_ready("pictures")
        assert words(client.infer("pictures", of_files(photos), headers=key)) == ["bright", "dark", "bright"]
        with pytest.raises(InferenceServerException, match="the key is missing"):
            client.get_model_metadata("pictures")


def test_a_service_on_a_thread_takes_tensors_too(bundle_path, tmp_path, pixels):
    with running(serve_command(bundle_path), tmp_path / "log", TAPETUM_WORKERS="0") as service:
        response = post(service, pixels.tobytes(), "/v2/models/pictures-tensor/infer", **{SIZE: "0"})

    assert b"bright" in response.content
