"""Scores as Markdown tables that read well as plain text: on the terminal, in scores.txt, in the model card."""

from collections.abc import Mapping, Sequence

from tapetum.bundle import Precision
from tapetum.scores import Interval, Scores

SCORES = ("accuracy", "precision", "recall", "f1", "log_loss", "calibration_error")


def report(scores: Mapping[Precision, Scores]) -> str:
    """All tables of an evaluation, by precision of the arithmetic."""
    by_class = next(iter(scores.values()))
    return "\n\n".join((scores_table(scores), classes_table(by_class), confusion_table(by_class))) + "\n"


def values(scores: Mapping[Precision, Scores]) -> dict[str, dict[str, float]]:
    """The scores alone, by precision and name."""
    return {precision: {name: getattr(entry, name).value for name in SCORES} for precision, entry in scores.items()}


def scores_table(scores: Mapping[Precision, Scores]) -> str:
    """One row a score, one column a precision, each with its 95 % interval."""
    rows = [[name.replace("_", " "), *(_bounds(getattr(entry, name)) for entry in scores.values())] for name in SCORES]
    return table(["score", *scores], rows)


def classes_table(scores: Scores) -> str:
    """One row a class."""
    rows = [
        [label, *map(_bounds, (entry.precision, entry.recall, entry.f1)), str(entry.samples)]
        for label, entry in scores.classes.items()
    ]
    return table(["class", "precision", "recall", "f1", "pictures"], rows)


def confusion_table(scores: Scores) -> str:
    """One row a true class, one column an answer."""
    labels = list(scores.classes)
    rows = [[label, *map(str, counts)] for label, counts in zip(labels, scores.confusion, strict=True)]
    return table(["true class", *(f"→ {label}" for label in labels)], rows)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table with aligned columns, the first to the left and the others to the right."""
    head, *rows = ([cell.replace("|", r"\|") for cell in row] for row in (head, *rows))
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        first, *others = zip(cells, widths, strict=True)
        return "| " + " | ".join([first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]) + " |"

    rule = "|" + "|".join(["-" * (widths[0] + 2), *("-" * (width + 1) + ":" for width in widths[1:])]) + "|"
    return "\n".join([line(head), rule, *map(line, rows)])


def _bounds(interval: Interval) -> str:
    return f"{interval.value:.4f} [{interval.low:.4f}, {interval.high:.4f}]"
