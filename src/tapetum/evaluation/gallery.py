"""Which pictures a person should look at, and how they are shown."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from tapetum.data.sample import Sample
from tapetum.inference.explain import Explanation
from tapetum.inference.overlay import draw
from tapetum.markup import counted, figure, safe, sure

MOST_MISTAKES = 24
MOST_CLASSES = 10  # with examples: a page of hundreds of pictures is looked at by nobody
MOST_EXAMPLES = 3  # of each kind

Redraw = Callable[[Image.Image], Image.Image]
Explain = Callable[[Image.Image], Explanation]


def mistakes(probabilities: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Rows of the wrong answers, the surest first; `probabilities` (N, K), `truth` (N,)."""
    rows = np.flatnonzero(probabilities.argmax(axis=1) != truth)
    return rows[np.argsort(-probabilities[rows].max(axis=1), kind="stable")]


def examples(probabilities: np.ndarray, truth: np.ndarray, label: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of a class that were answered rightly: the surest first, and of the others the least sure first."""
    rows = np.flatnonzero((truth == label) & (probabilities.argmax(axis=1) == label))
    ranked = rows[np.argsort(-probabilities[rows, label], kind="stable")]
    return ranked[:MOST_EXAMPLES], ranked[MOST_EXAMPLES:][::-1][:MOST_EXAMPLES]


def mistakes_section(
    root: Path,
    samples: list[Sample],
    labels: tuple[str, ...],
    probabilities: np.ndarray,
    truth: np.ndarray,
    explain: Explain,
) -> str:
    """The most confident wrong answers as HTML, each with its heat map."""
    wrong = mistakes(probabilities, truth)
    if not len(wrong):
        return f"<p>None: all of {counted(len(truth), 'picture')} were answered rightly.</p>"

    def redraw(picture: Image.Image) -> Image.Image:
        return draw(picture, explain(picture), "overlay")

    def shown(row: int) -> str:
        return f'<li class="one">{_answered(root, samples[row], labels, probabilities[row], redraw)}</li>'

    items = "\n".join(map(shown, wrong[:MOST_MISTAKES]))
    number = f"The {MOST_MISTAKES} surest of {len(wrong):,}" if len(wrong) > MOST_MISTAKES else f"All {len(wrong):,}"
    return (
        f'<p class="soft">{number} wrong answers, the surest first. Some may be wrong labels. Below each is '
        f'where the model saw its answer, brightest where most.</p>\n<ul class="groups">\n{items}\n</ul>'
    )


def examples_section(
    root: Path, samples: list[Sample], labels: tuple[str, ...], probabilities: np.ndarray, truth: np.ndarray
) -> str:
    """Pictures of each class that were answered rightly, as HTML; of many classes those that fare worst."""
    counts = np.bincount(truth, minlength=len(labels))
    hits = np.bincount(truth[probabilities.argmax(axis=1) == truth], minlength=len(labels))
    present = np.flatnonzero(counts)
    weakest = present[np.argsort(hits[present] / counts[present], kind="stable")][:MOST_CLASSES]
    note = f"Of the {MOST_CLASSES} classes with the lowest recall. " if len(present) > MOST_CLASSES else ""
    sections = [f'<p class="soft">{note}Right answers: the surest, and the least sure.</p>']
    for label in sorted(weakest):
        sections.append(f"<h3>{safe(labels[label])}</h3>")
        groups = [
            f'<li class="many"><p class="soft">{name}</p>\n<div class="pictures">'
            + "\n".join(_answered(root, samples[row], labels, probabilities[row]) for row in rows)
            + "</div></li>"
            for name, rows in zip(("surest", "least sure"), examples(probabilities, truth, label), strict=True)
            if len(rows)
        ]
        none = f"<p>None of {counted(counts[label], 'picture')} was answered rightly.</p>"
        sections.append('<ul class="groups">\n' + "\n".join(groups) + "\n</ul>" if groups else none)
    return "\n".join(sections)


def _answered(
    root: Path, sample: Sample, labels: tuple[str, ...], shares: np.ndarray, redraw: Redraw | None = None
) -> str:
    answer, share = labels[shares.argmax()], sure(shares.max())
    if answer == sample.label:
        said = share
    else:
        said = f'answer <span class="bad">{safe(answer)}</span>, {share}<br>truth {safe(sample.label)}'
    alt = f"{sample.path}: {sample.label}, answered {answer}"
    return figure(root / sample.path, alt, f"{said}<br>{safe(sample.path)}", redraw=redraw)
