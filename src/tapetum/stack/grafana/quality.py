"""Rows of the model's quality, as far as it shows without knowing the truth."""

from itertools import pairwise

from tapetum.metrics import (
    CONFIDENCE,
    DRIFT_FEATURES,
    DRIFT_FEATURES_THRESHOLD,
    DRIFT_PSI,
    DRIFT_PSI_THRESHOLD,
    ESTIMATED,
    ESTIMATED_HIGH,
    INFERENCE_TIME,
    LOW_CONFIDENCE,
    MARGIN,
    MODEL,
    PREDICTIONS,
    REFERENCE_ACCURACY,
    RELOADS,
    UNLIKE,
)
from tapetum.stack.grafana.colours import WARN
from tapetum.stack.grafana.panels import Limits, Row, at_least, at_most, bars, chart, one, stat, threshold
from tapetum.stack.grafana.queries import grown, mean, now, quantile, rate, ratio, total

_NOBODY = "nobody asks"
_NO_VERDICT = "no profile, or fewer than 500 predictions"
_ANSWERED = total(rate(PREDICTIONS, window="5m"))
_UNSURE = ratio(total(rate(LOW_CONFIDENCE, window="5m")), _ANSWERED)
_SEEN = total(grown(CONFIDENCE, suffix="_count"))


def _up_to(bound: float) -> str:
    return total(grown(CONFIDENCE, f'le="{bound}"', suffix="_bucket"))


def _bands(*bounds: float) -> dict[str, str]:
    """Shares of predictions between bounds of confidence that are buckets of its histogram."""
    first, last = bounds[0], bounds[-1]
    between = {
        f"{low:.0%} to {high:.0%}": ratio(f"({_up_to(high)} - {_up_to(low)})", _SEEN) for low, high in pairwise(bounds)
    }
    return {
        f"up to {first:.0%}": ratio(_up_to(first), _SEEN),
        **between,
        f"above {last:.0%}": ratio(f"({_SEEN} - {_up_to(last)})", _SEEN),
    }


NOW = Row(
    "Is the model sure of what it sees?",
    (
        stat(
            "Mean Confidence",
            "Mean probability of the predicted class in the last five minutes. Compare with the report of the run: it "
            "says what was usual on held-out pictures.",
            unit="percentunit",
            queries=one(mean(CONFIDENCE, window="5m")),
            limits=at_least(0.6, 0.75),
            width=6,
            decimals=1,
            runbook="LowConfidence",
            empty=_NOBODY,
        ),
        stat(
            "Median Margin",
            "Half of the predictions of the last five minutes were ahead of the next class by less than this.",
            unit="percentunit",
            queries=one(quantile(0.5, MARGIN, window="5m")),
            limits=at_least(0.2, 0.5),
            width=6,
            decimals=1,
            empty=_NOBODY,
        ),
        stat(
            "Low-confidence Share",
            "Share of predictions of the last five minutes that were less confident than TAPETUM_LOW_CONFIDENCE.",
            unit="percentunit",
            queries=one(_UNSURE),
            limits=at_most(threshold("LowConfidence"), 0.5),
            width=6,
            decimals=1,
            runbook="LowConfidence",
            empty=_NOBODY,
        ),
        stat(
            "Versions Served",
            "How many models and versions are served now. More than one is a rollout, or one that is stuck.",
            unit="none",
            queries=one(f"count(count by (name, version) ({now(MODEL)}))"),
            limits=at_most(2, 3),
            width=6,
            empty="no model",
        ),
    ),
)

