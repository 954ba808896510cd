"""What the built-in rules are about, as the window and the system tell it."""

import dataclasses
from pathlib import Path

import pytest

from tapetum import metrics
from tapetum.errors import SwitchedOff
from tapetum.serving.alarm import Alarm, measures
from tapetum.settings import Settings
from tapetum.watch import rules
from tapetum.watch.drift import Drift
from tapetum.watch.record import Exchange, Record
from tapetum.watch.sampler import Sampler
from tapetum.watch.system import System
from tapetum.watch.system_figures import SystemFigures
from tapetum.watch.window import Window

SURE = Record("id", "/predict", "answered", 200, 9000, 0.002, 0.05, 60, 40, 0.003, 0.02, "cat", 0.9, 0.8)
UNSURE = dataclasses.replace(SURE, confidence=0.5, margin=0.0)
LEAST = 4


@pytest.fixture
def window() -> Window:
    return Window(60, 0.6, lambda: 5000.0)


@pytest.fixture
def system() -> Sampler[SystemFigures]:
    look = System(Path("/nowhere")).look
    return Sampler(look, look())


@pytest.fixture
def alarm(window, system) -> Alarm:
    settings = Settings(_env_file=None, alerts="off", alert_for_s=0)
    return Alarm(settings, measures(window, system, Drift(500), LEAST), lambda: "cats-dogs")


def ask(window: Window, *records: Record, status: int = 200) -> None:
    window.observe(Exchange("id", "trace", "POST", "/predict", status, None, 9000, 300, 0.05, records))


def test_every_rule_is_about_something_that_is_measured_and_has_a_name(alarm):
    asked_for = {rule.metric for rule in rules.of(Settings(_env_file=None, alert_single_confidence=0.5))}

    assert asked_for == alarm.values.keys() == rules.METRICS.keys()


def test_single_predictions_have_a_rule_only_where_they_have_a_bound():
    assert "UnsurePrediction" not in {rule.name for rule in rules.of(Settings(_env_file=None))}


def test_of_few_requests_no_share_is_told(window, system):
    values = measures(window, system, Drift(500), LEAST)
    for status in (500, 500, 200):
        ask(window, status=status)
    assert values["error_rate"]() is None

    ask(window)
    assert values["error_rate"]() == 0.5


def test_of_few_predictions_no_average_is_told_but_the_lowest_is(window, system):
    values = measures(window, system, Drift(500), LEAST)
    assert values["confidence_minimum"]() is None
    ask(window, SURE, UNSURE, SURE)
    assert values["confidence_average"]() is None
    assert values["confidence_minimum"]() == 0.5

    ask(window, SURE)
    assert values["confidence_average"]() == pytest.approx(0.8)


def test_what_the_system_tells_is_told_and_nothing_else(window, system):
    values = measures(window, system, Drift(500), LEAST)
    latest = system.latest

    assert values["cpu"]() is None  # before the second look
    assert values["memory"]() == latest.memory.share
    assert values["disk"]() == latest.disk.share
    system.latest = latest.model_copy(update={"memory": None, "disk": None})
    assert (values["memory"](), values["disk"]()) == (None, None)


def test_a_failing_service_fires_in_the_series(window, alarm):
    for _ in range(LEAST):
        ask(window, status=500)

    alarm.alerting.look()

    readings = list(alarm.readings())
    fired = {reading.labels[0]: reading.value for reading in readings if reading.series is metrics.ALERTS_FIRING}
    assert fired["HighErrorRate"] == 1
    assert fired["LowConfidence"] == 0
    others = {reading.series: reading.value for reading in readings if not reading.labels}
    assert others == {metrics.ALERTS_SENT: 0, metrics.ALERTS_FAILED: 0, metrics.ALERTS_SUPPRESSED: 0}


@pytest.mark.anyio
async def test_no_test_mail_is_sent_where_none_are(alarm):
    with pytest.raises(SwitchedOff, match="alerts are not mailed: TAPETUM_ALERTS is off"):
        await alarm.test()


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
