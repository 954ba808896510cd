"""From measurements to one table with ratios."""

import json
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

TAPETUM = "tapetum"
LIMIT = "limit"


@dataclass(frozen=True)
class Measured:
    """One server with so many clients in one round; latencies and processor time of a request are in milliseconds.

    `others` counts requests that were not answered 200; `generator` is the
    share of a core that asking took.
    """

    name: str
    round: int
    clients: int
    rate: float
    p50_ms: float | None
    p99_ms: float | None
    cpu_ms: float | None
    others: int
    generator: float | None


def resume(book: Path, facts: dict[str, object]) -> list[Measured]:
    """What was measured before under the same conditions, which stand in the first line."""
    if not book.exists():
        book.parent.mkdir(parents=True, exist_ok=True)
        book.write_text(json.dumps(facts) + "\n")
        return []
    first, *lines = book.read_text().splitlines()
    if json.loads(first) != facts:
        raise SystemExit(f"{book} was measured otherwise ({first}): remove it, or choose another --out")
    return [Measured(**json.loads(line)) for line in lines]


def write(out: Path, measured: Sequence[Measured], missing: dict[str, str], facts: dict[str, object]) -> None:
    """table.md for people, table.json for programs."""
    rows = [row for clients in sorted({each.clients for each in measured}) for row in _rows(measured, clients)]
    document = {"facts": facts, "rows": rows, "missing": missing, "measured": [asdict(each) for each in measured]}
    (out / "table.json").write_text(json.dumps(document, indent=1) + "\n")
    (out / "table.md").write_text(_markdown(rows, missing, facts))


def _rows(measured: Sequence[Measured], clients: int) -> list[dict[str, object]]:
    """One for each server, the fastest first; ratios are medians of those of each round."""
    found = [each for each in measured if each.clients == clients]
    names = sorted({each.name for each in found}, key=lambda name: -_median(found, name, lambda each: each.rate))
    return [
        {
            "clients": clients,
            "name": name,
            "rounds": len([each for each in found if each.name == name]),
            "rate": _spread(found, name, lambda each: each.rate),
            "p50_ms": _spread(found, name, lambda each: each.p50_ms),
            "p99_ms": _spread(found, name, lambda each: each.p99_ms),
            "cpu_ms": _spread(found, name, lambda each: each.cpu_ms),
            "tapetum_is_times": _ratio(found, TAPETUM, name),
            "share_of_limit": _ratio(found, name, LIMIT),
            "not_answered_200": sum(each.others for each in found if each.name == name),
        }
        for name in names
    ]


def _values(found: Sequence[Measured], name: str, of: Callable[[Measured], float | None]) -> list[float]:
    return [value for each in found if each.name == name and (value := of(each)) is not None]


def _median(found: Sequence[Measured], name: str, of: Callable[[Measured], float | None]) -> float:
    return statistics.median(_values(found, name, of))


def _spread(
    found: Sequence[Measured], name: str, of: Callable[[Measured], float | None]
) -> tuple[float, float, float] | None:
    """Median, minimum and maximum."""
    values = _values(found, name, of)
    return (statistics.median(values), min(values), max(values)) if values else None


def _ratio(found: Sequence[Measured], above: str, below: str) -> tuple[float, float, float] | None:
    """Median, minimum and maximum of the rounds' ratios of throughput."""
    rates = {(each.name, each.round): each.rate for each in found}
    rounds = [number for name, number in rates if name == below and rates[below, number] and (above, number) in rates]
    ratios = [rates[above, number] / rates[below, number] for number in rounds]
    return (statistics.median(ratios), min(ratios), max(ratios)) if ratios else None


def _markdown(rows: Sequence[dict[str, object]], missing: dict[str, str], facts: dict[str, object]) -> str:
    heads = (
        "clients",
        "server",
        "requests/s",
        "p50 ms",
        "p99 ms",
        "CPU ms",
        "Tapetum is",
        "of the limit",
        "not 200",
        "n",
    )
    lines = [
        f"{facts['pictures']} pictures of {facts['mean_bytes']} bytes, {facts['seconds']} s each; medians, "
        "in brackets minimum and maximum; ratios are those of each round.\n",
        f"| {' | '.join(heads)} |",
        f"|{'---|' * len(heads)}",
    ]
    for row in rows:
        cells = (
            row["clients"],
            row["name"],
            _cell(row["rate"], "{:.0f}"),
            _cell(row["p50_ms"], "{:.1f}"),
            _cell(row["p99_ms"], "{:.1f}"),
            _cell(row["cpu_ms"], "{:.1f}"),
            _cell(row["tapetum_is_times"], "{:.2f}×"),
            _cell(row["share_of_limit"], "{:.0%}"),
            row["not_answered_200"],
            row["rounds"],
        )
        lines.append(f"| {' | '.join(map(str, cells))} |")
    lines += [f"\nNot measured: {name}, which {reason}." for name, reason in missing.items()]
    lines.append(f"\nMachine: {facts['machine']}")
    return "\n".join(lines) + "\n"


def _cell(spread: object, style: str) -> str:
    if not isinstance(spread, tuple):
        return ""
    middle, low, high = (style.format(value) for value in spread)
    return f"{middle} ({low}–{high})"
