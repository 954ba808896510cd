"""Alerts on what the model answers: these need no right answers to compare with."""

from tapetum.metrics import LOW_CONFIDENCE, PREDICTIONS
from tapetum.stack.alert import IN_MLOPS, WHERE, Alert, Inputs, replicas, rising
from tapetum.stack.promql import SERVICE, grown, rate

_OF_EACH_CLASS = rate(PREDICTIONS, "1h", by=f"{SERVICE}, predicted_class")


def _classes(cat: float, dog: float) -> Inputs:
    """Two replicas that answer so many pictures a minute with each class."""
    return replicas(PREDICTIONS.name, rising(cat), rising(cat), predicted_class="cat") | replicas(
        PREDICTIONS.name, rising(dog), rising(dog), predicted_class="dog"
    )


def _unsure(of_all: float, unsure: float) -> Inputs:
    return _classes(of_all / 2, of_all / 2) | replicas(LOW_CONFIDENCE.name, rising(unsure), rising(unsure))


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
)
