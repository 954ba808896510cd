"""Rule files of Prometheus, and the tests of their alerts that promtool runs."""

import re
from typing import Any

import yaml

from tapetum.stack import recording
from tapetum.stack.alert import Alert, Inputs
from tapetum.stack.alerts import AREAS
from tapetum.stack.recording import Recording

FOLDER = "deploy/monitoring/rules"
_WRITTEN = "# Written by `make stack` from src/tapetum/stack/; do not edit.\n"

# What is recorded comes before what is asked of it.
_RECORDED: dict[str, dict[str, tuple[Recording, ...]]] = {
    "tapetum": {"tapetum.recorded": recording.SERVICE},
    "kubernetes": {},
    "node": {"node.recorded": recording.NODE},
}
_ALERTING = {"tapetum": ("service", "model", "monitoring"), "kubernetes": ("kubernetes",), "node": ("node",)}
NAMES = tuple(_ALERTING)


def groups(name: str) -> list[dict[str, Any]]:
    """The groups of one rule file."""
    recorded = [
        {"name": group, "rules": [{"record": rule.name, "expr": rule.expr} for rule in rules]}
        for group, rules in _RECORDED[name].items()
    ]
    return recorded + [
        {"name": area, "rules": [alert.to_rule(area) for alert in AREAS[area]]} for area in _ALERTING[name]
    ]


def rule_file(name: str) -> str:
    """The rule file, as text."""
    return to_yaml({"groups": groups(name)})


def steps(name: str) -> list[int]:
    """How finely the proofs of a rule file count, in minutes; promtool wants a file for each."""
    return sorted({alert.step for area in _ALERTING[name] for alert in AREAS[area]})


def test_path(name: str, step: int) -> str:
    """Where a file of tests belongs."""
    return f"{FOLDER}/tests/{name}{'' if step == 1 else f'-{step}m'}.test.yml"


def test_file(name: str, step: int) -> str:
    """The proofs of a rule file's alerts that count in steps of so many minutes, as text."""
    tests = [
        test for area in _ALERTING[name] for alert in AREAS[area] if alert.step == step for test in proofs(alert, area)
    ]
    return to_yaml(
        {
            "rule_files": [f"../{name}.rules.yml"],
            "evaluation_interval": f"{step}m",
            "group_eval_order": [group["name"] for group in groups(name)],
            "tests": tests,
        }
    )


def proofs(alert: Alert, area: str) -> list[dict[str, Any]]:
    """The tests of one alert: not a step before it should fire, then with all that it says; and never when quiet."""
    texts = {name: _filled(text, alert.labels) for name, text in alert.says(alert.value).items()}
    fires = {"exp_labels": alert.labels | alert.own_labels(area), "exp_annotations": texts}
    found = []
    for number, inputs in enumerate((alert.firing, *alert.also_firing)):
        before = [_expectation(alert, alert.at - alert.step)] if alert.at else []
        found.append(
            _test(f"{alert.name} fires {number + 1}", alert, inputs, [*before, _expectation(alert, alert.at, fires)])
        )
    ends = [(inputs, alert.at) for inputs in alert.quiet] + [
        (inputs, alert.step * _length(inputs)) for inputs in alert.quiet_later
    ]
    for number, (inputs, end) in enumerate(ends):
        found.append(_test(f"{alert.name} is quiet {number + 1}", alert, inputs, [_expectation(alert, end)]))
    return found


def _length(inputs: Inputs) -> int:
    """The steps of the longest series."""
    return max(sum(int(piece.partition("x")[2] or 0) + 1 for piece in values.split()) for values in inputs.values()) - 1


def _filled(text: str, labels: dict[str, str]) -> str:
    """What Prometheus makes of the templates that our texts use."""
    text = re.sub(
        r"\{\{ with \$labels\.(\w+) \}\} in \{\{ \. \}\}\{\{ end \}\}",
        lambda found: f" in {labels[found[1]]}" if found[1] in labels else "",
        text,
    )
    text = re.sub(r"\{\{ or \$labels\.(\w+) \$labels\.(\w+) \}\}", lambda m: labels.get(m[1]) or labels[m[2]], text)
    return re.sub(r"\{\{ \$labels\.(\w+) \}\}", lambda found: labels[found[1]], text)


def _test(name: str, alert: Alert, inputs: Inputs, expectations: list[dict[str, Any]]) -> dict[str, Any]:
    series = [{"series": series, "values": values} for series, values in inputs.items()]
    return {"name": name, "interval": f"{alert.step}m", "input_series": series, "alert_rule_test": expectations}


def _expectation(alert: Alert, minute: int, *fires: dict[str, Any]) -> dict[str, Any]:
    return {"eval_time": f"{minute}m", "alertname": alert.name, "exp_alerts": list(fires)}


def to_yaml(content: dict[str, Any]) -> str:
    """YAML that says where it comes from."""
    return _WRITTEN + yaml.dump(content, Dumper=_Dumper, sort_keys=False, width=10_000, allow_unicode=True)


class _Dumper(yaml.SafeDumper):
    """Without anchors: what is said twice is written twice."""

    def ignore_aliases(self, data: Any) -> bool:
        return True
