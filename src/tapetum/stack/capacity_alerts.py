"""Alerts on what the service computes with: its workers, its queue, its GPUs."""

from tapetum.metrics import (
    DECODE_TIME,
    GPU_MEMORY_TOTAL,
    GPU_MEMORY_USED,
    GPU_TEMPERATURE,
    INFERENCE_TIME,
    QUEUE,
    QUEUE_LIMIT,
    SHED,
    WORKERS,
    WORKERS_REPLACED,
)
from tapetum.stack.alert import IN_MLOPS, REPLICAS, WHERE, WHO, Alert, Inputs, flat, replicas, requests, rising
from tapetum.stack.promql import REPLICA, SERVICE, asked, grown, rate, select

_SECOND = IN_MLOPS | {"instance": REPLICAS[1]}
_GPU = {"gpu": "0", "name": "L4", "uuid": "GPU-1"}
_BUSY = f"({rate(DECODE_TIME, '5m', suffix='_sum')} + {rate(INFERENCE_TIME, '5m', suffix='_sum')})"
_SHED = {"matchers": 'reason=~"overloaded|deadline-passed"'}


def _shed(answered: float, shed: float) -> Inputs:
    """Two replicas that answer and shed so many requests a minute each; as many callers hang up as are answered."""
    left = replicas(SHED.name, rising(answered), rising(answered), reason="client-gone")
    given_up = replicas(SHED.name, rising(shed), rising(shed), reason="overloaded")
    return requests(rising(answered), rising(shed)) | given_up | left


def _busy(inference_s: float) -> Inputs:
    """Two replicas of four workers, which decode for 60 s a minute and infer for so many."""
    return (
        replicas(f"{DECODE_TIME.name}_sum", rising(60), rising(60))
        | replicas(f"{INFERENCE_TIME.name}_sum", *[rising(inference_s)] * 2, engine="openvino", device="cpu")
        | replicas(WORKERS.name, flat(4), flat(4))
    )


def _queues(first: float, second: float) -> Inputs:
    return replicas(QUEUE.name, flat(first), flat(second)) | replicas(QUEUE_LIMIT.name, flat(64), flat(64))


def _gpu_memory(first: float, second: float) -> Inputs:
    return replicas(GPU_MEMORY_USED.name, flat(first), flat(second), **_GPU) | replicas(
        GPU_MEMORY_TOTAL.name, flat(24e9), flat(24e9), **_GPU
    )


ALERTS = (
    Alert(
        "HighPredictionRate",
        "warning",
        "More pictures come than the workers can take for long: they compute more than THRESHOLD of the time",
        f"{_BUSY} / (sum by ({SERVICE}) ({select(WORKERS)}) > 0)",
        ">",
        0.85,
        10,
        f"The workers of {WHERE} decoded and inferred for VALUE of the last 5 minutes.",
        unit="share",
        labels=IN_MLOPS,
        value="89.25%",
        after=5,
        firing=_busy(154.2),
        quiet=(_busy(133.8),),
    ),
    Alert(
        "RequestsShed",
        "warning",
        "More than THRESHOLD of requests were given up over 5 minutes: the queue was full, or their time had passed",
        f"{rate(SHED, '5m', **_SHED)} / {asked('5m')}",
        ">",
        0.01,
        5,
        f"{WHERE}: VALUE of requests were given up in the last 5 minutes.",
        guard=f"and {grown(SHED, '5m', **_SHED)} >= 3",
        unit="share",
        labels=IN_MLOPS,
        value="1.05%",
        after=2,
        firing=_shed(98.95, shed=1.05),
        quiet=(_shed(99.05, shed=0.95), _shed(0, shed=0.2)),
    ),
    Alert(
        "QueueFull",
        "warning",
        "More than THRESHOLD of a queue is taken",
        f"{select(QUEUE)} / {select(QUEUE_LIMIT)}",
        ">",
        0.8,
        2,
        f"VALUE of the places in the queue of {WHO} are taken; beyond all of them requests are refused.",
        unit="share",
        labels=_SECOND,
        value="81.25%",
        firing=_queues(20, 52),
        quiet=(_queues(20, 51),),
    ),
    Alert(
        "WorkersReplaced",
        "warning",
        "THRESHOLD or more workers were replaced within 30 minutes",
        grown(WORKERS_REPLACED, "30m", by=REPLICA),
        ">=",
        3,
        0,
        f"{WHO} replaced VALUE workers in the last 30 minutes: they died, took too long, or held too much memory.",
        labels=_SECOND,
        value="3",
        after=13,
        firing=replicas(WORKERS_REPLACED.name, flat(7), rising((0, 10), (1, 3), (0, 60))),
        quiet=(replicas(WORKERS_REPLACED.name, flat(7), rising((0, 10), (1, 2), (0, 60))),),
    ),
    Alert(
        "GpuHot",
        "warning",
        "A GPU is hotter than THRESHOLD",
        select(GPU_TEMPERATURE),
        ">",
        85.0,
        5,
        f"GPU {{{{ $labels.gpu }}}} ({{{{ $labels.name }}}}) of {WHO} has VALUE °C, where it soon slows itself down.",
        unit="celsius",
        labels=_SECOND | _GPU,
        value="86",
        firing=replicas(GPU_TEMPERATURE.name, flat(60), flat(86), **_GPU),
        quiet=(replicas(GPU_TEMPERATURE.name, flat(60), flat(84), **_GPU),),
    ),
    Alert(
        "GpuMemoryFull",
        "warning",
        "More than THRESHOLD of a GPU's memory is in use",
        f"{select(GPU_MEMORY_USED)} / {select(GPU_MEMORY_TOTAL)}",
        ">",
        0.95,
        10,
        f"GPU {{{{ $labels.gpu }}}} ({{{{ $labels.name }}}}) of {WHO} has VALUE of its memory in use.",
        unit="share",
        labels=_SECOND | _GPU,
        value="96%",
        firing=_gpu_memory(4e9, 23.04e9),
        quiet=(_gpu_memory(4e9, 22.56e9),),
    ),
)
