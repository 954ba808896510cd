"""What Grafana makes of a dashboard before it asks Prometheus."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

DASHBOARDS = Path(__file__).parents[1] / "deploy" / "monitoring" / "grafana" / "dashboards"
ALL = ".*"  # how our variables say all; Grafana leaves such a value of one's own as it is

_VARIABLE = re.compile(r"\$(\w+)|\$\{(\w+)\}")
_LABEL = re.compile(r"{{\s*(\w+)\s*}}")


def boards() -> dict[str, dict[str, Any]]:
    """The committed dashboards by file name."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(DASHBOARDS.glob("*.json"))}


def panels(board: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """All panels of a dashboard, those in collapsed rows too, without the rows."""
    for panel in board["panels"]:
        yield from panel["panels"] if panel["type"] == "row" and panel["collapsed"] else [panel]


def queries() -> Iterator[str]:
    """Every query of every panel, annotation and variable, once."""
    found: dict[str, None] = {}
    for board in boards().values():
        found |= {
            target["expr"]: None for panel in panels(board) if panel["type"] != "row" for target in panel["targets"]
        }
        found |= {annotation["expr"]: None for annotation in board["annotations"]["list"]}
        found |= {series_of(variable["query"])[0]: None for variable in board["templating"]["list"]}
    yield from found


def series_of(query: str) -> tuple[str, str]:
    """The selector and the label of a variable's `label_values(…)`."""
    match = re.fullmatch(r"label_values\((.*), (\w+)\)", query)
    assert match, query
    return match[1], match[2]


def to_regex(values: list[str] | str) -> str:
    """Chosen values as they are put into a query: escaped for a regular expression within a string of PromQL."""
    if isinstance(values, str):
        return values
    escaped = [re.sub(r"[$^*{}\[\]'+?.()|]", r"\\\\\g<0>", value.replace("\\", "\\\\\\\\")) for value in values]
    return escaped[0] if len(escaped) == 1 else f"({'|'.join(escaped)})"


def interpolate(expr: str, choices: dict[str, str]) -> str:
    """A query with its variables filled in; one that nobody knows stays, and Prometheus will say so."""
    return _VARIABLE.sub(lambda match: choices.get(match[1] or match[2], match[0]), expr)


def legend(pattern: str, labels: dict[str, str]) -> str:
    """What a series is called."""
    return _LABEL.sub(lambda match: labels.get(match[1], ""), pattern)
