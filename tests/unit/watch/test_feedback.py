"""What feedback can speak of, and what it makes of answers."""

from dataclasses import replace

import pytest

from tapetum.errors import UnknownAnswer, UnknownLabel
from tapetum.watch.feedback import WINDOW, Feedback
from tapetum.watch.record import Exchange, Record

CAT = Record("", "/predict", "answered", 200, 1000, 0.0, 0.02, label="cat", confidence=0.9, margin=0.8, version="1")
BROKEN = replace(CAT, outcome="broken-picture", status=422, label=None)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def feedback(clock: Clock) -> Feedback:
    """Remembers three requests, for an hour."""
    made = Feedback(3, 3600, clock)
    made.expect(("cat", "dog"), "1")
    return made


def exchange(request_id: str, *records: Record, status: int = 200) -> Exchange:
    return Exchange(request_id, "a" * 32, "POST", "/predict", status, None, 1000, 200, 0.02, records or (CAT,))


def judged(feedback: Feedback) -> tuple[int, int]:
    figures = feedback.figures()
    return figures.answers, figures.right


def test_a_word_says_what_the_model_had_said_and_whether_it_was_right(feedback):
    feedback.observe(exchange("a"))

    verdict = feedback.judge("a", 0, "dog")

    assert (verdict.prediction, verdict.version, verdict.is_right, verdict.replaced) == ("cat", "1", False, None)
    assert feedback.words == {"right": 0, "wrong": 1}
    assert feedback.counts() == {"cat": (0, 1), "dog": (0, 0)}


def test_a_second_word_takes_the_place_of_the_first(feedback):
    feedback.observe(exchange("a"))
    feedback.judge("a", 0, "dog")

    verdict = feedback.judge("a", 0, "cat")

    assert (verdict.is_right, verdict.replaced) == (True, "dog")
    assert judged(feedback) == (1, 1)
    assert feedback.words == {"right": 1, "wrong": 1}


def test_accuracy_is_told_by_class_with_its_interval(feedback):
    for request_id, record in {"a": CAT, "b": CAT, "c": replace(CAT, label="dog")}.items():
        feedback.observe(exchange(request_id, record))
        feedback.judge(request_id, 0, "cat")

    figures = feedback.figures()

    assert (figures.answers, figures.right, figures.accuracy) == (3, 2, pytest.approx(2 / 3))
    assert (figures.low, figures.high) == (pytest.approx(0.2077, abs=1e-4), pytest.approx(0.9385, abs=1e-4))
    assert (figures.classes["cat"].accuracy, figures.classes["dog"].accuracy) == (1, 0)


def test_nothing_is_known_before_the_first_word(feedback):
    assert feedback.figures().classes["cat"] == feedback.figures().classes["dog"]
    assert (judged(feedback), feedback.figures().accuracy, feedback.figures().high) == ((0, 0), None, None)


def test_each_picture_of_a_batch_is_judged_apart_and_one_without_a_class_cannot_be(feedback):
    feedback.observe(exchange("a", CAT, BROKEN, replace(CAT, label="dog")))

    feedback.judge("a", 0, "cat")
    feedback.judge("a", 2, "cat")

    assert feedback.counts() == {"cat": (1, 0), "dog": (0, 1)}
    for number in (1, 3):
        with pytest.raises(UnknownAnswer, match=f"picture {number} of the request 'a' got no class: it had 3, counted"):
            feedback.judge("a", number, "cat")


def test_an_unknown_label_names_the_classes_and_counts_nothing(feedback):
    feedback.observe(exchange("a"))

    with pytest.raises(UnknownLabel, match="the label is 'horse': expected one of the 2 classes: cat, dog"):
        feedback.judge("a", 0, "horse")

    assert judged(feedback) == (0, 0)


def test_of_a_thousand_classes_some_are_named(feedback):
    feedback.expect([f"class {number:03}" for number in range(1000)], "1")
    feedback.observe(exchange("a"))

    with pytest.raises(UnknownLabel, match=r"one of the 1000 classes: class 000, .*, class 019, …$"):
        feedback.judge("a", 0, "horse")


@pytest.mark.parametrize(
    "unanswered",
    [exchange("a", BROKEN, status=422), exchange("a", status=499), replace(exchange("a"), records=())],
    ids=["refused", "nobody got the answer", "no picture"],
)
def test_only_what_was_answered_is_remembered(feedback, unanswered):
    feedback.observe(unanswered)

    with pytest.raises(UnknownAnswer):
        feedback.judge("a", 0, "cat")


def test_the_oldest_requests_are_forgotten_and_that_is_said(feedback):
    for request_id in "abcd":
        feedback.observe(exchange(request_id))

    feedback.judge("b", 0, "cat")
    with pytest.raises(UnknownAnswer, match=r"'a' is known here: .* the last 3 requests .* itself, for 1 hours"):
        feedback.judge("a", 0, "cat")


def test_a_request_is_forgotten_with_time(feedback, clock):
    feedback.observe(exchange("a"))
    clock.now += 3600
    feedback.judge("a", 0, "cat")

    clock.now += 1
    with pytest.raises(UnknownAnswer):
        feedback.judge("a", 0, "cat")


def test_what_is_too_old_leaves_memory_while_new_ones_come(feedback, clock):
    feedback.observe(exchange("a"))
    feedback.observe(exchange("b"))
    clock.now += 3601
    feedback.observe(exchange("c"))

    clock.now -= 3601
    with pytest.raises(UnknownAnswer):
        feedback.judge("a", 0, "cat")


def test_of_two_requests_with_one_id_the_last_is_meant(feedback):
    for request_id, record in (("a", CAT), ("b", CAT), ("c", CAT), ("a", replace(CAT, label="dog")), ("d", CAT)):
        feedback.observe(exchange(request_id, record))

    assert feedback.judge("a", 0, "dog").is_right


def test_the_window_keeps_the_last_thousand():
    feedback = Feedback(2000, 3600, lambda: 0.0)
    feedback.expect(("cat", "dog"), "1")
    for number in range(WINDOW + 10):
        feedback.observe(exchange(str(number)))
        feedback.judge(str(number), 0, "dog" if number < 10 else "cat")

    assert judged(feedback) == (WINDOW, WINDOW)


def test_a_new_model_begins_anew_and_what_is_said_of_the_old_one_is_not_its(feedback):
    feedback.observe(exchange("a"))
    feedback.observe(exchange("b"))
    feedback.judge("a", 0, "dog")

    feedback.expect(("cat", "dog"), "2")
    verdict = feedback.judge("b", 0, "dog")

    assert (judged(feedback), verdict.version) == ((0, 0), "1")
    assert feedback.words == {"right": 0, "wrong": 2}
    feedback.observe(exchange("c", replace(CAT, version="2")))
    feedback.judge("c", 0, "cat")
    assert judged(feedback) == (1, 1)


def test_the_same_model_loaded_again_keeps_what_was_said(feedback):
    feedback.observe(exchange("a"))
    feedback.judge("a", 0, "dog")

    feedback.expect(("cat", "dog"), "1")

    assert judged(feedback) == (1, 0)
