"""Alerts against a clock and values that the test sets."""

from dataclasses import dataclass, field
from email.message import EmailMessage

import pytest

from tapetum.watch.alerting import Alerting, Bound, Notice, Rule
from tapetum.watch.outbox import Letter

HOT = Rule(
    "Hot",
    "heat",
    Bound("above", 0.9, 0.8),
    for_s=60,
    cooldown_s=600,
    severity="warning",
    meaning="It is hot.",
    remedies=("Cool it.",),
)
UNSURE = Rule("Unsure", "confidence", Bound("below", 0.6, 0.65), 0, 0, "critical", "It is unsure.", ("Ask.",))


@dataclass
class World:
    """A clock that stands until it is moved, the values, and the mails that were written."""

    now: float = 1000.0
    values: dict[str, float | None] = field(default_factory=dict)
    notices: list[Notice] = field(default_factory=list)
    letters: list[Letter] = field(default_factory=list)

    def post(self, notice: Notice) -> Letter:
        self.notices.append(notice)
        self.letters.append(Letter(EmailMessage(), self.now))
        return self.letters[-1]

    def alerting(self, *rules: Rule) -> Alerting:
        values = {rule.metric: lambda name=rule.metric: self.values[name] for rule in rules}
        return Alerting(rules, values, self.post, clock=lambda: self.now)

    @property
    def told(self) -> list[str]:
        return ["firing" if notice.is_firing else "over" for notice in self.notices]


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def hot(world: World) -> Alerting:
    return world.alerting(HOT)


def look(world: World, alerting: Alerting, *values: float | None, step: float = 30.0) -> list[str]:
    """The state after each value, with `step` seconds before each."""
    (alert,) = alerting.alerts
    states = []
    for value in values:
        world.now += step
        world.values[alert.rule.metric] = value
        alerting.look()
        states.append(alert.state)
    return states


def test_it_fires_once_the_value_was_bad_for_long_enough(world, hot):
    assert look(world, hot, 0.5, 0.95, 0.95) == ["ok", "pending", "pending"]
    assert world.told == []

    assert look(world, hot, 0.95) == ["firing"]
    assert world.notices == [Notice(HOT, True, 0.95, lasted_s=60.0)]


def test_a_value_that_was_well_in_between_begins_anew(world, hot):
    assert look(world, hot, 0.95, 0.95, 0.85, 0.95, 0.95, 0.95)[-2:] == ["pending", "firing"]


@pytest.mark.parametrize(("value", "state"), [(0.9, "ok"), (0.9001, "pending")])
def test_the_threshold_itself_is_well(world, hot, value, state):
    assert look(world, hot, value) == [state]


def test_one_mail_is_written_however_long_it_fires(world, hot):
    look(world, hot, *[0.95] * 50)

    assert world.told == ["firing"]


def test_a_value_that_trembles_at_the_threshold_is_one_alert(world, hot):
    assert set(look(world, hot, *[0.95] * 3, *[0.85, 0.95] * 10)[2:]) == {"firing"}
    assert world.told == ["firing"]


def test_it_is_over_at_the_lower_bound_and_says_how_long_it_lasted(world, hot):
    look(world, hot, 0.95, 0.95, 0.95, 0.801)
    assert world.told == ["firing"]

    assert look(world, hot, 0.8) == ["ok"]
    assert world.notices[-1] == Notice(HOT, False, 0.8, lasted_s=120.0)


def test_a_bound_below_works_the_other_way_round_and_without_waiting(world):
    unsure = world.alerting(UNSURE)

    assert look(world, unsure, 0.6, 0.59, 0.64, 0.65) == ["ok", "firing", "firing", "ok"]
    assert world.told == ["firing", "over"]


def test_an_unknown_value_neither_fires_nor_ends(world, hot):
    assert look(world, hot, 0.95, 0.95, None, None, None) == ["pending"] * 5
    assert look(world, hot, 0.95) == ["firing"]
    assert look(world, hot, None, None) == ["firing"] * 2
    assert world.told == ["firing"]


def test_time_in_which_nothing_was_known_does_not_count_as_bad(world, hot):
    assert look(world, hot, 0.95, None, None, None, 0.95, 0.95) == ["pending"] * 5 + ["firing"]
    assert world.notices[0].lasted_s == 60.0


def test_an_alert_that_comes_again_within_the_cooldown_writes_nothing(world, hot):
    look(world, hot, *[0.95] * 3, 0.5)
    assert look(world, hot, *[0.95] * 3, 0.5) == ["pending", "pending", "firing", "ok"]

    assert world.told == ["firing", "over"]
    assert hot.suppressed == 1


def test_what_still_fires_after_the_cooldown_is_mailed_then(world, hot):
    look(world, hot, *[0.95] * 3, 0.5)
    look(world, hot, *[0.95] * 15)
    assert world.told == ["firing", "over"]

    look(world, hot, *[0.95] * 5)
    assert world.told == ["firing", "over", "firing"]
    assert hot.suppressed == 1


def test_after_the_cooldown_it_is_mailed_at_once(world, hot):
    look(world, hot, *[0.95] * 3, *[0.5] * 20, *[0.95] * 3)

    assert world.told == ["firing", "over", "firing"]
    assert hot.suppressed == 0


def test_a_mail_that_was_given_up_told_nobody(world, hot):
    """So nobody is told that it is over, and while it fires another attempt is made after the cooldown."""
    look(world, hot, *[0.95] * 3)
    world.letters[0].outcome = "failed"
    look(world, hot, *[0.95] * 19)
    assert world.told == ["firing"]
    look(world, hot, 0.95)
    assert world.told == ["firing", "firing"]

    world.letters[1].outcome = "failed"
    look(world, hot, 0.5)
    assert world.told == ["firing", "firing"]


def test_without_mails_it_fires_all_the_same(world):
    alerting = Alerting([UNSURE], {"confidence": lambda: 0.1}, post=None)

    alerting.look()

    assert alerting.alerts[0].state == "firing"
    assert alerting.alerts[0].letter is None


def test_a_reading_that_fails_silences_no_other_rule(world):
    def broken() -> float:
        raise OSError("no such disk")

    alerting = Alerting([HOT, UNSURE], {"heat": broken, "confidence": lambda: 0.1}, world.post)

    alerting.look()

    assert [(alert.state, alert.value) for alert in alerting.alerts] == [("ok", None), ("firing", 0.1)]
