"""What a heat map must be whatever computes, for a head that reads a feature map and for one that does not."""

import numpy as np
import pytest
import torch
from PIL import Image

from tapetum.bundle import Bundle, Imported
from tapetum.image import Preprocess
from tapetum.inference.engine import ENGINES, open_engine
from tapetum.inference.explain import Explanation, explain, gradient
from tapetum.inference.predictor import Predictor
from tapetum.models.network import Network
from tapetum.recipe import Model, Recipe
from tapetum.training.export import export_imported

SPEC = Preprocess(height=80, width=64)
METHODS = {"simple_cnn": "grad-cam", "test_vit": "occlusion"}


def build(architecture: str) -> Network:
    torch.manual_seed(0)
    return Network(Model(architecture=architecture), 3, SPEC).eval()


@pytest.fixture(scope="module", params=list(METHODS))
def bundle(request, tmp_path_factory) -> Bundle:
    """Untrained: what a map is made of does not depend on what was learnt."""
    recipe = Recipe(name="any", title="Any", image=SPEC, model={"architecture": request.param})
    origin = Imported(file="any.pt", sha256="0")
    out = tmp_path_factory.mktemp("draft") / "draft"
    return export_imported(build(request.param), recipe, ("a", "b", "c"), origin, None, out)


@pytest.fixture(scope="module")
def picture() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 110, 3), dtype=np.uint8))


def why(bundle: Bundle, engine: str, picture: Image.Image, label: str | None = None) -> Explanation:
    return explain(Predictor(bundle, open_engine(engine, bundle, "fp32")), picture, label)


@pytest.fixture(scope="module")
def expected(bundle, picture) -> Explanation:
    return why(bundle, "torch", picture, "b")


@pytest.mark.parametrize("engine", list(ENGINES))
def test_every_engine_gives_the_same_map_of_a_class(bundle, engine, picture, expected):
    found = why(bundle, engine, picture, "b")

    assert (found.method, found.label) == (METHODS[bundle.facts.architecture], "b")
    np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=1e-4)
    np.testing.assert_allclose(found.evidence, expected.evidence, atol=0.02 * np.abs(expected.evidence).max())


@pytest.mark.parametrize("architecture", ["simple_cnn", "test_convnext"])
def test_differences_through_the_head_are_its_gradient(architecture, tmp_path):
    network = build(architecture)
    recipe = Recipe(name="any", title="Any", image=SPEC, model={"architecture": architecture})
    bundle = export_imported(
        network, recipe, ("a", "b", "c"), Imported(file="any.pt", sha256="0"), None, tmp_path / "draft"
    )
    cut = Predictor(bundle, open_engine("openvino", bundle, "fp32")).cut
    images = np.random.default_rng(0).integers(0, 256, (1, 80, 64, 3), dtype=np.uint8)
    seen = cut.see(images[0])

    features = torch.from_numpy(seen.features[None]).requires_grad_()
    logits = network.backbone.forward_head(features)[0]
    (logits[1] - torch.logsumexp(logits[[0, 2]], dim=0)).backward()

    expected = features.grad[0].numpy()
    np.testing.assert_allclose(gradient(cut, seen.features, 1), expected, atol=0.02 * np.abs(expected).max())
    np.testing.assert_allclose(seen.feature_map.mean(axis=(1, 2)), seen.features, atol=1e-4)
