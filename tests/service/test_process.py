"""The life of the service process: start, refusal, overload, end."""

import json
import socket
import sys
from pathlib import Path

import httpx
import numpy as np
import pytest
from ports import free_port

from tapetum import bundle as bundles
from tapetum.bundle import ANSWERS
from tapetum.serving.app import create_app
from tapetum.settings import Settings

ROOT = Path(__file__).parents[2]


def test_uvicorn_serves_the_root_app(start, bundle_path, bright):
    port = free_port()
    program = (
        "import json, sys, uvicorn; print(json.dumps({'address': 'http://127.0.0.1:%d'}), file=sys.stderr); "
        f"uvicorn.main(['app:app', '--app-dir', {str(ROOT)!r}, '--port', '%d'])" % (port, port)
    )

    service = start([sys.executable, "-c", program], TAPETUM_BUNDLE=str(bundle_path))

    assert service.client.post("/predict", files={"file": bright}).json()["prediction"] == "bright"


def test_a_changed_file_ends_the_process_with_the_reason(own_bundle, run_until_exit):
    graph = own_bundle / "model.onnx"
    graph.write_bytes(graph.read_bytes()[:-1] + b"x")

    ended = run_until_exit("serve", str(own_bundle), "--port", "0")

    assert ended.returncode == 2
    assert "model.onnx was changed after the bundle was sealed" in ended.stderr.splitlines()[-1]


def test_other_golden_answers_end_the_process_with_the_reason(own_bundle, run_until_exit):
    """Hashes that hold are not enough: a machine that computes otherwise must not serve."""
    with np.load(own_bundle / ANSWERS) as answers:
        altered = {**answers, "probabilities": answers["probabilities"][:, ::-1]}
    np.savez(own_bundle / ANSWERS, **altered)
    facts = json.loads((own_bundle / "bundle.json").read_text())
    (own_bundle / "bundle.json").write_text(json.dumps(facts | {"files": None}))
    bundles.seal(bundles.load(own_bundle))

    ended = run_until_exit("serve", str(own_bundle), "--port", "0")

    assert ended.returncode == 2
    assert "golden pictures get other answers" in ended.stderr.splitlines()[-1]


def test_a_port_in_use_is_named_with_the_remedy(bundle_path, run_until_exit):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = run_until_exit("serve", str(bundle_path), "--port", str(port))

    assert ended.returncode == 2
    assert f"port {port} on 127.0.0.1 cannot be had; it is in use" in ended.stderr
    assert "--port" in ended.stderr


def test_a_bundle_that_is_not_there_is_named_with_its_variable(run_until_exit):
    ended = run_until_exit("serve", "--port", "0", TAPETUM_BUNDLE="nowhere")

    assert ended.returncode == 2
    assert ended.stderr == "tapetum: TAPETUM_BUNDLE is 'nowhere', where there is no bundle: `tapetum train` makes one\n"


def test_the_folder_of_a_run_is_told_from_its_bundle(run_until_exit, bundle_path, tmp_path):
    (tmp_path / "bundle").symlink_to(bundle_path)

    ended = run_until_exit("serve", str(tmp_path), "--port", "0")

    assert ended.returncode == 2
    assert ended.stderr.endswith(f"there is no bundle: did you mean {tmp_path / 'bundle'}?\n")


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("TAPETUM_PORT", "http", "TAPETUM_PORT is 'http': expected a valid integer"),
        ("TAPETUM_PRECISION", "fp8", "TAPETUM_PRECISION is 'fp8': expected 'auto', 'fp32', 'bf16' or 'int8'"),
        ("TAPETUM_ENGINE", "openvin", "TAPETUM_ENGINE is 'openvin': expected 'openvino', 'onnxruntime' or 'torch'"),
        ("TAPETUM_MAX_PIXELS", "-1", "TAPETUM_MAX_PIXELS is '-1': expected greater than or equal to 1"),
    ],
)
def test_a_wrong_setting_names_variable_value_and_what_is_expected(bundle_path, run_until_exit, variable, value, words):
    arguments = ["--port", "0"] if variable != "TAPETUM_PORT" else []

    ended = run_until_exit("serve", str(bundle_path), *arguments, **{variable: value})

    assert ended.returncode == 2
    assert words in ended.stderr.splitlines()[-1]


@pytest.mark.anyio
async def test_until_the_model_is_loaded_the_answer_is_503(bundle_path):
    """Without its lifespan an application never loads, which is as early as a request can come."""
    transport = httpx.ASGITransport(create_app(Settings(bundle=bundle_path)))
    async with httpx.AsyncClient(transport=transport, base_url="http://early") as client:
        ready = await client.get("/ready")
        health = await client.get("/health")
        predicted = await client.post("/predict", content=b"a picture")

    assert (ready.status_code, ready.json()["ready"]) == (503, False)
    assert (health.status_code, health.json()["model_loaded"]) == (200, False)
    assert predicted.status_code == 503
    assert predicted.json()["type"].endswith("not-ready")
    assert predicted.headers["Retry-After"] == "1"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
