"""The alert on a challenger. That it answers otherwise is what it is asked for, and no alert."""

from tapetum.metrics import SHADOW_UP
from tapetum.stack.alert import IN_MLOPS, WHERE, Alert, flat, replicas
from tapetum.stack.promql import SERVICE, select

ALERTS = (
    Alert(
        "ChallengerDown",
        "ticket",
        "A challenger that pictures are to be compared with cannot be asked",
        f"min by ({SERVICE}) ({select(SHADOW_UP)})",
        "<",
        1,
        15,
        f"The challenger in the shadow of {WHERE} has no process; answers are given as ever.",
        labels=IN_MLOPS,
        value="0",
        firing=replicas(SHADOW_UP.name, flat(1), flat(0)),
        quiet=(replicas(SHADOW_UP.name, flat(1), flat(1)), {}),
    ),
)
