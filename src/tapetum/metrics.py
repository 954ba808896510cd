"""The catalogue of every exported series: names, kinds, units and labels as data."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Series:
    """One series as Prometheus sees it; `buckets` are the upper bounds of a histogram."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    unit: str
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


PREDICTIONS = Series(
    "predictions_total", "counter", "predictions", "Pictures answered with a class.", labels=("predicted_class",)
)
LATENCY = Series(
    "prediction_latency_seconds",
    "histogram",
    "seconds",
    "Time from a request's head to its answer, of pictures answered with a class.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
ERRORS = Series(
    "prediction_errors_total",
    "counter",
    "requests",
    "Prediction requests that the service failed to answer; a caller's bad picture is not counted.",
)

CATALOGUE = (PREDICTIONS, LATENCY, ERRORS)
