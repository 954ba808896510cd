"""The sliding window by a clock of the test's own."""

import tracemalloc
from dataclasses import dataclass, replace

import pytest

from tapetum.watch.figures import Traffic
from tapetum.watch.record import Exchange, Record
from tapetum.watch.window import SLOTS, WATCHING, Window

CAT = Record("id", "/predict", "answered", 200, 9000, 0.002, 0.05, 60, 40, 0.003, 0.02, "cat", 0.9, 0.8)
DOG = replace(CAT, label="dog", confidence=0.55, margin=0.1)
LOST = Record("id", "/predict", "worker-lost", 500, 9000, 0.002, 0.05)
BROKEN = replace(LOST, outcome="broken-picture", status=422)


@dataclass
class Clock:
    """Time as the test wants it."""

    now: float = 5000.0

    def __call__(self) -> float:
        return self.now


def exchange(*records: Record, route: str = "/predict", status: int = 200, problem: str | None = None) -> Exchange:
    return Exchange("id", "trace", "POST", route, status, problem, 9000, 300, 0.05, records)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def window(clock) -> Window:
    window = Window(60, 0.6, clock)
    window.expect(("cat", "dog", "fox"), "1")
    return window


def test_nothing_is_none_and_never_0_or_nan(window):
    api, model = window.api(), window.model()

    assert (api.requests, api.endpoints, api.statuses, api.problems) == (0, {}, {}, {})
    assert (api.error_rate, api.client_error_rate) == (None, None)
    assert (api.latency_ms, api.request_bytes, api.response_bytes) == (None, None, None)
    assert (model.predictions, model.failure_rate, model.low_confidence_share) == (0, None, None)
    assert (model.inference_ms, model.decode_ms, model.queue_ms) == (None, None, None)
    assert (model.confidence, model.margin) == (None, None)
    assert {share.share for share in model.classes.values()} == {None}
    assert (model.health.verdict, model.health.reasons) == ("idle", ["no picture came that could be judged"])


def test_requests_are_counted_with_their_errors_and_sizes(window, clock):
    for status, problem in ((200, None), (200, None), (415, "not-a-picture"), (503, "overloaded"), (499, None)):
        window.observe(exchange(status=status, problem=problem))
    clock.now += 10

    api = window.api()

    assert (api.requests, api.errors, api.client_errors) == (5, 1, 2)
    assert (api.error_rate, api.client_error_rate) == (0.2, 0.4)
    assert (api.window_s, api.covered_s, api.requests_per_s) == (60, 10, 0.5)
    assert api.statuses == {200: 2, 415: 1, 499: 1, 503: 1}
    assert api.problems == {"not-a-picture": 1, "overloaded": 1}
    assert api.latency_ms is not None
    assert (api.latency_ms.mean, api.latency_ms.p99, api.latency_ms.max) == (50, 50, 50)
    assert (api.request_bytes.mean, api.response_bytes.max) == (9000, 300)
    assert api.endpoints["/predict"].model_dump() == api.model_dump(include=set(Traffic.model_fields))


@pytest.mark.parametrize("route", sorted(WATCHING))
def test_who_watches_is_listed_and_changes_no_total(window, route):
    window.observe(exchange(status=500))
    window.observe(exchange(route=route))
    window.observe(exchange(route="other", status=404))

    api = window.api()

    assert (api.requests, api.error_rate) == (2, 0.5)
    assert {name: each.requests for name, each in api.endpoints.items()} == {"/predict": 1, route: 1, "other": 1}


@pytest.mark.parametrize(("later_s", "requests"), [(0, 1), (59, 1), (59.999, 1), (60, 0), (1000, 0)])
def test_a_request_at_the_start_of_a_slot_is_seen_for_the_window_and_no_longer(window, clock, later_s, requests):
    window.observe(exchange(CAT))
    clock.now += later_s

    assert window.api().requests == window.model().predictions == requests


def test_a_slot_leaves_as_a_whole(window, clock):
    clock.now += 0.9
    window.observe(exchange())
    clock.now += 59

    assert window.api().requests == 1
    clock.now += 0.1
    assert window.api().requests == 0


def test_a_rate_is_over_what_the_window_covers(window, clock):
    for _ in range(600):
        clock.now += 0.5
        window.observe(exchange(CAT))

    api = window.api()

    assert 59 <= api.covered_s <= 60
    assert api.requests_per_s == pytest.approx(2, rel=0.02)
    assert api.requests == pytest.approx(2 * api.covered_s, abs=1)


