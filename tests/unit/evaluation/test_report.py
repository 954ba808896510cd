"""Tables read well as plain text and hold every figure."""

import numpy as np
import pytest

from tapetum.evaluation.report import classes_table, confusion_table, report, scores_table, table
from tapetum.scores import Scores, score

LABELS = ("cat", "a longer label")


def scored(wrong: int) -> Scores:
    """Scores of 40 cats, `wrong` of them taken for the other, and of 10 others, all right."""
    truth = np.repeat([0, 1], [40, 10])
    answers = np.where(np.arange(50) < wrong, 1, truth)
    return score(np.eye(2)[answers] * 0.8 + 0.1, truth, LABELS)


def cells(markdown: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in markdown.splitlines()]


@pytest.mark.parametrize(
    "markdown",
    [scores_table({"fp32": scored(4), "bf16": scored(5)}), classes_table(scored(4)), confusion_table(scored(4))],
    ids=["scores", "classes", "confusion"],
)
def test_columns_are_aligned(markdown):
    """Every bar stands below the one above it."""
    lines = markdown.splitlines()

    bars = {tuple(place for place, letter in enumerate(line) if letter == "|") for line in lines}
    assert len(lines) > 2
    assert len(bars) == 1


def test_a_table_is_markdown_with_text_left_and_figures_right():
    assert table(["name", "n"], [["cat", "1"], ["a mouse", "12"]]).splitlines() == [
        "| name    |  n |",
        "|---------|---:|",
        "| cat     |  1 |",
        "| a mouse | 12 |",
    ]


def test_a_bar_in_a_name_does_not_end_its_cell():
    assert table(["a|b", "n"], [["|", "1"]]).splitlines() == [r"| a\|b | n |", "|------|--:|", r"| \|   | 1 |"]


def test_scores_stand_with_their_intervals_by_precision():
    one, two = scored(4), scored(5)

    head, _, *rows = cells(scores_table({"fp32": one, "bf16": two}))

    assert head == ["score", "fp32", "bf16"]
    assert [row[0] for row in rows] == ["accuracy", "precision", "recall", "f1", "log loss", "calibration error"]
    for interval, cell in ((one.accuracy, rows[0][1]), (two.accuracy, rows[0][2]), (two.log_loss, rows[4][2])):
        assert cell == f"{interval.value:.4f} [{interval.low:.4f}, {interval.high:.4f}]"


def test_classes_stand_with_their_shares_and_counts():
    scores = scored(4)
    head, _, *rows = cells(classes_table(scores))

    assert head == ["class", "precision", "recall", "f1", "pictures"]
    assert [[row[0], *(cell.split()[0] for cell in row[1:])] for row in rows] == [
        ["cat", "1.0000", "0.9000", "0.9474", "40"],
        ["a longer label", "0.7143", "1.0000", "0.8333", "10"],
    ]
    recall = scores.classes["cat"].recall
    assert rows[0][2] == f"0.9000 [{recall.low:.4f}, {recall.high:.4f}]"


def test_the_confusion_has_true_classes_in_rows_and_answers_in_columns():
    head, _, *rows = cells(confusion_table(scored(4)))

    assert head == ["true class", "→ cat", "→ a longer label"]
    assert rows == [["cat", "36", "4"], ["a longer label", "0", "10"]]


def test_a_report_holds_all_tables_with_the_classes_of_the_first_precision():
    by_precision = {"fp32": scored(4), "bf16": scored(5)}

    assert report(by_precision).rstrip("\n").split("\n\n") == [
        scores_table(by_precision),
        classes_table(by_precision["fp32"]),
        confusion_table(by_precision["fp32"]),
    ]
