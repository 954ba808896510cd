"""The image of the service: built upon a real Debian, run by podman, confined, starved and stopped."""

import io
import json
import os
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import httpx
import pytest
from containers import ROOT, Container, build, call, environment, podman, running, untag
from PIL import Image
from ports import free_port
from tools import installed

from tapetum import __version__

LARGEST_IMAGE_BYTES = 550_000_000
# What OpenVINO brings and a CPU does not load, beside what trains.
UNWANTED = """
import importlib.util, json, pathlib, openvino
libraries = pathlib.Path(openvino.__file__).parent.glob("libs/*")
print(json.dumps([file.name for file in libraries if any(word in file.name for word in WORDS)]
    + [name for name in ("torch", "mlflow", "pip", "onnxruntime") if importlib.util.find_spec(name)]))
""".replace("WORDS", '("gpu", "npu", "tensorflow", "pytorch", "paddle", "jax", "gguf", "cache.json")')


@pytest.fixture
def container(image):
    """It runs as a user that the image does not know, with an address space of its own."""
    with running(image, "--user", "54321:0", "--memory", "1g") as started:
        yield started


def labels(image: str) -> dict[str, str]:
    found: dict[str, str] = json.loads(podman("image", "inspect", "--format", "{{json .Labels}}", image))
    return {name.removeprefix("org.opencontainers.image."): value for name, value in found.items()}


