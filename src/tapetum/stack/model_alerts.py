"""Alerts on what the model answers: all but the last need no right answers to compare with."""

from tapetum.metrics import JUDGED, LOW_CONFIDENCE, PREDICTIONS, TEST_ACCURACY
from tapetum.stack.alert import IN_MLOPS, WHERE, Alert, Inputs, flat, replicas, rising
from tapetum.stack.promql import SERVICE, grown, rate, select

_OF_EACH_CLASS = rate(PREDICTIONS, "1h", by=f"{SERVICE}, predicted_class")


def _classes(cat: float, dog: float) -> Inputs:
    """Two replicas that answer so many pictures a minute with each class."""
    return replicas(PREDICTIONS.name, rising(cat), rising(cat), predicted_class="cat") | replicas(
        PREDICTIONS.name, rising(dog), rising(dog), predicted_class="dog"
    )


def _unsure(of_all: float, unsure: float) -> Inputs:
    return _classes(of_all / 2, of_all / 2) | replicas(LOW_CONFIDENCE.name, rising(unsure), rising(unsure))


_RIGHT = select(JUDGED, matchers='outcome="right"')
_JUDGED_ALL = f"sum by ({SERVICE}) ({select(JUDGED)})"
_REALISED = f"sum by ({SERVICE}) ({_RIGHT}) / {_JUDGED_ALL}"
_LOST = f"min by ({SERVICE}) ({select(TEST_ACCURACY)}) - {_REALISED}"
# Three standard errors: chance alone takes as much from one model in about 740, however many answers were judged.
_CHANCE = f"3 * ({_REALISED} * (1 - {_REALISED}) / {_JUDGED_ALL}) ^ 0.5"


def _judged(right: int, wrong: int) -> Inputs:
    """Two replicas of a model that was right in 95 % of its test part, with so many answers judged at each."""
    inputs = replicas(TEST_ACCURACY.name, flat(0.95), flat(0.95))
    for outcome, number in (("right", right), ("wrong", wrong)):
        inputs |= replicas(JUDGED.name, flat(number), flat(number), predicted_class="cat", outcome=outcome)
    return inputs


ALERTS = (
    Alert(
        "SkewedClasses",
        "warning",
        "More than THRESHOLD of an hour's pictures got the same class",
        f"max by ({SERVICE}) ({_OF_EACH_CLASS}) / {rate(PREDICTIONS, '1h')}",
        ">",
        0.95,
        30,
        f"VALUE of the pictures of {WHERE} in the last hour got one class.",
        guard=f"and {grown(PREDICTIONS, '1h')} >= 100",
        unit="share",
        labels=IN_MLOPS,
        value="96%",
        after=1,
        firing=_classes(96, 4),
        quiet=(_classes(94, 6), _classes(0.8, 0)),
    ),
    Alert(
        "LowConfidence",
        "warning",
        "The model was unsure of more than THRESHOLD of an hour's pictures",
        f"{rate(LOW_CONFIDENCE, '1h')} / {rate(PREDICTIONS, '1h')}",
        ">",
        0.3,
        15,
        f"{WHERE} was less confident than TAPETUM_LOW_CONFIDENCE in VALUE of the last hour's pictures.",
        guard=f"and {grown(PREDICTIONS, '1h')} >= 50",
        unit="share",
        labels=IN_MLOPS,
        value="31%",
        after=1,
        firing=_unsure(100, 31),
        quiet=(_unsure(100, 29), _unsure(0.4, 0.4)),
    ),
    Alert(
        "RealisedAccuracyLow",
        "warning",
        "Answers that people judged are right less often than on the test part, by more than THRESHOLD",
        _LOST,
        ">",
        0.05,
        15,
        f"By feedback {WHERE} is right VALUE less often than its bundle states of its test part, and not by chance.",
        guard=f"and {_LOST} > {_CHANCE} and {_JUDGED_ALL} >= 50",
        unit="share",
        labels=IN_MLOPS,
        value="5.5%",
        firing=_judged(895, 105),
        quiet=(_judged(905, 95), _judged(26, 4), _judged(10, 10), _judged(0, 0)),
    ),
)