def test_the_first_request_of_all_is_one_a_slot(window, clock):
    window.observe(exchange())

    assert window.api().requests_per_s == 1


def test_the_window_can_be_longer(clock):
    window = Window(3600, 0.6, clock)
    window.observe(exchange())
    clock.now += 3500

    assert (window.api().requests, window.api().covered_s) == (1, 3500)
    clock.now += 100
    assert window.api().requests == 0


def test_predictions_are_told_by_class_and_confidence(window):
    for record in (CAT, CAT, CAT, DOG):
        window.observe(exchange(record))

    model = window.model()

    assert (model.predictions, model.low_confidence, model.low_confidence_share) == (4, 1, 0.25)
    assert {name: (each.count, each.share) for name, each in model.classes.items()} == {
        "cat": (3, 0.75),
        "dog": (1, 0.25),
        "fox": (0, 0),
    }
    assert (model.inference_ms.mean, model.decode_ms.mean, model.queue_ms.mean) == (20, 3, 2)
    assert model.confidence.mean == pytest.approx((3 * 0.9 + 0.55) / 4)
    assert (model.confidence.min, model.confidence.p50) == (0.55, 0.9)
    assert model.margin.min == 0.1
    counts = {each.low: each.count for each in model.confidence_histogram if each.count}
    assert counts == {0.5: 1, 0.9: 3}


def test_a_confidence_at_the_bound_is_not_low(window):
    window.observe(exchange(replace(CAT, confidence=0.6)))

    assert window.model().low_confidence == 0


def test_a_class_that_the_model_does_not_have_is_other(window):
    for number in range(100):
        window.observe(exchange(replace(CAT, label=f"made up {number}")))

    assert window.model().classes["other"].count == 100
    assert len(window.model().classes) == 4


def test_every_picture_of_a_batch_is_counted(window):
    window.observe(exchange(CAT, LOST, BROKEN, DOG))

    model = window.model()

    assert window.api().requests == 1
    assert (model.predictions, model.failures, model.refusals) == (2, 1, 1)
    assert model.failure_rate == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("records", "obstacle", "verdict", "reasons"),
    [
        ([CAT] * 19 + [BROKEN] * 50, None, "healthy", []),
        ([CAT] * 199 + [LOST], None, "healthy", []),
        ([CAT] * 99 + [LOST], None, "degraded", ["1 of 100 pictures failed"]),
        ([CAT, LOST], None, "unhealthy", ["1 of 2 pictures failed"]),
        ([DOG] * 19, None, "healthy", []),
        ([DOG] * 10 + [CAT] * 10, None, "degraded", ["10 of 20 predictions are of low confidence"]),
        ([DOG] * 9 + [CAT] * 11, None, "healthy", []),
        ([BROKEN], None, "idle", ["no picture came that could be judged"]),
        ([CAT], "no worker", "unhealthy", ["no picture can be answered: no worker"]),
    ],
)
def test_health_is_judged_with_reasons(window, records, obstacle, verdict, reasons):
    for record in records:
        window.observe(exchange(record))

    health = window.model(obstacle).health

    assert (health.verdict, health.reasons) == (verdict, reasons)


def test_memory_does_not_follow_the_rate(clock):
    """A window holds no more after ten times the requests, in as many slots, on as many routes."""

    def held(requests_a_slot: int) -> int:
        window = Window(60, 0.6, clock)
        window.expect(("cat", "dog"), "1")
        tracemalloc.start()
        for _ in range(SLOTS + 5):
            clock.now += 1
            for number in range(requests_a_slot):
                window.observe(replace(exchange(CAT), total_s=number / 1000, received=number))
        size, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert window.api().requests == SLOTS * requests_a_slot
        return size

    few, many = held(5), held(50)

    assert many < few * 1.1
    assert many < 2_000_000


def test_a_model_that_takes_the_place_of_another_begins_its_window_and_requests_go_on(window, clock):
    window.observe(exchange(replace(CAT, version="1"), LOST))
    clock.now += 10

    window.expect(("lynx", "wolf"), "2")
    window.observe(exchange(replace(CAT, version="1")))  # accepted before
    window.observe(exchange(replace(CAT, version="2", label="lynx"), BROKEN))
    clock.now += 2
    api, model = window.api(), window.model()

    assert (api.requests, api.covered_s) == (3, 12)
    assert (model.predictions, model.failures, model.refusals, model.covered_s) == (1, 0, 1, 2)
    assert {label: share.count for label, share in model.classes.items()} == {"lynx": 1, "wolf": 0}