def test_the_dockerfile_is_sound():
    ran = subprocess.run(
        [installed("hadolint"), "--no-color", "Dockerfile"], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert ran.returncode == 0, ran.stdout


def test_it_is_small_and_holds_what_a_cpu_needs(image):
    assert int(podman("image", "inspect", "--format", "{{.Size}}", image)) < LARGEST_IMAGE_BYTES
    assert json.loads(podman("run", "--rm", "--entrypoint", "python", image, "-c", UNWANTED)) == []


def test_it_says_what_it_was_made_from(image):
    found = labels(image)

    assert found["version"] == __version__
    assert found["licenses"] == "Apache-2.0"
    assert found.get("revision", "") == call("git", "rev-parse", "HEAD", must=False).stdout.strip()
    assert podman("image", "inspect", "--format", "{{.User}}", image) == "10001:10001"


def test_only_what_is_named_goes_into_an_image(image, tmp_path):
    """Keys, pictures and runs lie beside the Dockerfile, too."""
    (tmp_path / "everything").write_text("FROM scratch\nCOPY . /\n")
    name = f"{image}-context"
    podman("build", "--file", str(tmp_path / "everything"), "--tag", name, str(ROOT))
    packed = call("sh", "-c", f"podman save {name} | tar -xO --wildcards '*.tar' | tar -t").stdout.split()
    podman("rmi", name)

    tops = {path.partition("/")[0] for path in packed}
    assert tops == {"LICENSE", "README.md", "lock.txt", "pyproject.toml", "recipes", "src"}
    assert not any("__pycache__" in path for path in packed)


def test_it_predicts_confined_as_any_user(container, trained):
    picture = (trained / "pictures" / "dark" / "00.png").read_bytes()

    status = dict(
        line.split(":\t", 1) for line in container.execute("cat", "/proc/1/status").splitlines() if ":\t" in line
    )
    writable = "touch /app/here 2>/dev/null || touch /bundle/here 2>/dev/null || touch /venv/here 2>/dev/null"

    assert container.client.post("/predict", content=picture).json()["prediction"] == "dark"
    assert status["Name"] == "tapetum"
    assert status["Uid"].split() == ["54321"] * 4
    assert int(status["CapEff"], 16) == int(status["CapBnd"], 16) == 0
    assert status["NoNewPrivs"] == "1"
    assert container.execute("sh", "-c", f"{writable} || echo none") == "none"


def test_its_health_check_says_whether_it_is_ready(image, tmp_path):
    (tmp_path / "keys").write_text("an-operators-key-of-the-shop\n")
    keys = ["--volume", f"{tmp_path / 'keys'}:/keys:ro", "--env", "TAPETUM_OPERATOR_KEYS_FILE=/keys"]
    name = f"{image}-locked"
    podman("run", "--detach", "--name", name, *keys, "--env", "TAPETUM_PROBES_NEED_KEY=true", image)
    locked = Container(name, free_port())
    try:
        while call("podman", "healthcheck", "run", name, must=False).returncode != 0:
            assert locked.fact("{{.State.Running}}") == "true", podman("logs", name)
        os.kill(int(locked.fact("{{.State.Pid}}")), signal.SIGSTOP)
        stopped = call("podman", "healthcheck", "run", name, must=False)
    finally:
        locked.client.close()
        podman("rm", "--force", "--time", "0", name)

    assert stopped.returncode == 1


def test_it_leaves_without_a_loss_under_load(container, bright):
    """`podman stop` as a balancer sees it: callers go on until /ready says no, and a while longer."""
    statuses: list[int] = []
    leave = Event()

    def keep_posting() -> None:
        with httpx.Client(base_url=container.client.base_url, timeout=60) as client:
            while not leave.is_set():
                statuses.append(client.post("/predict", content=bright).status_code)

    with ThreadPoolExecutor(4) as callers:
        posting = [callers.submit(keep_posting) for _ in range(4)]
        try:
            while len(statuses) < 50:
                assert not any(future.done() for future in posting)
            stopping = subprocess.Popen(["podman", "stop", "--time", "60", container.name], env=environment())
            while container.client.get("/ready").status_code == 200:
                pass
            after = len(statuses)
            while len(statuses) < after + 10:  # as few as fit into the seconds of the drain on a busy machine
                assert not any(future.done() for future in posting)
        finally:
            leave.set()
        for future in posting:
            future.result()

    assert stopping.wait(60) == 0
    assert set(statuses) == {200}
    assert container.fact("{{.State.ExitCode}}") == "0"


def test_a_worker_that_is_killed_for_its_memory_costs_its_picture_only(image, bright):
    stream = io.BytesIO()
    Image.new("RGB", (7000, 7000)).save(stream, "PNG")
    tight = ["--memory", "240m", "--memory-swap", "240m", "--env", "TAPETUM_WORKERS=1"]

    with running(image, *tight) as container:
        lost = container.client.post("/predict", content=stream.getvalue())
        container.until_ready()
        after = container.client.post("/predict", content=bright)
        log = call("podman", "logs", container.name)

    assert lost.status_code == 500
    assert lost.json()["type"].endswith("worker-lost")
    assert "signal 9" in log.stdout + log.stderr
    assert after.json()["prediction"] == "bright"


def test_a_bundle_that_was_changed_fails_the_build(image, own_bundle, tmp_path):
    graph = own_bundle / "model.onnx"
    graph.write_bytes(graph.read_bytes()[:-1] + b"x")

    ran = build(f"{image}-wrong", own_bundle, tmp_path, must=False)

    assert ran.returncode != 0
    assert "model.onnx" in ran.stdout + ran.stderr
    assert call("podman", "image", "exists", f"{image}-wrong:latest", must=False).returncode == 1


def test_without_a_bundle_it_takes_one_that_is_mounted(image, bundle_path, tmp_path):
    plain = f"{image}-plain"
    build(plain, None, tmp_path)

    alone = call("podman", "run", "--rm", plain, must=False)
    with running(plain, "--volume", f"{bundle_path}:/bundle:ro") as container:
        version = container.client.get("/ready").json()["ready"]
    untag(plain)

    assert alone.returncode == 2
    assert "there is no bundle" in alone.stderr
    assert version is True


def test_make_runs_and_stops_it(image, trained):
    name, port = f"IMAGE={image}", free_port()
    picture = (trained / "pictures" / "bright" / "01.png").read_bytes()
    try:
        started = call("make", "docker-run", name, f"PORT={port}")
        answer = httpx.post(f"http://127.0.0.1:{port}/predict", content=picture, timeout=60)
        facts = json.loads(podman("container", "inspect", "--format", "{{json .HostConfig}}", image))
        stopped = call("make", "--no-print-directory", "docker-stop", name)
        again = call("make", "docker-stop", name)
    finally:
        podman("rm", "--force", "--ignore", "--time", "0", image)

    assert answer.json()["prediction"] == "bright"
    assert f"ready at http://localhost:{port}" in started.stdout
    assert facts["ReadonlyRootfs"] is True
    assert facts["Memory"] == 2**30
    assert stopped.stdout == ""
    assert "no container" in again.stdout


@pytest.mark.parametrize(
    ("tool", "words"),
    [(None, "neither docker nor podman is here"), ("#!/bin/sh\nexit 1\n", "`docker info` fails: start it")],
)
def test_what_is_missing_is_said(tmp_path, tool, words):
    if tool:
        (tmp_path / "docker").write_text(tool)
        (tmp_path / "docker").chmod(0o755)

    ran = subprocess.run(
        ["/bin/sh", str(ROOT / "deploy/engine.sh")],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert ran.returncode == 1
    assert words in ran.stderr
    assert "https://docs.docker.com/" in ran.stderr
