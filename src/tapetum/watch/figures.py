"""What a window tells of its requests and pictures; None stands where there is nothing to measure."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer

Number = Annotated[float, PlainSerializer(lambda value: round(value, 4), return_type=float)]
Verdict = Literal["healthy", "degraded", "unhealthy", "idle"]

_RATE = "a second, over the time that the window covers, or one slot of it where that is longer."


class Figures(BaseModel):
    """Facts that are measured, not changed."""

    model_config = ConfigDict(frozen=True)


class Spread(Figures):
    """How a time in milliseconds or a size in bytes is spread; mean and max are exact, percentiles within 2 %."""

    mean: Number
    p50: Number = Field(description="Half of the values are at most this.")
    p95: Number
    p99: Number
    max: Number


class ShareSpread(Figures):
    """How a share from 0 to 1 is spread; mean and min are exact, percentiles within 0.0025."""

    mean: Number
    min: Number
    p5: Number = Field(description="One in twenty is at most this.")
    p50: Number
    p95: Number


class Bin(Figures):
    """How many values lie from `low` up to, without it, `high`; the last bin holds 1 too."""

    low: float
    high: float
    count: int


class Traffic(Figures):
    """Requests and their answers."""

    requests: int = Field(description="Requests whose answer has ended.")
    requests_per_s: Number = Field(description=f"Requests {_RATE}")
    errors: int = Field(description="Requests that the service failed to answer: status 500 and above.")
    error_rate: Number | None = Field(description="Errors by requests, 0 to 1.")
    client_errors: int = Field(description="Requests that the caller must change: status 400 to 499.")
    client_error_rate: Number | None = Field(description="Client errors by requests, 0 to 1.")
    statuses: dict[int, int] = Field(description="Requests by status.")
    problems: dict[str, int] = Field(description="Requests by the last word of the type of their problem.")
    latency_ms: Spread | None = Field(description="From a request's head to the end of its answer, in milliseconds.")
    request_bytes: Spread | None = Field(description="Bytes of a request's body.")
    response_bytes: Spread | None = Field(description="Bytes of an answer's body.")


class ApiFigures(Traffic):
    """Requests of the window; what watches the service, such as probes, is in `endpoints` only."""

    window_s: Number = Field(description="Length of the window, in seconds.")
    covered_s: Number = Field(description="How far back the figures reach, in seconds; less after the start.")
    endpoints: dict[str, Traffic] = Field(description="The same by route; `other` is what fits none.")


class ClassShare(Figures):
    """How often a class was predicted."""

    count: int
    share: Number | None = Field(description="Count by predictions, 0 to 1.")


class Health(Figures):
    """A judgement of the model by its window."""

    verdict: Verdict = Field(description="idle: no picture came; unhealthy: most fail, or none can be answered.")
    reasons: list[str] = Field(description="Why, in words; empty where all is well.")


class ModelFigures(Figures):
    """Pictures of the window, and what the model said of them."""

    window_s: Number = Field(description="Length of the window, in seconds.")
    covered_s: Number = Field(description="How far back the figures reach, in seconds; less after the start.")
    predictions: int = Field(description="Pictures answered with a class.")
    predictions_per_s: Number = Field(description=f"Predictions {_RATE}")
    failures: int = Field(description="Pictures that the service failed to answer: status 500 and above.")
    failure_rate: Number | None = Field(description="Failures by predictions and failures, 0 to 1.")
    refusals: int = Field(description="Pictures that the caller must change, such as broken ones.")
    inference_ms: Spread | None = Field(description="Time in the model, for one picture, in milliseconds.")
    decode_ms: Spread | None = Field(description="Time to decode and resize a picture, in milliseconds.")
    queue_ms: Spread | None = Field(description="Time that a predicted picture waited for a worker, in milliseconds.")
    confidence: ShareSpread | None = Field(description="Probability of the predicted class, 0 to 1.")
    confidence_histogram: list[Bin] = Field(description="Predictions by their confidence, in tenths.")
    margin: ShareSpread | None = Field(description="Probability of the predicted class minus that of the next.")
    low_confidence_below: float = Field(description="TAPETUM_LOW_CONFIDENCE.")
    low_confidence: int = Field(description="Predictions less confident than that.")
    low_confidence_share: Number | None = Field(description="Those by predictions, 0 to 1.")
    classes: dict[str, ClassShare] = Field(description="Predictions by class, those never predicted too.")
    health: Health
