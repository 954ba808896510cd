"""The row of the model's quality by what people say of answers."""

from tapetum import metrics
from tapetum.stack.grafana.panels import Row, chart
from tapetum.stack.grafana.queries import grown, now, ratio, total

_NO_JUDGE = "nobody has judged an answer"
_RIGHT = now(metrics.JUDGED, 'outcome="right"')

FEEDBACK = Row(
    "By feedback",
    (
        chart(
            "Accuracy",
            "Share of the last 1,000 answers of each replica that people judged and called right, beside that of the "
            "test part and what is estimated without them. Who speaks up decides what it is of: mistakes are told of "
            "sooner.",
            "percentunit",
            {
                "realised": ratio(total(_RIGHT), total(now(metrics.JUDGED))),
                "estimated": f"min({now(metrics.ESTIMATED)})",
                "on the test part": f"min({now(metrics.TEST_ACCURACY)})",
            },
            lowest=None,
            highest=1,
            runbook="RealisedAccuracyLow",
            empty=_NO_JUDGE,
        ),
        chart(
            "Accuracy by Class",
            "The same of the answers with each class: how often the model is right when it says so, by what people "
            "judged and as estimated.",
            "percentunit",
            {
                "{{predicted_class}}": ratio(
                    total(_RIGHT, by="predicted_class"), total(now(metrics.JUDGED), by="predicted_class")
                ),
                "{{predicted_class}}, estimated": f"min by (predicted_class) ({now(metrics.ESTIMATED_CLASS)})",
            },
            lowest=None,
            highest=1,
            runbook="RealisedAccuracyLow",
            empty=_NO_JUDGE,
        ),
        chart(
            "Words and Kept Pictures",
            "Answers that people called right or wrong in the last hour, and served pictures that are kept.",
            "short",
            {
                "{{outcome}}": total(grown(metrics.FEEDBACK, window="1h"), by="outcome"),
                "kept pictures": total(now(metrics.KEPT)),
            },
            empty="no service",
        ),
    ),
)
