"""Bytes in, one result for each picture out, whatever its neighbours are."""

from pathlib import Path

import numpy as np
import pytest

from tapetum import bundle as bundles
from tapetum import image
from tapetum.bundle import Bundle
from tapetum.errors import BrokenPicture, EmptyPicture, NotAPicture, PictureError, PictureTooLarge
from tapetum.inference.engine import Engine, open_engine
from tapetum.inference.predictor import Prediction, Predictor
from tapetum.scores import softmax


@pytest.fixture(scope="module")
def bundle(bundle_path: Path) -> Bundle:
    return bundles.load(bundle_path)


@pytest.fixture(scope="module")
def engine(bundle: Bundle) -> Engine:
    return open_engine("openvino", bundle, "fp32", streams=2)


@pytest.fixture(scope="module")
def predictor(bundle: Bundle, engine: Engine) -> Predictor:
    return Predictor(bundle, engine)


@pytest.fixture(scope="module")
def golden(bundle: Bundle) -> list[bytes]:
    return list(bundle.golden().pictures.values())


def test_results_come_in_the_order_of_the_pictures(predictor, trained):
    labels = ["dark", "bright", "bright", "dark", "bright"]
    pictures = [(trained / "pictures" / label / "00.png").read_bytes() for label in labels]

    assert [result.label for result in predictor.predict(pictures)] == labels


def test_bad_pictures_are_errors_among_good_ones(predictor, jpeg):
    pictures = [b"", jpeg, b"hello", jpeg[: len(jpeg) // 2], jpeg]

    results = predictor.predict(pictures)

    assert [type(result) for result in results] == [EmptyPicture, Prediction, NotAPicture, BrokenPicture, Prediction]


def test_pixels_get_the_answer_of_their_picture(predictor, golden, bundle):
    spec = bundle.facts.preprocess
    pixels = image.to_array(image.decode(golden[0]), spec)

    of_file, of_pixels = predictor.predict([golden[0], pixels])

    np.testing.assert_allclose(of_pixels.probabilities, of_file.probabilities, atol=1e-5)
    assert (of_pixels.width, of_pixels.height) == (spec.width, spec.height)


def test_pixels_of_another_size_are_an_error_among_good_ones(predictor, golden, bundle):
    wrong, right = predictor.predict([np.zeros((8, 16, 3), np.uint8), golden[0]])

    assert isinstance(right, Prediction)
    assert isinstance(wrong, BrokenPicture)
    assert "(8, 16, 3): the model takes (16, 16, 3)" in str(wrong)


def test_bad_neighbours_do_not_change_an_answer(predictor, golden):
    alone = predictor.predict([golden[0]])[0]
    among = predictor.predict([b"", golden[0], b"hello"])[1]

    np.testing.assert_allclose(among.outputs.logits, alone.outputs.logits, atol=1e-5)


@pytest.mark.parametrize("pictures", [[], [b""], [b"hello", b""]])
def test_where_nothing_can_be_decoded_nothing_is_computed(predictor, pictures):
    results = predictor.predict(pictures)

    assert len(results) == len(pictures)
    assert all(isinstance(result, PictureError) for result in results)


@pytest.mark.parametrize(("max_pixels", "kind"), [(2400, Prediction), (2399, PictureTooLarge)])
def test_the_limit_of_pixels_holds(bundle, engine, jpeg, max_pixels, kind):
    (result,) = Predictor(bundle, engine, max_pixels).predict([jpeg])

    assert type(result) is kind


def test_a_batch_is_answered_as_one_by_one(predictor, golden):
    together = predictor.predict(golden)
    alone = [predictor.predict([content])[0] for content in golden]

    for one, other in zip(together, alone, strict=True):
        assert one.label == other.label
        np.testing.assert_allclose(one.probabilities, other.probabilities, atol=1e-5)
        np.testing.assert_allclose(one.outputs.features, other.outputs.features, atol=1e-4)


def test_the_engine_sees_what_training_sees(predictor, bundle, engine, golden):
    arrays = np.stack([image.to_array(image.decode(content), bundle.facts.preprocess) for content in golden])
    expected = engine.infer(arrays)

    results = predictor.predict(golden)

    np.testing.assert_allclose([result.outputs.logits for result in results], expected.logits, atol=1e-5)
    np.testing.assert_allclose([result.outputs.features for result in results], expected.features, atol=1e-5)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_probabilities_are_softmax_at_the_temperature_of_the_bundle(bundle, engine, jpeg, temperature):
    heated = Bundle(bundle.path, bundle.facts.model_copy(update={"temperature": temperature}))

    (result,) = Predictor(heated, engine).predict([jpeg])

    np.testing.assert_allclose(result.probabilities, softmax(result.outputs.logits, temperature))
    assert result.probabilities.sum() == pytest.approx(1)


def test_the_label_is_the_likeliest_and_its_probability_the_confidence(predictor, bundle, jpeg):
    (result,) = predictor.predict([jpeg])

    assert result.label == bundle.facts.labels[int(result.probabilities.argmax())]
    least, most = sorted(result.probabilities)
    assert (result.confidence, result.margin) == (most, pytest.approx(most - least))


def test_files_are_answered_in_order_and_a_missing_one_is_an_error(predictor, trained, tmp_path):
    pictures = trained / "pictures"
    paths = [pictures / "dark" / "00.png", tmp_path / "nowhere.png", tmp_path, pictures / "bright" / "00.png"]

    first, missing, folder, last = predictor.predict_files(iter(paths), threads=2)

    assert (first.label, last.label) == ("dark", "bright")
    assert type(missing) is BrokenPicture
    assert str(missing) == f"{paths[1]} cannot be read: No such file or directory"
    assert str(folder) == f"{tmp_path} cannot be read: Is a directory"


def test_files_are_answered_as_their_bytes(predictor, trained):
    paths = sorted((trained / "pictures" / "dark").iterdir())[:12]

    from_files = list(predictor.predict_files(paths, threads=2))
    from_bytes = predictor.predict([path.read_bytes() for path in paths])

    for one, other in zip(from_files, from_bytes, strict=True):
        np.testing.assert_allclose(one.probabilities, other.probabilities, atol=1e-5)
