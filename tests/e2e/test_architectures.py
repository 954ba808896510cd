"""Architectures of timm go the whole way; their weights come from the hub that HF_ENDPOINT names, once."""

import subprocess
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import commands
import pytest
import timm
import torch
from safetensors.torch import save
from web import web

from tapetum import bundle as bundles
from tapetum import pipeline, recipe
from tapetum.inference import golden
from tapetum.inference.engine import open_engine
from tapetum.progress import silent
from tapetum.training.tracking import NullTracker

QUICK = ["image.height=32", "image.width=32", "train.epochs=2"]


@pytest.mark.parametrize(
    "choices", [["model.architecture=resnet18", "model.stem=small"], ["model.architecture=test_vit"]]
)
def test_what_a_recipe_names_is_trained_and_opened_by_every_engine(choices, folder, tmp_path):
    chosen = recipe.for_pictures(folder, {"bright": 40, "dark": 40}, 24, [*QUICK, *choices])
    manifest, _ = pipeline.divide(folder, chosen.parts, tmp_path, silent)

    outcome = pipeline.train(chosen, manifest, tmp_path, tmp_path / "cache", NullTracker(), lambda result: None, silent)

    sealed = bundles.load_sealed(outcome.bundle.path)
    for engine in ("openvino", "onnxruntime", "torch"):
        golden.check(sealed, open_engine(engine, sealed, "fp32"))


def pretrained(home: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Make a pretrained network in a process of its own, since the hub's client reads its variables once."""
    script = """if True:
        import sys, torch
        from tapetum.errors import DownloadError
        from tapetum.image import Preprocess
        from tapetum.models.network import Network
        from tapetum.recipe import Model
        try:
            network = Network(Model(architecture="test_resnet", pretrained=True), 3, Preprocess(height=32, width=32))
        except DownloadError as error:
            sys.exit(str(error))
        print(float(network.backbone.named.state_dict()["conv1.0.weight"].sum()))
    """
    return commands.run("-c", script, HF_HOME=str(home), HF_HUB_DISABLE_PROGRESS_BARS="1", **variables)


def test_a_hub_that_does_not_answer_is_asked_once(tmp_path):
    asked = []

    def refuse(handler: BaseHTTPRequestHandler) -> None:
        asked.append((handler.command, handler.path))
        handler.send_error(503)

    with web() as hub:
        hub.answers = [refuse]
        ran = pretrained(tmp_path, HF_ENDPOINT=hub.url)

    assert ran.returncode == 1
    assert f"the weights of test_resnet could not be fetched from {hub.url}/timm/test_resnet" in ran.stderr
    assert "model.pretrained=false" in ran.stderr
    assert [command for command, path in asked if path.startswith("/timm/")] == ["HEAD"]


def test_weights_are_fetched_once_and_serve_where_there_is_no_network(tmp_path):
    torch.manual_seed(0)
    weights = timm.create_model("test_resnet").state_dict()
    content = save(weights)

    def give(handler: BaseHTTPRequestHandler) -> None:
        is_weights = handler.path.endswith("/model.safetensors")
        handler.send_response(200 if is_weights else 404)
        for name, value in {"ETag": '"first"', "X-Repo-Commit": "a" * 40, "Content-Length": len(content)}.items():
            handler.send_header(name, str(value) if is_weights or name != "Content-Length" else "0")
        handler.end_headers()
        if is_weights and handler.command == "GET":
            handler.wfile.write(content)

    with web() as hub:
        hub.answers = [give]
        fetched = pretrained(tmp_path, HF_ENDPOINT=hub.url)
    kept = pretrained(tmp_path, HF_HUB_OFFLINE="1")

    assert fetched.returncode == 0, fetched.stderr
    assert float(fetched.stdout) == pytest.approx(float(weights["conv1.0.weight"].sum()))
    assert (kept.returncode, kept.stdout) == (0, fetched.stdout), kept.stderr


def test_without_network_and_weights_a_network_that_is_told_so_says_it(tmp_path):
    ran = pretrained(tmp_path, HF_HUB_OFFLINE="1")

    assert ran.returncode == 1
    assert "the weights of test_resnet could not be fetched" in ran.stderr
