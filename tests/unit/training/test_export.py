"""An exported draft is the network, whole and in a form that others read."""

from collections import Counter

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from PIL import Image
from safetensors.numpy import load_file

from tapetum import bundle as bundles
from tapetum import image
from tapetum.bundle import Bundle
from tapetum.data.manifest import Manifest, build
from tapetum.data.scan import scan
from tapetum.errors import TrainingError
from tapetum.models.network import Network
from tapetum.recipe import Parts, Recipe
from tapetum.scores import softmax
from tapetum.training.export import export
from tapetum.training.step import infer

RECIPE = Recipe(name="tiny", title="Tiny", image={"height": 32, "width": 48})
LABELS = ("one", "three", "two words")


def network() -> Network:
    """Untrained: what is exported does not depend on what was learnt."""
    torch.manual_seed(0)
    return Network(RECIPE.model, len(LABELS), RECIPE.image)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    root = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for part, count in (("train", 1), ("val", 7), ("test", 1)):
        for label in LABELS:
            (root / part / label).mkdir(parents=True)
            for number in range(count):
                noise = rng.integers(0, 256, (30, 20, 3), dtype=np.uint8)
                Image.fromarray(noise).save(root / part / label / f"{number}.PNG")
    return build(scan(root), Parts())


@pytest.fixture(scope="module")
def draft(manifest: Manifest, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return export(network(), RECIPE, manifest, tmp_path_factory.mktemp("draft") / "bundle")


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (5, 32, 48, 3), dtype=np.uint8)


def run(graph: onnx.ModelProto, names: list[str], pictures: np.ndarray) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(names, {"images": pictures})


def test_the_draft_can_be_loaded(draft):
    assert bundles.load(draft.path) == draft


def test_a_draft_is_not_sealed(draft):
    assert not draft.is_sealed


def test_facts_are_those_of_recipe_and_manifest(draft, manifest):
    facts = draft.facts

    assert (facts.name, facts.title, facts.architecture) == ("tiny", "Tiny", "simple_cnn")
    assert (facts.labels, facts.fingerprint) == (LABELS, manifest.fingerprint)
    assert (facts.preprocess, Recipe.model_validate(facts.recipe)) == (RECIPE.image, RECIPE)


def test_the_graph_takes_uint8_pictures_in_batches_of_any_size(draft):
    (images,) = onnx.load(draft.graph).graph.input
    batch, *rest = images.type.tensor_type.shape.dim

    assert images.name == "images"
    assert images.type.tensor_type.elem_type == onnx.TensorProto.UINT8
    assert batch.dim_param
    assert [dimension.dim_value for dimension in rest] == [32, 48, 3]


def test_the_graph_gives_logits_and_features(draft):
    assert [output.name for output in onnx.load(draft.graph).graph.output] == ["logits", "features"]


@pytest.mark.parametrize("count", [1, 5])
def test_the_graph_answers_as_the_network(draft, pictures, count):
    logits, features = run(onnx.load(draft.graph), ["logits", "features"], pictures[:count])

    with torch.inference_mode():
        answer = network().eval()(torch.from_numpy(pictures[:count]))
    np.testing.assert_allclose(logits, answer.logits, atol=1e-4)
    np.testing.assert_allclose(features, answer.features, atol=1e-4)


def test_the_mean_of_the_feature_map_is_the_features(draft, pictures):
    graph = onnx.load(draft.graph)
    graph.graph.output.append(onnx.ValueInfoProto(name=draft.facts.feature_map))

    feature_map, features = run(graph, [draft.facts.feature_map, "features"], pictures)

    assert feature_map.shape == (5, 256, 2, 3)
    np.testing.assert_allclose(feature_map.mean(axis=(2, 3)), features, atol=1e-5)


def test_parity_with_torch_is_recorded(draft):
    assert 0 <= draft.facts.parity <= 1e-4


def test_weights_are_those_of_the_backbone_by_name(draft):
    weights = load_file(draft.weights)
    state = network().backbone.state_dict()

    assert weights.keys() == state.keys()
    assert all(np.array_equal(weights[name], state[name]) for name in state)


def test_golden_pictures_are_sixteen_across_the_classes_of_the_validation_part(draft, manifest):
    pictures = draft.golden().pictures
    val = {(manifest.root / sample.path).read_bytes() for sample in manifest.part("val")}

    assert Counter(name[3:] for name in pictures) == {"one.png": 6, "three.png": 5, "two words.png": 5}
    assert set(pictures.values()) <= val


def test_golden_answers_are_those_of_torch(draft):
    golden = draft.golden()
    decoded = [image.to_array(image.decode(content), RECIPE.image) for content in golden.pictures.values()]

    np.testing.assert_array_equal(golden.arrays, decoded)
    np.testing.assert_allclose(
        golden.probabilities, softmax(infer(network().eval(), golden.arrays, bf16=False)), atol=1e-6
    )


def test_the_same_network_has_the_same_version_in_place_of_what_was_there(draft, manifest, tmp_path):
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "old.txt").write_text("old")

    again = export(network().to(memory_format=torch.channels_last), RECIPE, manifest, tmp_path / "bundle")

    assert again.facts.version == draft.facts.version
    assert not (tmp_path / "bundle" / "old.txt").exists()


def test_a_graph_that_answers_otherwise_than_torch_is_a_training_error(manifest, tmp_path):
    """No answer is near to one that is not a number."""
    broken = network()
    torch.nn.init.constant_(broken.backbone.fc[4].bias, torch.nan)

    with pytest.raises(TrainingError, match=r"off by nan, the bound is 0\.0001; the draft .* must not be used"):
        export(broken, RECIPE, manifest, tmp_path / "bundle")
