"""Frames between the front and a worker."""

import io

import numpy as np
import pytest

from tapetum.errors import BrokenPicture, BundleError, DeadlinePassed, EngineError
from tapetum.inference import wire
from tapetum.inference.explain import Explanation
from tapetum.inference.predictor import Prediction
from tapetum.inference.showing import Question, Shown
from tapetum.profile.sight import Sight

PREDICTION = Prediction(
    "cat", 60, 40, 0.75, 0.5, 0.01, 0.02, np.array([0.75, 0.25]), Sight(np.arange(12, dtype=np.float32))
)


def through(encoded: bytes) -> wire.Frame:
    frame = wire.take(bytearray(encoded), 10_000)
    assert frame is not None
    return frame


def test_a_prediction_arrives_as_it_was_sent():
    arrived = wire.to_answer(through(wire.from_answer(PREDICTION)))

    assert isinstance(arrived, Prediction)
    for name in ("label", "width", "height", "decode_s", "inference_s", "confidence", "margin"):
        assert getattr(arrived, name) == getattr(PREDICTION, name)
    np.testing.assert_array_equal(arrived.probabilities, PREDICTION.probabilities)
    np.testing.assert_array_equal(arrived.sight.row, PREDICTION.sight.row)


@pytest.mark.parametrize("png", [b"", b"\x89PNG and more"])
def test_a_heat_map_arrives_as_it_was_sent(png):
    evidence = np.array([[0.5, -1, 2], [0, 0.25, 4]], np.float32)
    sent = Shown(Explanation("cat", "grad-cam", np.array([0.75, 0.25]), evidence, (0.25, 0, 0.75, 1)), png)

    arrived = wire.to_answer(through(wire.from_answer(sent)))

    assert isinstance(arrived, Shown)
    assert arrived.png == png
    for name in ("label", "method", "box"):
        assert getattr(arrived.explanation, name) == getattr(sent.explanation, name)
    for name in ("probabilities", "evidence"):
        np.testing.assert_array_equal(getattr(arrived.explanation, name), getattr(sent.explanation, name))


@pytest.mark.parametrize("shape", [[2, 2, 3], [2, -1, 3], [2, 3], [10**9, 1, 1]])
def test_a_heat_map_that_does_not_add_up_is_refused(shape):
    frame = wire.Frame({"why": "cat", "method": "x", "box": [0, 0, 1, 1], "shape": shape}, bytes(40))

    with pytest.raises(ValueError, match=r"reshape|unpack|buffer"):
        wire.to_answer(frame)


def test_a_picture_arrives_as_it_was_sent(rng):
    pixels = rng.integers(0, 256, (3, 4, 2, 3), dtype=np.uint8)[1]

    for sent in (b"\xff\xd8\xff", b"", pixels):
        head, content = wire.from_pictures([sent], None)
        (arrived,), question = wire.to_pictures(through(head + content))

        assert question is None
        assert type(arrived) is type(sent)
        np.testing.assert_array_equal(arrived, sent)
    assert np.shares_memory(np.frombuffer(content, np.uint8), pixels)


def test_pictures_arrive_together_in_their_order(rng):
    sent = [b"\xff\xd8\xff", rng.integers(0, 256, (2, 4, 3), dtype=np.uint8), b"", b"\x89PNG"]

    head, content = wire.from_pictures(sent, None)
    arrived, question = wire.to_pictures(through(head + content))

    assert question is None
    for one, other in zip(arrived, sent, strict=True):
        assert type(one) is type(other)
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("question", [Question("cat", "map", 2.5), Question(None, "json", 0.1)])
def test_a_question_arrives_with_its_picture(question):
    head, content = wire.from_pictures([b"\xff\xd8\xff"], question)

    assert wire.to_pictures(through(head + content)) == ([b"\xff\xd8\xff"], question)


def test_the_error_of_a_picture_is_its_result():
    arrived = wire.to_answer(through(wire.from_answer(BrokenPicture("it is torn"))))

    assert isinstance(arrived, BrokenPicture)
    assert str(arrived) == "it is torn"


@pytest.mark.parametrize(
    ("sent", "raised"),
    [(BundleError("no"), BundleError), (DeadlinePassed("no"), DeadlinePassed), (OSError("no"), EngineError)],
)
def test_another_error_is_raised(sent, raised):
    with pytest.raises(raised, match="no"):
        wire.to_answer(through(wire.head(wire.from_error(sent), 0)))


@pytest.mark.parametrize("name", ["annotations", "SystemExit", "__name__", "TapetumError()"])
def test_a_worker_cannot_raise_what_is_not_of_the_tree(name):
    assert type(wire.to_error(wire.Frame({"error": name, "message": ""}, b""))) is EngineError


def test_frames_are_cut_off_as_they_come():
    first, second = wire.head({"n": 1}, 2) + b"ab", wire.head({"n": 2}, 0)
    received = bytearray(first + second[:3])

    assert wire.take(received, 100) == ({"n": 1}, b"ab")
    assert wire.take(received, 100) is None
    received += second[3:]
    assert wire.take(received, 100) == ({"n": 2}, b"")
    assert received == b""


@pytest.mark.parametrize("cut", [0, 3, 9, 15])
def test_a_stream_that_ends_within_a_frame_has_none(cut):
    encoded = wire.head({"n": 1}, 4) + b"abcd"

    assert wire.read(io.BytesIO(encoded)) == ({"n": 1}, b"abcd")
    assert wire.read(io.BytesIO(encoded[:cut])) is None


@pytest.mark.parametrize(
    "encoded",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        wire.head({}, 0),
        *(
            wire.head({"label": "cat", "width": 1, "height": 1, "classes": classes}, 48) + bytes(48)
            for classes in (3, 0, -1)
        ),
        wire.head({"label": "cat", "width": 1, "height": 1, "classes": 1}, 64) + bytes(64),  # no whole sight
    ],
)
def test_what_is_no_answer_is_noticed(encoded):
    with pytest.raises((ValueError, KeyError)):
        wire.to_answer(through(encoded))