CONFIDENCES = Row(
    "Confidence",
    (
        chart(
            "Confidence",
            "Probability of the predicted class: the mean, and below which value the least sure 10 % and 50 % of the "
            "predictions lie. A step down without a new version means other pictures.",
            "percentunit",
            {
                "p10": quantile(0.1, CONFIDENCE),
                "p50": quantile(0.5, CONFIDENCE),
                "mean": mean(CONFIDENCE),
            },
            lowest=None,
            highest=1,
            runbook="LowConfidence",
            empty=_NOBODY,
        ),
        chart(
            "Margin",
            "Probability of the predicted class minus that of the next: below which value the narrowest 10 % and 50 % "
            "of the predictions lie.",
            "percentunit",
            {"p10": quantile(0.1, MARGIN), "p50": quantile(0.5, MARGIN)},
            lowest=None,
            highest=1,
            empty=_NOBODY,
        ),
        bars(
            "How Sure",
            "Shares of the predictions in the time shown, by confidence.",
            queries=_bands(0.5, 0.7, 0.9, 0.95, 0.99),
            empty=_NOBODY,
        ),
    ),
)

CLASSES = Row(
    "Classes and speed",
    (
        chart(
            "Class Shares",
            "Share of each class among the answers. A shift says that other pictures come, or that the model sees them "
            "otherwise.",
            "percentunit",
            {
                "{{predicted_class}}": f"{total(rate(PREDICTIONS), by='predicted_class')} "
                f"/ ignoring (predicted_class) group_left () ({total(rate(PREDICTIONS))} > 0)"
            },
            width=6,
            highest=1,
            is_stacked=True,
            runbook="SkewedClasses",
            empty=_NOBODY,
        ),
        chart(
            "Low-confidence Share",
            "Share of the predictions that were less confident than TAPETUM_LOW_CONFIDENCE.",
            "percentunit",
            {"unsure": ratio(total(rate(LOW_CONFIDENCE)), total(rate(PREDICTIONS)))},
            width=6,
            limits=Limits(steps=((threshold("LowConfidence"), WARN),)),
            runbook="LowConfidence",
            empty=_NOBODY,
        ),
        chart(
            "Inference p95",
            "Time in the model for one picture, 95 % of them, by engine and device.",
            "s",
            {"{{engine}} on {{device}}": quantile(0.95, INFERENCE_TIME, by="engine, device")},
            width=6,
            empty=_NOBODY,
        ),
        chart(
            "Reloads",
            "Reloads in ten minutes: swapped for the new bundle, or refused, and the model of before goes on.",
            "none",
            {"{{outcome}}": f"round({total(grown(RELOADS, window='10m'), by='outcome')})"},
            width=6,
            decimals=0,
            runbook="ReloadRefused",
        ),
    ),
)

DRIFT_ROW = Row(
    "Drift, and quality without labels",
    (
        chart(
            "Drift",
            "How many times farther than its threshold each statistic of the last predictions lies from the profile of "
            "the bundle, in the worst replica. Above 1 it has drifted.",
            "none",
            {
                "{{statistic}}": f"max by (statistic) ({now(DRIFT_PSI)} / {now(DRIFT_PSI_THRESHOLD)})",
                "features": f"max({now(DRIFT_FEATURES)} / {now(DRIFT_FEATURES_THRESHOLD)})",
            },
            limits=Limits(steps=((1, WARN),)),
            runbook="Drift",
            empty=_NO_VERDICT,
        ),
        chart(
            "Estimated Accuracy",
            "Share of right answers among the last predictions as confidence tells it, with its upper bound, and "
            "that of the profile, in the worst replica. Where confidence tells nothing there is the bound alone.",
            "percentunit",
            {
                "estimated": f"min({now(ESTIMATED)})",
                "at most": f"min({now(ESTIMATED_HIGH)})",
                "in the profile": f"min({now(REFERENCE_ACCURACY)})",
            },
            lowest=None,
            highest=1,
            runbook="AccuracyLoss",
            empty=_NO_VERDICT,
        ),
        chart(
            "Unlike the Training Data",
            "Share of the pictures that are unlike those of training; of the profile one in a hundred is.",
            "percentunit",
            {"unlike": ratio(total(rate(UNLIKE)), total(rate(PREDICTIONS)))},
            runbook="Drift",
            empty=_NOBODY,
        ),
    ),
)
