"""What a dashboard is made of, as data: limits, panels, rows, pages."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

from tapetum.stack.alerts import AREAS
from tapetum.stack.grafana.colours import BAD, BLUE, GOOD, WARN

Unit = Literal["short", "percentunit", "s", "reqps", "bytes", "Bps", "celsius", "watt", "suffix:/s", "none"]


@dataclass(frozen=True)
class Limits:
    """The colour of low values, and from which value on another one holds, lowest first."""

    base: str = BLUE
    steps: tuple[tuple[float, str], ...] = ()


PLAIN = Limits()
NONE_OF_IT = Limits(GOOD, ((1, BAD),))


def threshold(alert: str) -> float:
    """From which value on an alert fires, so that a panel turns its colour where it does; KeyError names no alert."""
    return {found.name: found.threshold for area in AREAS.values() for found in area}[alert]


def at_most(warn: float, bad: float) -> Limits:
    """Low is good."""
    return Limits(GOOD, ((warn, WARN), (bad, BAD)))


def at_least(bad: float, good: float) -> Limits:
    """High is good: bad below the first, of concern below the second."""
    return Limits(BAD, ((bad, WARN), (good, GOOD)))


@dataclass(frozen=True)
class Panel:
    """A panel, `width` of 24 columns wide.

    `queries` are PromQL by legend; a legend with labels, such as `{{pod}}`,
    can name many series. A `stat` shows one number as it is now,
    `bars` one for each query, a `chart` lines over time with its limits
    dashed. `words` stand for values, `runbook` names an alert that watches the
    same, `empty` says what it means that there is nothing.
    """

    kind: Literal["stat", "bars", "chart"]
    title: str
    description: str
    unit: Unit
    queries: Mapping[str, str]
    limits: Limits = PLAIN
    width: int = 8
    height: int = 8
    lowest: float | None = 0
    highest: float | None = None
    decimals: int | None = None
    is_stacked: bool = False
    words: tuple[tuple[float, str], ...] = ()
    runbook: str | None = None
    empty: str = "no data"


stat = partial(Panel, "stat", width=3, height=4)
bars = partial(Panel, "bars", unit="percentunit", highest=1, decimals=1)
chart = partial(Panel, "chart")


def one(expr: str) -> dict[str, str]:
    """The query of a panel that shows one number."""
    return {"value": expr}


@dataclass(frozen=True)
class Row:
    """Panels under a heading; a collapsed row asks nothing until it is opened."""

    title: str
    panels: tuple[Panel, ...]
    is_collapsed: bool = False


@dataclass(frozen=True)
class Variable:
    """A choice among the values of a label; `chosen` is a first choice, else all."""

    name: str
    label: str
    description: str
    query: str
    chosen: str = ""


@dataclass(frozen=True)
class Page:
    """One dashboard."""

    uid: str
    title: str
    description: str
    variables: Sequence[Variable]
    rows: Sequence[Row]
