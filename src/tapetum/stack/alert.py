"""One alert as a datum: its rule, what it says, and series at which it must fire and must be quiet."""

from dataclasses import dataclass
from typing import Any, Literal

from tapetum.metrics import ERRORS, REQUESTS
from tapetum.stack.promql import SERVICE_JOB

Severity = Literal["critical", "warning", "ticket", "none"]
Inputs = dict[str, str]  # a series, and its values in promtool's notation, one for each step

# A fork that shows its pages elsewhere, such as https://example.com/docs/runbooks.md, says so here.
RUNBOOKS = "docs/runbooks.md"

# Of which service an alert speaks, and of which replica: a pod where there are pods.
WHERE = "{{ $labels.job }}{{ with $labels.namespace }} in {{ . }}{{ end }}"
WHO = "{{ or $labels.pod $labels.instance }}"


@dataclass(frozen=True)
class Alert:
    """Fires once `query` has been on the wrong side of `threshold`, where `guard` holds, for `hold` minutes.

    A threshold that is an int counts things. `when` is the summary; THRESHOLD
    in it, and in `guard`, is that number. `description` may use labels, and
    VALUE for what `query` gave, printed by `template`. With the series of
    `firing`, one value every `step` minutes, the rule holds from minute
    `after` on; then `labels` and `value` are what it says, as with those of
    `also_firing`. With each of `quiet` it does not fire in that minute, with
    each of `quiet_later` not at their end.
    """

    name: str
    severity: Severity
    when: str
    query: str
    bound: Literal[">", ">=", "<"]
    threshold: float
    hold: int
    description: str
    labels: dict[str, str]
    value: str
    firing: Inputs
    quiet: tuple[Inputs, ...]
    also_firing: tuple[Inputs, ...] = ()
    quiet_later: tuple[Inputs, ...] = ()
    guard: str = ""
    unit: Literal["share", "seconds", "celsius", "count"] = "count"
    topic: str = ""
    after: int = 0
    step: int = 1
    heading: str = ""

    @property
    def expr(self) -> str:
        """The rule in PromQL."""
        guard = f" {self.guard}" if self.guard else ""
        return f"{self.query} {self.bound} THRESHOLD{guard}".replace("THRESHOLD", f"{self.threshold:g}")

    @property
    def summary(self) -> str:
        """What is wrong, with the number and its unit."""
        return self.when.replace("THRESHOLD", _shown(self.threshold, self.unit))

    @property
    def runbook(self) -> str:
        """The heading in docs/runbooks.md."""
        return self.heading or self.name

    @property
    def at(self) -> int:
        """The first minute at which it fires with the series of `firing`."""
        return self.after + self.hold

    def to_rule(self, area: str) -> dict[str, Any]:
        """The rule as Prometheus reads it; `area` groups and routes."""
        template = {"share": "humanizePercentage", "seconds": "humanizeDuration"}.get(self.unit, 'printf "%.0f"')
        return {
            "alert": self.name,
            "expr": self.expr,
            **({"for": f"{self.hold}m"} if self.hold else {}),
            "labels": self.own_labels(area),
            "annotations": self.says(f"{{{{ $value | {template} }}}}"),
        }

    def own_labels(self, area: str) -> dict[str, str]:
        """The labels that the rule adds. Where two alerts share a topic, the critical one silences the warning."""
        return {"severity": self.severity, "area": area} | ({"topic": self.topic} if self.topic else {})

    def says(self, value: str) -> dict[str, str]:
        """The annotations, with `value` as the value."""
        return {
            "summary": self.summary,
            "description": self.description.replace("VALUE", value),
            "runbook_url": f"{RUNBOOKS}#{self.runbook.lower()}",
        }


def _shown(threshold: float, unit: str) -> str:
    number = f"{threshold * 100:.4g}" if unit == "share" else f"{threshold:g}"
    return number + {"share": " %", "seconds": " s", "celsius": " °C", "count": ""}[unit]


# Series for the proofs.


def flat(value: float, steps: int = 90) -> str:
    """A gauge that stays."""
    return f"{value:g}+0x{steps}"


def rising(*pieces: tuple[float, int] | float) -> str:
    """A counter that begins at 0 and grows by so much a step for so many steps; a number grows for 90."""
    values, reached = ["0"], 0.0
    for piece in pieces:
        growth, steps = piece if isinstance(piece, tuple) else (piece, 90)
        values.append(f"{reached + growth:g}+{growth:g}x{steps - 1}")
        reached += growth * steps
    return " ".join(values)


REPLICAS = ("10.0.0.1:8000", "10.0.0.2:8000")
IN_MLOPS = {"job": SERVICE_JOB, "namespace": "mlops"}


def replicas(name: str, first: str, second: str, /, **labels: str) -> Inputs:
    """One series of each of two replicas of the service."""
    return {
        series(name, **IN_MLOPS, instance=instance, **labels): values
        for instance, values in zip(REPLICAS, (first, second), strict=True)
    }


def requests(answered: str, failed: str) -> Inputs:
    """Two replicas that get requests for predictions; as many callers send something wrong as are answered."""
    statuses = {"200": answered, "503": failed, "415": answered}
    found = replicas(ERRORS.name, failed, failed)
    for status, values in statuses.items():
        found |= replicas(REQUESTS.name, values, values, method="POST", path="/predict", status=status)
    return found


def series(name: str, /, **labels: str) -> str:
    """A series as PromQL writes it."""
    chosen = ",".join(f'{label}="{value}"' for label, value in labels.items())
    return f"{name}{{{chosen}}}"
