"""From what was seen of a load to what is said of it."""

import json
from dataclasses import replace

import pytest
from web import says, web

from tapetum.delivery import bench, target
from tapetum.delivery.bench import Load, Plan
from tapetum.errors import ConfigError

CALM = Load(
    clients=None,
    rate=100.0,
    seconds=5.0,
    requests=500,
    answered_per_s=100.0,
    latency_ms={"p50": 2.0, "p90": 3.0, "p99": 4.0, "p99.9": None},
    answers={"200": 500},
    server_cpu_ms=2.5,
    generator_share=0.1,
    late_ms=0.4,
)


def nothing() -> None:
    return None


def test_a_load_is_named_by_its_shape():
    assert CALM.name == "open, 100/s"
    assert replace(CALM, rate=None, clients=1).name == "closed, 1 client"
    assert replace(CALM, rate=None, clients=8).name == "closed, 8 clients"


def test_the_generator_says_when_it_was_the_bottleneck():
    assert CALM.doubt is None
    assert "busy for 93%" in (replace(CALM, generator_share=0.93).doubt or "")
    assert "fell behind its schedule" in (replace(CALM, late_ms=12.0).doubt or "")


def test_loads_come_in_order_and_shares_are_of_the_peak():
    """Processor time is that of all requests, refused ones too."""
    plan = Plan(clients=(1, 2), rates=(50.0,), shares=(0.5,), seconds=0.2, arrivals="even")
    spent = iter(range(100))
    with web() as place:
        place.answers = [says(200)]
        asked = target.pictures(place.url, [b"x"], {})
        loads = list(bench.measure(asked, plan, lambda: float(next(spent))))

    peak = max(each.answered_per_s for each in loads[:2])
    assert [(each.clients, each.rate) for each in loads] == [(1, None), (2, None), (None, 50.0), (None, peak / 2)]
    assert loads[2].requests == 10
    assert loads[2].answers == {"200": 10}
    assert loads[2].server_cpu_ms == 100.0
    assert loads[2].latency_ms["p50"] is not None
    assert loads[2].latency_ms["p99"] is None


def test_what_is_not_answered_is_counted_by_status():
    plan = Plan(clients=(), rates=(20.0,), shares=(), seconds=0.1, arrivals="even")
    with web() as place:
        place.answers = [says(200), says(503), lambda handler: None]
        asked = target.pictures(place.url, [b"x"], {})
        # The first two answers go to those who warm the service up.
        (found,) = bench.measure(asked, plan, nothing)

    assert found.answers == {"none": 2}
    assert found.answered_per_s == 0
    assert found.latency_ms == {"p50": None, "p90": None, "p99": None, "p99.9": None}
    assert found.server_cpu_ms is None


def test_a_share_of_no_peak_is_refused():
    with pytest.raises(ConfigError, match="give --clients too"):
        Plan(clients=(), rates=(), shares=(0.5,), seconds=0.1, arrivals="even")


@pytest.mark.parametrize(
    ("text", "found"),
    [(b"# HELP x\nprocess_cpu_seconds_total 12.5\n", 12.5), (b"nothing of the kind\n", None)],
)
def test_processor_time_of_a_service_elsewhere_is_what_it_tells(text, found):
    with web() as place:
        place.answers = [says(200, text)]

        assert bench.cpu_of_url(place.url, {}) == found


def test_all_figures_are_in_the_document():
    document = json.loads(bench.to_json("http://a", [b"1", b"345"], {"cores": "2"}, [CALM]))

    assert document["service"] == "http://a"
    assert document["pictures"] == {"number": 2, "mean_bytes": 2}
    assert document["loads"][0]["latency_ms"]["p99"] == 4.0
    assert document["loads"][0]["doubt"] is None
