"""A heat map lies where the evidence is, for models whose evidence is known."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from tapetum import files
from tapetum.bundle import GRAPH, Bundle, Facts
from tapetum.errors import BundleError, DeadlinePassed, EngineError
from tapetum.image import Preprocess
from tapetum.inference.engine import Engine, Outputs, open_engine
from tapetum.inference.explain import LOOKS, explain, gradient, log_odds
from tapetum.inference.predictor import Predictor

SIDE, CELL = 64, 8
LABELS = ("red", "blue")

Make = Callable[..., Predictor]


def graph(cell: int) -> onnx.ModelProto:
    """Redder pictures are red, bluer are blue: by the mean of a map of cells, and a head of two layers."""
    weights = {
        "first": np.eye(3, 4, dtype=np.float32),
        "second": np.array([[1, -1], [0, 0], [-1, 1], [5, 5]], np.float32),
        "axes": np.array([2, 3]),
        "scale": np.array(1 / 255, np.float32),
    }
    nodes = [
        helper.make_node("Cast", ["images"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["floats", "scale"], ["scaled"]),
        helper.make_node("Transpose", ["scaled"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("AveragePool", ["planes"], ["map"], kernel_shape=[cell, cell], strides=[cell, cell]),
        helper.make_node("ReduceMean", ["map", "axes"], ["features"], keepdims=0),
        helper.make_node("MatMul", ["features", "first"], ["hidden"]),
        helper.make_node("Relu", ["hidden"], ["raised"]),
        helper.make_node("MatMul", ["raised", "second"], ["logits"]),
    ]
    made = helper.make_graph(
        nodes,
        "redness",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, ["N", SIDE, SIDE, 3])],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", n])
            for name, n in (("logits", 2), ("features", 3))
        ],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def predictor(
        feature_map: str | None = "map", engine: str = "openvino", cell: int = CELL, fit: str = "squash"
    ) -> Predictor:
        (tmp_path / GRAPH).write_bytes(graph(cell).SerializeToString())
        facts = Facts(
            name="redness",
            title="Redness",
            version="0",
            labels=LABELS,
            preprocess=Preprocess(height=SIDE, width=SIDE, fit=fit),
            architecture="made",
            feature_map=feature_map,
            fingerprint=None,
            recipe={},
            code_version="0",
        )
        bundle = Bundle(tmp_path, facts)
        return Predictor(bundle, open_engine(engine, bundle, "fp32"))

    return predictor


def grey(width: int = SIDE, height: int = SIDE) -> Image.Image:
    return Image.new("RGB", (width, height), (128, 128, 128))


def patched(picture: Image.Image, box: tuple[int, int, int, int], colour: str) -> Image.Image:
    picture = picture.copy()
    picture.paste(colour, box)
    return picture


def hottest(heat: np.ndarray) -> tuple[int, ...]:
    return tuple(int(place) for place in np.unravel_index(heat.argmax(), heat.shape))


@pytest.mark.parametrize("engine", ["openvino", "onnxruntime"])
@pytest.mark.parametrize(("feature_map", "method"), [("map", "grad-cam"), (None, "occlusion")])
def test_the_map_peaks_where_the_evidence_is(make, engine, feature_map, method):
    picture = patched(grey(), (40, 16, 48, 24), "red")

    why = explain(make(feature_map, engine), picture)

    assert (why.label, why.method) == ("red", method)
    assert (why.evidence.dtype, why.evidence.shape) == (np.float32, (8, 8))
    assert hottest(why.heat) == (2, 5)
    assert why.heat.max() == 1
    assert why.heat[6:, :3].max() < 0.01
    assert why.probabilities.argmax() == 0


@pytest.mark.parametrize("feature_map", ["map", None])
def test_another_class_than_the_predicted_has_its_evidence_elsewhere(make, feature_map):
    picture = patched(patched(grey(), (0, 0, 16, 16), "red"), (48, 48, 56, 56), "blue")
    predictor = make(feature_map)

    red, blue = explain(predictor, picture), explain(predictor, picture, "blue")

    assert red.label == "red"
    assert max(hottest(red.heat)) <= 1
    assert min(hottest(blue.heat)) >= 6
    assert blue.evidence[0, 0] < 0
    assert blue.heat[0, 0] == 0


def test_the_evidence_of_all_cells_together_is_the_log_odds(make):
    """Where nothing is added to the features, and hidden units keep their side of 0."""
    predictor = make()
    picture = patched(grey(), (40, 16, 48, 24), "red")

    why = explain(predictor, picture)

    log_odds_of_red = np.log(why.probabilities[0] / why.probabilities[1])
    assert why.evidence.sum() == pytest.approx(log_odds_of_red, rel=1e-3)


def test_the_gradient_of_the_head_is_found_by_differences(make):
    slopes = gradient(make().cut, np.array([0.5, 0.5, 0.4], np.float32), target=1)

    assert slopes == pytest.approx([-2, 0, 2], abs=1e-3)


def test_log_odds_are_those_of_a_class_against_all_others():
    logits = np.log(np.array([[0.2, 0.3, 0.5]]))

    assert log_odds(logits, 2) == pytest.approx(0)
    assert log_odds(logits, 0) == pytest.approx(np.log(0.25))


@pytest.mark.parametrize("feature_map", ["map", None])
def test_nothing_speaks_for_a_class_where_there_is_nothing(make, feature_map):
    why = explain(make(feature_map), grey(), "red")

    assert (why.heat == 0).all() or np.abs(why.evidence).max() < 0.2
    assert np.isfinite(why.heat).all()


def test_a_map_of_few_cells_says_too_little_so_there_is_occlusion(make):
    picture = patched(grey(), (40, 16, 48, 24), "red")

    why = explain(make(cell=SIDE // 2), picture)

    assert why.method == "occlusion"
    assert hottest(why.heat) == (2, 5)


def test_of_a_cropped_picture_the_map_lies_where_the_model_looked(make):
    picture = patched(grey(300, 100), (150, 25, 165, 40), "red")

    why = explain(make(fit="crop"), picture)
    heat = why.over(picture.size)

    assert why.box == pytest.approx((1 / 3, 0, 2 / 3, 1), abs=0.01)
    assert heat.shape == (100, 300)
    assert (heat[:, :95] == 0).all()
    assert (heat[:, 205:] == 0).all()
    row, column = hottest(heat)
    assert 20 <= row <= 45
    assert 145 <= column <= 170


class Counting:
    """An engine that counts the pictures it is asked about."""

    name, precision, device = "counting", "fp32", "cpu"

    def __init__(self, engine: Engine) -> None:
        self.pictures = 0
        self._engine = engine

    def infer(self, images: np.ndarray) -> Outputs:
        self.pictures += len(images)
        return self._engine.infer(images)


def test_occlusion_takes_a_bounded_number_of_looks(make):
    predictor = make(None)
    predictor.engine = Counting(predictor.engine)

    explain(predictor, grey())

    assert predictor.engine.pictures == LOOKS + 1 == 50


def test_occlusion_ends_when_its_time_is_up(make):
    with pytest.raises(DeadlinePassed, match=r"49 looks at the picture, and time was up after 0: allow more time"):
        explain(make(None), grey(), within_s=-1)


def test_a_graph_that_was_replaced_since_the_bundle_was_opened_is_refused(make):
    opened = make()
    recorded = opened.bundle.facts.model_copy(update={"files": {GRAPH: files.sha256(opened.bundle.graph)}})
    predictor = Predictor(Bundle(opened.bundle.path, recorded), opened.engine)
    make(cell=2 * CELL)

    with pytest.raises(BundleError, match=r"has changed since it was opened"):
        explain(predictor, grey())


def test_a_feature_map_that_the_graph_lacks_is_an_engine_error(make):
    with pytest.raises(EngineError, match=r"cannot be cut at 'nowhere', as bundle\.json has it"):
        explain(make("nowhere"), grey())


def test_a_class_that_the_bundle_lacks_is_refused(make):
    with pytest.raises(ValueError, match="not in tuple"):
        explain(make(), grey(), "green")
