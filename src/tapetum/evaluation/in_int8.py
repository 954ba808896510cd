"""What int8 costs and brings, in words and by class: on the terminal, in the model card, in report.html."""

from tapetum.evaluation.report import table
from tapetum.quantised import Agreement, Quantised

HEAD = ("class", "pictures", "other labels", "recall", "mean shift", "largest shift")


def text(quantised: Quantised) -> str:
    """All of it as Markdown that reads well as plain text."""
    found = agreement(quantised)
    return f"{cost(quantised)}\n\n{table(HEAD, rows(found))}\n\n{making(quantised)}\n"


def cost(quantised: Quantised) -> str:
    """By how much answers differ from those in fp32, beside what was allowed."""
    found, bounds = agreement(quantised), quantised.bounds
    return (
        f"Accuracy changes by {100 * found.accuracy_change:+.2f} points ({-100 * bounds.accuracy_loss:+.2f} allowed),\n"
        f"and {found.changed:.2%} of {found.samples:,} test pictures get another label than in fp32 "
        f"({bounds.changed:.2%} allowed).\nA probability moves by {found.mean_shift:.4f} on average and "
        f"{found.max_shift:.4f} at most."
    )


def rows(found: Agreement) -> list[list[str]]:
    """One row a class, under HEAD."""
    return [
        [
            label,
            str(entry.samples),
            str(entry.changed),
            f"{entry.recall_change:+.4f}",
            f"{entry.mean_shift:.4f}",
            f"{entry.max_shift:.4f}",
        ]
        for label, entry in found.classes.items()
    ]


def making(quantised: Quantised) -> str:
    """Which layers are in int8, how that was done, and what it brings."""
    size = quantised.graph_bytes["int8"] / quantised.graph_bytes["fp32"]
    speed = ", ".join(f"{figure:,.0f} in {precision}" for precision, figure in quantised.pictures_per_s.items())
    kept = f"{len(quantised.kept)} of {quantised.layers} layers stay in fp32: {', '.join(quantised.kept)}."
    return (
        f"{kept if quantised.kept else f'All {quantised.layers} layers that can be are in int8.'}\n"
        f"Ranges come from {quantised.pictures} pictures of the training part ({quantised.method}).\n"
        f"The graph has {quantised.graph_bytes['int8'] / 1e6:,.2f} MB, {size:.0%} of that in fp32. "
        f"Pictures a second on one thread of {quantised.processor}: {speed}."
    )


def agreement(quantised: Quantised) -> Agreement:
    """How far it agrees with fp32, which stands in every bundle that was evaluated."""
    assert quantised.agreement is not None, "only what was evaluated is shown"
    return quantised.agreement
