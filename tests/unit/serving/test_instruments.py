"""Counting, apart from any request: what stands at 0, which bucket a value is in, and what is never exported."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from tapetum import metrics
from tapetum.serving.app import create_app
from tapetum.serving.instruments import SHED, Instruments, Reading
from tapetum.serving.record import Exchange, Record
from tapetum.serving.tallies import Histograms
from tapetum.settings import Settings

ANSWERED = Record(
    "id",
    "/predict",
    "answered",
    200,
    size=1000,
    queue_s=0.001,
    total_s=0.02,
    decode_s=0.002,
    inference_s=0.003,
    label="cat",
    confidence=0.75,
    margin=0.5,
)
LATE = Record("id", "/predict", "deadline-passed", 504, size=1000, queue_s=1.0, total_s=1.0)


@pytest.fixture
def instruments() -> Instruments:
    made = Instruments(low_confidence=0.75)
    made.expect_model(("cat", "dog"), "openvino", "cpu")
    return made


def exchange(*records: Record) -> Exchange:
    return Exchange("id", "a" * 32, "POST", "other", 200, None, 1000, 200, 0.02, records)


def samples(instruments: Instruments) -> dict[tuple[str, ...], float]:
    content, _ = instruments.exposition()
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(content.decode())
        for sample in family.samples
    }


def test_what_can_be_expected_stands_at_0_before_it_happens():
    found = samples(create_app(Settings()).state.instruments)

    assert {("prediction_requests_shed_total", reason) for reason in SHED} <= found.keys()
    assert {("http_requests_total", "POST", "/predict", str(status)) for status in (200, 413, 500, 503, 504)} <= set(
        found
    )
    assert {("http_problems_total", "/predict/batch", kind) for kind in ("worker-lost", "request-too-slow")} <= set(
        found
    )
    assert ("http_problems_total", "/ready", "not-ready") not in found
    assert ("http_request_size_bytes_count", "/health") in found
    assert ("prediction_errors_total",) in found
    gauges = {
        "prediction_queue_limit_pictures": 64,
        "prediction_batch_limit_pictures": 1,
        "workers_wanted": found["workers_wanted",],
    }
    counted = {name[0]: value for name, value in found.items() if not name[0].startswith(("process_", "system_"))}
    assert {name: value for name, value in counted.items() if value} == gauges


def test_the_classes_of_a_model_stand_at_0(instruments):
    found = samples(instruments)

    assert {name[1]: value for name, value in found.items() if name[0] == "predictions_total"} == {"cat": 0, "dog": 0}
    assert found["prediction_inference_seconds_count", "cpu", "openvino"] == 0


def test_a_class_that_the_model_has_not_adds_no_series(instruments):
    for number in range(3):
        instruments.observe(exchange(replace(ANSWERED, label=f"made up {number}")))

    found = samples(instruments)
    assert {name[1]: value for name, value in found.items() if name[0] == "predictions_total"} == {
        "cat": 0,
        "dog": 0,
        "other": 3,
    }


def test_low_confidence_is_less_than_the_setting(instruments):
    for confidence in (0.7499, 0.75):
        instruments.observe(exchange(replace(ANSWERED, confidence=confidence)))

    assert samples(instruments)["low_confidence_predictions_total",] == 1


def test_a_request_is_one_error_however_many_pictures_it_had(instruments):
    instruments.observe(exchange(LATE, LATE, ANSWERED, replace(LATE, outcome="worker-lost", status=500)))

    found = samples(instruments)
    assert found["prediction_errors_total",] == 1
    assert {name[1] for name, value in found.items() if name[0] == "prediction_requests_shed_total" and value} == {
        "deadline-passed",
        "worker-lost",
    }
    assert found["prediction_queue_seconds_count",] == 4


def test_a_source_that_fails_hides_no_other(instruments, capsys):
    def broken() -> Iterator[Reading]:
        yield Reading(metrics.WORKERS, 1)
        raise OSError("the disk is gone")

    instruments.sources += [broken, lambda: [Reading(metrics.READY, 1)]]

    found = samples(instruments)

    assert found["model_ready",] == 1
    assert ("workers",) not in found
    assert "the disk is gone" in capsys.readouterr().out


def test_readings_of_one_series_from_two_sources_are_one_family(instruments):
    up = metrics.LOG_HANDLER_UP
    instruments.sources += [lambda: [Reading(up, 1, ("console",))], lambda: [Reading(up, 0, ("syslog",))]]

    content, _ = instruments.exposition()

    assert content.count(b"# TYPE log_handler_up gauge") == 1
    assert samples(instruments)["log_handler_up", "syslog"] == 0


def test_buckets_are_those_of_prometheus_client(rng):
    registry = CollectorRegistry()
    series = metrics.QUEUE_TIME
    theirs = Histogram(series.name, series.help, buckets=series.buckets, registry=registry)
    ours = Histograms(series)
    for value in (*series.buckets, 0.0, 100.0, *rng.exponential(0.05, 1000)):
        theirs.observe(value)
        ours.of().observe(value)

    (expected,) = (each for each in registry.collect() if each.name == series.name)

    plain = [sample for sample in expected.samples if not sample.name.endswith("_created")]
    assert ours.family().samples == plain
    assert b"prediction_queue_seconds_bucket" in generate_latest(registry)
