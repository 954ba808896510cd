"""The row of a challenger in the shadow of the served model."""

from tapetum.metrics import SHADOW_AGREED, SHADOW_COMPARED, SHADOW_SKIPPED, SHADOW_TIME
from tapetum.stack.grafana.panels import Row, chart
from tapetum.stack.grafana.queries import grown, quantile, ratio, total

_NO_CHALLENGER = "no challenger is asked"

SHADOW = Row(
    "Challenger",
    (
        chart(
            "Agreement",
            "Share of the pictures compared in the last hour that served model and challenger gave the same class. "
            "/shadow-report shows those that they disagree about.",
            "percentunit",
            {
                "the same class": ratio(
                    total(grown(SHADOW_AGREED, window="1h")), total(grown(SHADOW_COMPARED, window="1h"))
                )
            },
            lowest=None,
            highest=1,
            empty=_NO_CHALLENGER,
        ),
        chart(
            "Compared and Skipped",
            "Pictures of the last hour that were drawn for the challenger: compared, or skipped and why. What might "
            "slow an answer is skipped.",
            "short",
            {
                "compared": total(grown(SHADOW_COMPARED, window="1h")),
                "{{reason}}": total(grown(SHADOW_SKIPPED, window="1h"), by="reason"),
            },
            runbook="ChallengerDown",
            empty=_NO_CHALLENGER,
        ),
        chart(
            "Time of a Picture",
            "Time to decode and compute the same pictures, half and 95 % of them. What the challenger waited for "
            "others, to whom it gives way, is left out.",
            "s",
            {
                "{{role}} p50": quantile(0.5, SHADOW_TIME, by="role"),
                "{{role}} p95": quantile(0.95, SHADOW_TIME, by="role"),
            },
            empty=_NO_CHALLENGER,
        ),
    ),
)
