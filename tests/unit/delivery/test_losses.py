"""What counts as answered rightly, refused, wrong, failed and lost."""

import json
from collections.abc import Sequence

import pytest

from tapetum.delivery.connection import NO_ANSWER, Answer
from tapetum.delivery.load import Seen
from tapetum.delivery.losses import Judge, Losses

REQUESTS = (b"POST /predict HTTP/1.1\r\nHost: x\r\n\r\ncat", b"POST /predict HTTP/1.1\r\nHost: x\r\n\r\ndog")


def says(cat: float, version: str = "1") -> Answer:
    model = {"name": "pets", "version": version, "fingerprint": f"f{version}"}
    return answer(200, {"prediction": "cat", "probabilities": {"cat": cat, "dog": 1 - cat}, "model": model})


def answer(status: int, body: object = None, says_when: bool = False) -> Answer:
    return Answer(status, 0.0, json.dumps(body).encode(), says_when)


def judged(answers: Sequence[Answer | None], every: int = 2) -> Losses:
    """Answers to the first request, or to each in turn; None is no answer in time."""
    judge = Judge(REQUESTS[:every])
    for number in range(len(answers)):
        judge.request(number)
    for number, given in enumerate(answers):
        if given is not None:
            judge.hear(number, given)
    return judge.conclude(Seen())


def counts(losses: Losses) -> tuple[int, ...]:
    return losses.answered, losses.refused, losses.wrong, losses.failed, losses.lost


def test_the_same_picture_gets_the_same_answer_of_the_same_model():
    """Another picture may get another, and so may another model; rounding may differ between machines."""
    losses = judged([says(0.9), says(0.2), says(0.88), says(0.21), says(0.1, "2"), says(0.7, "2")])

    assert counts(losses) == (6, 0, 0, 0, 0)
    assert losses.models == {"pets 1": 4, "pets 2": 2}
    assert losses.is_kept


@pytest.mark.parametrize(
    ("found", "fate", "words"),
    [
        (says(0.5), "wrong", "0.5"),
        (answer(200, {"ready": True}), "wrong", "not an answer of Tapetum"),
        (Answer(200, 0.0, b"<html>"), "wrong", "not an answer of Tapetum"),
        (answer(503, {"type": "urn:tapetum:problem:overloaded"}, says_when=True), "refused", "status 503 overloaded"),
        (answer(429, says_when=True), "refused", "status 429"),
        (answer(503), "failed", "status 503"),
        (answer(500, {"type": "urn:tapetum:problem:worker-lost"}), "failed", "status 500 worker-lost"),
        (answer(401), "failed", "status 401"),
        (Answer(NO_ANSWER, 0.0), "lost", "the connection ended without an answer"),
        (None, "lost", "no answer within 30 s"),
    ],
)
def test_all_else_is_told_apart_and_named_by_its_id(found, fate, words):
    losses = judged([says(0.9), found], every=1)

    assert losses.sent == 2
    (trouble,) = losses.troubles
    assert trouble.fate == fate
    assert trouble.request_id.endswith("-1")
    assert words in trouble.found
    assert losses.is_kept == (fate == "refused")


def test_where_nothing_is_answered_the_promise_is_not_kept():
    assert not judged([answer(503, says_when=True)]).is_kept


def test_each_request_has_an_id_of_its_own_and_is_otherwise_as_it_was():
    judge = Judge(REQUESTS)

    first, second, third = (judge.request(number) for number in range(3))

    assert first.startswith(b"POST /predict HTTP/1.1\r\nX-Request-ID: smoke-")
    assert first.endswith(b"-0\r\nHost: x\r\n\r\ncat")
    assert second.endswith(b"-1\r\nHost: x\r\n\r\ndog")
    assert third.endswith(b"-2\r\nHost: x\r\n\r\ncat")
