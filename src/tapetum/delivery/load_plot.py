"""Latency against load, as a picture."""

from collections.abc import Sequence
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from tapetum.delivery.bench import Load
from tapetum.evaluation.drawing import BLUE, GREEN, LINE, ORANGE, PURPLE, SOFT, picture

_SIZE = (7.6, 4.6)
_STYLES = {"p50": (BLUE, "o"), "p90": (GREEN, "s"), "p99": (ORANGE, "^"), "p99.9": (PURPLE, "D")}


def plot(loads: Sequence[Load], service: str, kind: Literal["svg", "png"]) -> bytes:
    """Quantiles of each load by how many requests it had answered in a second; open loops are lines."""

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        opened = sorted((load for load in loads if load.rate is not None), key=lambda load: load.rate or 0)
        closed = [load for load in loads if load.rate is None]
        for name in _STYLES:
            _line(axes, opened, name, "-", "full")
            _line(axes, closed, name, ":", "none")
        for load in closed:
            if (least := load.latency_ms["p50"]) is not None:
                axes.annotate(
                    f"{load.clients}",
                    (load.answered_per_s, least),
                    (-6, -13),
                    textcoords="offset points",
                    color=SOFT,
                    ha="right",
                    fontsize=9,
                )
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, place: f"{value:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.set(
            xlabel="Answers in a second; numbers are clients of a closed loop",
            ylabel="Latency in ms",
            title=f"Latency under load: {service}",
        )
        axes.set_xlim(left=0)
        axes.margins(y=0.12)
        axes.grid(color=LINE, which="both", linewidth=0.6)
        handles, labels = axes.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower left", ncols=4, frameon=False)

    return picture(f"latency of {service}", paint, _SIZE, kind)


def _line(axes: Axes, loads: Sequence[Load], name: str, dashes: str, fill: Literal["full", "none"]) -> None:
    """One quantile of loads of one shape; those of a closed loop are hollow."""
    found = [(load.answered_per_s, value) for load in loads if (value := load.latency_ms[name]) is not None]
    if found:
        colour, marker = _STYLES[name]
        shape = "open" if fill == "full" else "closed"
        axes.plot(
            *zip(*found, strict=True),
            color=colour,
            linestyle=dashes,
            marker=marker,
            fillstyle=fill,
            markersize=6,
            label=f"{name}, {shape}",
        )
