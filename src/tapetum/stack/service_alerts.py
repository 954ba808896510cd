"""Alerts on the service: whether it answers, how fast, and how many."""

from tapetum.metrics import ERRORS, LATENCY, PREDICTIONS, READY, RELOADS
from tapetum.stack.alert import IN_MLOPS, WHERE, Alert, Inputs, flat, replicas, requests, rising, series
from tapetum.stack.promql import SERVICE, SERVICE_JOB, grown, select
from tapetum.stack.recording import P95, P99, PREDICTIONS_RATE
from tapetum.stack.slo import OBJECTIVES

_FAILED_SHARE = OBJECTIVES[0].recorded("5m")
_ENOUGH = f"and {grown(LATENCY, '5m', suffix='_count')} >= 20"


def _took(**at_most: float) -> Inputs:
    """Two replicas of which so many answers a minute took at most so long; `_0_5` is 0.5 s, `_Inf` is all."""
    found: Inputs = {}
    for bound, count in at_most.items():
        le = bound[1:].replace("_", ".").replace("Inf", "+Inf")
        found |= replicas(f"{LATENCY.name}_bucket", rising(count), rising(count), le=le)
    total = rising(at_most["_Inf"])
    return found | replicas(f"{LATENCY.name}_count", total, total)


def _traffic(*pieces: tuple[float, int]) -> Inputs:
    """Two replicas that answer so many pictures a minute for so many minutes, piece by piece."""
    return replicas(PREDICTIONS.name, rising(*pieces), rising(*pieces), predicted_class="cat")


def _up(first: int, second: int) -> Inputs:
    return replicas("up", flat(first), flat(second))


ALERTS = (
    Alert(
        "ServiceAbsent",
        "critical",
        "No replica of the service answers Prometheus",
        f'(sum(up{{job="{SERVICE_JOB}"}}) or vector(0))',
        "<",
        1,
        2,
        f"Of the targets of job {SERVICE_JOB}, VALUE can be scraped: all are down, or none is known.",
        labels={},
        value="0",
        firing=_up(0, 0),
        also_firing=({series("up", job="prometheus"): flat(1)},),
        quiet=(_up(0, 1),),
    ),
    Alert(
        "ServiceNotReady",
        "critical",
        "No replica of the service is ready",
        f"max by ({SERVICE}) ({select(READY)})",
        "<",
        1,
        2,
        f"VALUE replicas of {WHERE} can answer: the model is being loaded, was refused, or no worker can be started.",
        labels=IN_MLOPS,
        value="0",
        firing=replicas(READY.name, flat(0), flat(0)),
        quiet=(replicas(READY.name, flat(0), flat(1)),),
    ),
    Alert(
        "HighPredictionErrorRate",
        "critical",
        "More than THRESHOLD of requests for predictions failed over 5 minutes",
        _FAILED_SHARE,
        ">",
        0.05,
        2,
        f"{WHERE}: VALUE of requests failed in the last 5 minutes. Callers' mistakes are not among them.",
        guard=f"and {grown(ERRORS, '5m')} >= 3",
        unit="share",
        topic="availability",
        labels=IN_MLOPS,
        value="5.25%",
        after=1,
        firing=requests(rising(94.75), rising(5.25)),
        quiet=(
            requests(rising(95.25), rising(4.75)),
            requests(flat(0), rising((0.5, 2), (0, 60))),  # two requests, and both failed
        ),
    ),
    Alert(
        "HighPredictionLatency",
        "warning",
        "One answer in 20 takes longer than THRESHOLD (p95 over 5 minutes)",
        P95.name,
        ">",
        0.5,
        5,
        f"The p95 of {WHERE} is VALUE.",
        guard=_ENOUGH,
        unit="seconds",
        topic="latency",
        labels=IN_MLOPS,
        value="583.3ms",
        after=1,
        firing=_took(_0_25=60, _0_5=94, _1_0=100, _2_5=100, _Inf=100),
        quiet=(
            _took(_0_25=60, _0_5=96, _1_0=100, _2_5=100, _Inf=100),
            _took(_0_25=0, _0_5=0, _1_0=0, _2_5=1.8, _Inf=1.8),  # all slow, but 18 pictures in 5 minutes
        ),
    ),
    Alert(
        "CriticalPredictionLatency",
        "critical",
        "One answer in 100 takes longer than THRESHOLD (p99 over 5 minutes)",
        P99.name,
        ">",
        1.0,
        5,
        f"The p99 of {WHERE} is VALUE.",
        guard=_ENOUGH,
        unit="seconds",
        topic="latency",
        labels=IN_MLOPS,
        value="1.136s",
        after=1,
        firing=_took(_0_25=60, _0_5=90, _1_0=98.9, _2_5=100, _Inf=100),
        quiet=(
            _took(_0_25=60, _0_5=90, _1_0=99.1, _2_5=100, _Inf=100),
            _took(_0_25=0, _0_5=0, _1_0=0, _2_5=1.8, _Inf=1.8),
        ),
    ),
    Alert(
        "NoPredictions",
        "warning",
        "No picture has been answered for 15 minutes, though some were in the last day",
        f"({grown(PREDICTIONS, '15m')} or 0 * {grown(PREDICTIONS, '1d')})",
        "<",
        1,
        5,
        f"{WHERE} has answered VALUE pictures in the last 15 minutes.",
        guard=f"and {grown(PREDICTIONS, '1d')} >= 1",
        topic="traffic",
        labels=IN_MLOPS,
        value="0",
        after=45,
        firing=replicas(PREDICTIONS.name, rising((10, 30), (0, 60)), flat(7), predicted_class="cat"),
        also_firing=(replicas(PREDICTIONS.name, rising((10, 30)), rising((5, 30)), predicted_class="cat"),),  # gone
        quiet=(
            replicas(PREDICTIONS.name, rising((10, 30), (0.05, 60)), flat(7), predicted_class="cat"),
            replicas(PREDICTIONS.name, flat(0), flat(0), predicted_class="cat"),
        ),
    ),
    Alert(
        "TrafficDropped",
        "warning",
        "Fewer than THRESHOLD of the pictures of an hour ago are answered",
        f"{PREDICTIONS_RATE.name} / {PREDICTIONS_RATE.name} offset 1h",
        "<",
        0.1,
        10,
        f"{WHERE} answers VALUE of the pictures a second that it answered an hour ago.",
        guard=f"and {PREDICTIONS_RATE.name} offset 1h > 0.1",
        unit="share",
        labels=IN_MLOPS,
        value="9.5%",
        after=65,
        firing=_traffic((60, 60), (5.7, 60)),
        quiet=(_traffic((60, 60), (6.3, 60)), _traffic((2.5, 60), (0, 60))),
    ),
    Alert(
        "ReloadRefused",
        "warning",
        "A new model was refused, and the one before is served",
        grown(RELOADS, "1h", matchers='outcome="refused"'),
        ">",
        0,
        0,
        f"{WHERE} has refused VALUE reloads in the last hour.",
        labels=IN_MLOPS,
        value="1",
        after=1,
        firing=replicas(RELOADS.name, flat(0), rising((1, 1), (0, 89)), outcome="refused"),
        quiet=(
            replicas(RELOADS.name, flat(0), rising((1, 1), (0, 89)), outcome="swapped"),
            replicas(RELOADS.name, flat(0), flat(3), outcome="refused"),  # long ago
        ),
    ),
)
