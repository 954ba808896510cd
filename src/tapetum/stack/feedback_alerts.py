"""The alert on what people say of answers."""

from tapetum.metrics import JUDGED, TEST_ACCURACY
from tapetum.stack.alert import IN_MLOPS, WHERE, Alert, Inputs, flat, replicas
from tapetum.stack.promql import SERVICE, select

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
