"""The arithmetic of loads, and both shapes against a real server."""

import socket
from array import array
from itertools import pairwise
from statistics import mean, stdev

import pytest
from web import says, web

from tapetum.delivery import load, target
from tapetum.delivery.connection import NO_ANSWER
from tapetum.delivery.load import Seen, arrivals, quantile


@pytest.mark.parametrize(
    ("number", "share", "found"),
    [
        (1, 0.5, None),
        (2, 0.5, 1),
        (100, 0.5, 50),
        (99, 0.99, None),
        (100, 0.99, 99),
        (200, 0.99, 198),
        (999, 0.999, None),
        (1000, 0.999, 999),
    ],
)
def test_a_quantile_is_a_value_that_was_seen_or_nothing(number, share, found):
    assert quantile([float(value) for value in range(number, 0, -1)], share) == found


def test_rates_and_quantiles_are_those_of_a_status():
    seen = Seen(duration_s=2.0)
    for latency_s, status in ((0.1, 200), (0.3, 200), (0.001, 503), (30.0, NO_ANSWER)):
        seen.add(status, latency_s)

    assert seen.number == 4
    assert (seen.rate(), seen.rate(503), seen.rate(500)) == (1.0, 0.5, 0.0)
    assert seen.quantile_s(0.5) == 0.1
    assert seen.quantile_s(0.5, status=503) is None


def test_even_arrivals_keep_the_rate():
    assert arrivals(4, 1.0, are_even=True) == [0.0, 0.25, 0.5, 0.75]
    assert arrivals(0.1, 1.0, are_even=True) == [0.0]


def test_independent_callers_come_in_bunches_at_the_same_rate():
    dues = arrivals(1000, 10.0)
    gaps = [after - before for before, after in pairwise(dues)]

    assert len(dues) == 10_000
    assert 0 <= dues[0] <= dues[-1] < 10
    # Of an exponential distribution the deviation is the mean.
    assert stdev(gaps) == pytest.approx(mean(gaps), rel=0.05)


def ask(place, contents=(b"x",)):
    return target.pictures(place.url, contents, {"X-Word": "please"})


def test_an_open_loop_asks_as_often_as_requests_are_due_on_lines_that_close():
    """The server hangs up after each answer, and answers by turns."""
    with web() as place:
        place.answers = [says(200, b"{}"), says(503), says(200, b"{}"), says(404)]
        seen = load.run(load.opened(ask(place), [0.0, 0.001, 0.002, 0.05, 0.05]))

    assert {status: len(found) for status, found in seen.latencies_s.items()} == {200: 2, 503: 1, 404: 2}
    assert len(seen.late_s) == 5
    assert min(seen.late_s) >= 0
    assert 0.05 <= seen.asking_s <= seen.duration_s
    assert {asked["X-Word"] for asked in place.asked} == {"please"}


def test_a_closed_loop_asks_again_until_its_time_is_up():
    with web() as place:
        place.answers = [says(200, b"{}")]
        seen = load.run(load.closed(ask(place), 2, 0.2))

    assert set(seen.latencies_s) == {200}
    assert seen.number == len(place.asked) >= 2
    assert seen.duration_s >= 0.2
    assert not seen.late_s


def test_pictures_are_sent_in_turn():
    with web() as place:
        place.answers = [says(200)]
        load.run(load.opened(ask(place, [b"", b"xx"]), [0.0, 0.0, 0.0, 0.0]))

    assert sorted(asked["Content-Length"] for asked in place.asked) == ["0", "0", "2", "2"]


@pytest.mark.parametrize("shape", [lambda asked: load.closed(asked, 1, 0.1), lambda asked: load.opened(asked, [0.0])])
def test_no_service_at_all_is_an_error(shape):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    with pytest.raises(OSError, match="refused"):
        load.run(shape(target.pictures(f"http://127.0.0.1:{port}", [b"x"], {})))


def test_what_is_no_http_is_no_answer():
    with web() as place:
        place.answers = [lambda handler: handler.wfile.write(b"hello\r\n\r\n")]
        seen = load.run(load.opened(ask(place), [0.0]))

    assert seen.latencies_s.keys() == {NO_ANSWER}
    assert isinstance(seen.latencies_s[NO_ANSWER], array)
