#!/usr/bin/env python3
"""Alerts at work: `status` lists the rules and what fires, `test` sends an alert the way real ones go.

Python's standard library only, so that it runs wherever make does.
"""

import argparse
import json
import sys
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

# Labels that say no more than the columns do.
SHOWN_ALREADY = {"alertname", "severity", "area", "topic"}


def main(arguments: list[str]) -> int:
    """0 where the servers answered, whatever fires; 1 with a line of what is wrong where one did not."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("action", choices=["status", "test"])
    parser.add_argument("--prometheus", default="http://localhost:9090")
    parser.add_argument("--alertmanager", default="http://localhost:9093")
    chosen = parser.parse_args(arguments)
    try:
        lines = status(chosen.prometheus) if chosen.action == "status" else test(chosen.alertmanager)
    except (OSError, ValueError) as error:
        print(f"{_reason(error)}: make monitoring-deploy or make monitoring-local starts it", file=sys.stderr)
        return 1
    print("\n".join(lines))
    return 0


def status(prometheus: str) -> list[str]:
    """Each alert with its state, and where it fires with which labels."""
    groups = _ask(f"{prometheus}/api/v1/rules?type=alert")["data"]["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    counts = {state: sum(rule["state"] == state for rule in rules) for state in ("firing", "pending")}
    failing = [rule for rule in rules if rule.get("lastError")]
    head = f"{len(rules)} alert rules: {counts['firing']} firing, {counts['pending']} pending, {len(failing)} failing"
    lines = [head]
    for rule in sorted(rules, key=lambda rule: (("firing", "pending").count(rule["state"]) == 0, rule["name"])):
        severity = rule["labels"].get("severity", "")
        lines.append(f"  {rule['state']:<9} {severity:<9} {rule['name']}")
        lines += [f"            {_where(alert)} since {alert['activeAt'][:19]}Z" for alert in rule["alerts"]]
    return lines + [f"{rule['name']}: {rule['lastError']}" for rule in failing]


def test(alertmanager: str) -> list[str]:
    """Hand Alertmanager an alert of five minutes, and see that it has it."""
    now = datetime.now(UTC)
    alert = {
        "labels": {"alertname": "TestAlert", "severity": "warning", "area": "monitoring"},
        "annotations": {
            "summary": "A test of the way from Alertmanager to you",
            "description": "Sent by make alerts-test; nothing is wrong.",
            "runbook_url": "docs/deploy.md#alerts",
        },
        "startsAt": now.isoformat(),
        "endsAt": (now + timedelta(minutes=5)).isoformat(),
    }
    _ask(f"{alertmanager}/api/v2/alerts", [alert])
    held = _ask(f"{alertmanager}/api/v2/alerts?filter=alertname%3DTestAlert")
    if not held:
        raise ValueError(f"{alertmanager} took the alert but does not list it")
    receivers = ", ".join(receiver["name"] for receiver in held[0]["receivers"])
    return [
        f"Alertmanager has TestAlert and sends it to: {receivers}.",
        "The mail comes once the group's time of waiting is over; its end is mailed after five minutes.",
        "No mail: make alertmanager-logs says why.",
    ]


def _ask(url: str, body: object = None) -> Any:
    """The JSON of an answer; None where it is empty."""
    sent = None if body is None else json.dumps(body).encode()
    request = Request(url, data=sent, headers={"Content-Type": "application/json"})  # noqa: S310 - the caller's address
    with urlopen(request, timeout=10) as answer:  # noqa: S310 - as above
        content = answer.read()
    return json.loads(content) if content.strip() else None


def _where(alert: dict[str, Any]) -> str:
    labels = {name: value for name, value in alert["labels"].items() if name not in SHOWN_ALREADY}
    return " ".join(f"{name}={value}" for name, value in labels.items()) or "everywhere"


def _reason(error: Exception) -> str:
    if isinstance(error, HTTPError):
        return f"{error.url} answered {error.code}"
    return f"no answer ({error.reason})" if isinstance(error, URLError) else str(error)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
