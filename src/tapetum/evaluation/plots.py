"""What the plots of an evaluation show."""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tapetum import curves
from tapetum.curves import Curve
from tapetum.evaluation.drawing import (
    BLUE,
    GOLD,
    GREEN,
    INK,
    LINE,
    ORANGE,
    PURPLE,
    SOFT,
    WIDTH_IN,
    Plot,
    draw,
    in_percent,
    short,
)
from tapetum.scores import Reliability, Scores

DrawStyle = Literal["default", "steps-pre"]

MOST_CURVES = 5  # more are not told apart
MOST_BARS = 30
MOST_NAMED = 30  # rows of a confusion matrix that still have room for a label
MOST_COUNTED = 12  # and for a count and a share in each cell

_LINES = tuple(zip((ORANGE, BLUE, GREEN, PURPLE, GOLD), ("-", "--", "-.", ":", (0, (6, 1, 1, 1))), strict=True))


def confusion(scores: Scores) -> Plot:
    """Which class is taken for which, row by row."""
    counts = np.array(scores.confusion)
    labels, size = list(scores.classes), len(counts)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        pixels = np.zeros((size, size, 4))
        pixels[..., :3] = [int(BLUE[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        pixels[..., 3] = 0.75 * np.sqrt(shares)  # a small share, too, should be seen
        first = 0 if size <= MOST_NAMED else 1
        edges = (first - 0.5, first + size - 0.5)
        axes.imshow(pixels, interpolation="none", extent=(*edges, *edges[::-1]))
        axes.set(xlabel="Answer", ylabel="True class")
        axes.spines[["top", "right"]].set_visible(True)
        if size <= MOST_NAMED:
            axes.set_xticks(
                range(size),
                [short(label) for label in labels],
                rotation=0 if size < 4 or max(map(len, labels)) < 3 else 90,
            )
            axes.set_yticks(range(size), [short(label) for label in labels])
            axes.set_xticks(np.arange(0.5, size - 1), minor=True)
            axes.set_yticks(np.arange(0.5, size - 1), minor=True)
            axes.grid(which="minor", color=LINE, linewidth=0.6)
            axes.tick_params(length=0, which="both")
            for row, column in np.argwhere(counts):
                share = f"\n{shares[row, column]:.0%}" if size <= MOST_COUNTED else ""
                text = f"{counts[row, column]:,}{share}"
                axes.text(column, row, text, ha="center", va="center", fontsize=11 if size <= 6 else 8)
        else:
            axes.set(xlabel="Answer, by number in the table of classes", ylabel="True class, by its number")

    width = WIDTH_IN if size < 4 else 7.6
    shown = "Counts, and shares of the true class" if size <= MOST_COUNTED else "Counts"
    reading = shown if size <= MOST_NAMED else "Shares of the true class"
    return draw(
        "Confusion matrix",
        f"{reading}: the fuller the colour, the larger the share.",
        f"Confusion matrix of {size} classes: {int(np.trace(counts)):,} of {counts.sum():,} answers on the diagonal.",
        paint,
        (width, 0.8 * width if size < 4 else 0.93 * width),
    )


def recalls(scores: Scores) -> Plot:
    """The recall of each class with its interval, the weakest on top."""
    ranked = sorted(
        ((label, entry) for label, entry in scores.classes.items() if entry.samples),
        key=lambda item: (item[1].recall.value, item[0]),
    )
    shown = ranked[:MOST_BARS]

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        rows = np.arange(len(shown))
        found = np.array([(entry.recall.value, entry.recall.low, entry.recall.high) for _, entry in shown])
        axes.hlines(rows, found[:, 1], found[:, 2], color=BLUE, linewidth=2)
        axes.plot(found[:, 0], rows, "o", color=BLUE, markersize=6)
        axes.set_yticks(rows, [f"{short(label)} ({entry.samples:,})" for label, entry in shown])
        axes.set(xlabel="Recall, with its 95 % interval", ylabel="Class (pictures)", ylim=(len(shown) - 0.4, -0.6))
        in_percent(axes.xaxis)
        lowest = max(0.0, found[:, 1].min() - 0.05)
        axes.set_xlim(lowest, 1.02)
        axes.set_xticks([tick for tick in axes.get_xticks() if lowest <= tick <= 1])
        axes.grid(axis="x", color=LINE)

    hidden = f" The {MOST_BARS} weakest of {len(ranked)}." if len(ranked) > MOST_BARS else ""
    weakest = f"{short(shown[0][0])} at {shown[0][1].recall.value:.1%}"
    return draw(
        "Recall of each class",
        f"Share of a class's pictures that was answered rightly.{hidden}",
        f"Recall of each class, the lowest is that of {weakest}.",
        paint,
        (WIDTH_IN, max(2.4, 0.9 + 0.24 * len(shown))),
    )


def roc(by_class: Mapping[str, Curve], shown: Sequence[str]) -> Plot:
    """Hits against false alarms of the classes `shown`, and the mean of all."""
    mean = curves.mean_roc(list(by_class.values()))

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        axes.plot([0, 1], [0, 1], ":", color=SOFT, linewidth=1)
        axes.set(xlabel="False alarms", ylabel="Hits (recall)")
        _curves(axes, by_class, shown, mean)
        figure.legend(loc="outside lower left", title="Area under the curve", alignment="left")

    alt = f"ROC: the mean area under the curve is {mean.area:.4f}."
    return draw("ROC", _reading(by_class, shown), alt, paint, (WIDTH_IN, 5.6))


def precision_recall(by_class: Mapping[str, Curve], shown: Sequence[str]) -> Plot:
    """Precision against recall of the classes `shown`, and the mean of all."""
    mean = curves.mean_precision_recall(list(by_class.values()))

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        axes.set(xlabel="Recall", ylabel="Precision")
        _curves(axes, by_class, shown, mean, drawstyle="steps-pre")
        figure.legend(loc="outside lower left", title="Average precision", alignment="left")

    alt = f"Precision and recall: the mean of the average precisions is {mean.area:.4f}."
    return draw("Precision and recall", _reading(by_class, shown), alt, paint, (WIDTH_IN, 5.6))


def reliability(title: str, found: Reliability) -> Plot:
    """Whether answers are right as often as they claim, and how many claim what."""

    def paint(figure: Figure) -> None:
        axes, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        full = found.samples > 0
        axes.plot([0, 1], [0, 1], ":", color=SOFT)
        axes.vlines(found.confidence[full], found.confidence[full], found.accuracy[full], color=ORANGE, linewidth=2)
        shares = found.samples / found.samples.sum()
        axes.scatter(found.confidence[full], found.accuracy[full], 8 + 90 * shares[full], BLUE, zorder=3)
        axes.set_title(f"Calibration error {found.error:.4f}", loc="left", color=INK)
        axes.set(ylabel="Share of right answers", xlim=(-0.01, 1.02), ylim=(-0.02, 1.04))
        axes.grid(color=LINE)
        edges = np.linspace(0, 1, len(found.samples) + 1)
        below.stairs(shares, edges, fill=True, color=BLUE)
        below.set(xlabel="Confidence", ylabel="Answers")
        for axis in (axes.xaxis, axes.yaxis, below.yaxis):
            in_percent(axis)

    return draw(
        title,
        "A dot below the dotted line claims too much, one above it too little; the orange line is the gap. "
        "A small dot stands for few answers. Below, how many answers had that confidence.",
        f"Reliability diagram, {title.lower()}: calibration error {found.error:.4f}.",
        paint,
        (WIDTH_IN, 4.6),
    )


def confidence(confidences: np.ndarray, is_right: np.ndarray) -> Plot:
    """How sure right and wrong answers were; both arguments are (N,)."""
    groups = {"right": (confidences[is_right], BLUE, "-"), "wrong": (confidences[~is_right], ORANGE, "--")}

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        edges = np.linspace(0, 1, 21)
        for name, (values, colour, dashes) in groups.items():
            if len(values):
                shares = np.histogram(values, edges)[0] / len(values)
                axes.stairs(shares, edges, fill=True, color=colour, alpha=0.25)
                axes.stairs(
                    shares, edges, color=colour, linewidth=1.8, linestyle=dashes, label=f"{name}: {len(values):,}"
                )
        axes.set(xlabel="Confidence", ylabel="Share of the group", xlim=(0, 1))
        for axis in (axes.xaxis, axes.yaxis):
            in_percent(axis)
        axes.grid(axis="y", color=LINE)
        axes.legend(loc="upper left", title="Answers", alignment="left")

    means = ", ".join(f"{name} answers {values.mean():.1%}" for name, (values, _, _) in groups.items() if len(values))
    return draw(
        "Confidence of right and wrong answers",
        "After temperature scaling. Each group adds up to 100 %.",
        f"Histogram of confidence. Mean confidence: {means}.",
        paint,
    )


def _reading(by_class: Mapping[str, Curve], shown: Sequence[str]) -> str:
    hidden = f" The {len(shown)} worst of {len(by_class)}, and the mean." if len(shown) < len(by_class) else ""
    return f"Each class against all others, at every threshold.{hidden}"


def _curves(
    axes: Axes, by_class: Mapping[str, Curve], shown: Sequence[str], mean: Curve, drawstyle: DrawStyle = "default"
) -> None:
    """A line for each class, in the same colour in all plots; of two classes the mean tells nothing."""
    if len(by_class) > 2:
        axes.plot(mean.x, mean.y, color=INK, linewidth=2.6, label=f"{mean.area:.4f} mean of all {len(by_class)}")
    for label, (colour, dashes) in zip(shown, _LINES, strict=False):
        x, y, area = by_class[label]
        line = axes.plot(x, y, color=colour, linestyle=dashes, linewidth=1.5, label=f"{area:.4f} {short(label)}")
        line[0].set_drawstyle(drawstyle)
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.02))
    for axis in (axes.xaxis, axes.yaxis):
        in_percent(axis)
    axes.grid(color=LINE)
