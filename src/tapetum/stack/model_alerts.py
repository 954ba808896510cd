"""Alerts on what the model answers: these need no right answers to compare with."""

from tapetum.metrics import DRIFT, DRIFT_LOSS, LOW_CONFIDENCE, PREDICTIONS
from tapetum.stack.alert import IN_MLOPS, WHERE, Alert, Inputs, flat, replicas, rising
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
    Alert(
        "Drift",
        "ticket",
        "Other pictures come than the model was measured on",
        f"max by ({SERVICE}) ({DRIFT.name})",
        ">",
        0,
        30,
        f"The last predictions of {WHERE} have drifted from the profile of their bundle.",
        labels=IN_MLOPS,
        value="1",
        firing=replicas(DRIFT.name, flat(0), flat(1)),
        quiet=(replicas(DRIFT.name, flat(0), flat(0)),),
    ),
    Alert(
        "AccuracyLoss",
        "warning",
        "Drift costs an estimated THRESHOLD of accuracy or more",
        f"max by ({SERVICE}) ({DRIFT_LOSS.name})",
        ">=",
        0.03,
        15,
        f"Among the last predictions of {WHERE} VALUE fewer are right than on the profile's pictures, as estimated.",
        unit="share",
        labels=IN_MLOPS,
        value="3.2%",
        firing=replicas(DRIFT_LOSS.name, flat(0), flat(0.032)),
        quiet=(replicas(DRIFT_LOSS.name, flat(0.02), flat(0.029)),),
    ),
)
