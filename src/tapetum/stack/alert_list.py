"""The page docs/alerts.md: objectives and alerts in tables."""

from tapetum.stack.alert import Alert
from tapetum.stack.alerts import AREAS
from tapetum.stack.slo import BURNS, OBJECTIVES, Objective

_HEAD = """# Alerts

Written by `make stack` from `src/tapetum/stack/`; do not edit. [How the parts fit](monitoring.md).

`critical` means that somebody should look now, `warning` that somebody should look today, `ticket` that it can wait for
a free hour of the week. Each name leads to what it means and what to do. Every one is tested by `promtool` on both
sides of its threshold, with two instances. [Why these conditions](monitoring.md#why-these-conditions).

## Objectives

| objective | within 30 days | may go wrong |
|---|---|---|
"""


def page() -> str:
    """The page as Markdown."""
    factors = ", ".join(f"{burn.factor:g} × over {burn.long} and {burn.short}" for burn in BURNS)
    burning = f"\nAn alert fires where the budget is spent too fast over two windows: {factors}.\n"
    sections = [f"\n## {area.capitalize()}\n\n{_TABLE}{''.join(map(_row, alerts))}" for area, alerts in AREAS.items()]
    return _HEAD + "".join(map(_objective, OBJECTIVES)) + burning + "".join(sections)


_TABLE = "| alert | fires when | for | severity |\n|---|---|---|---|\n"


def _objective(objective: Objective) -> str:
    return f"| {objective.topic} | {objective.goal * 100:g} % {objective.promise} | {objective.budget * 100:g} % |\n"


def _row(alert: Alert) -> str:
    link = f"[`{alert.name}`](runbooks.md#{alert.runbook.lower()})"
    return f"| {link} | {alert.summary} | {f'{alert.hold} min' if alert.hold else ''} | {alert.severity} |\n"
