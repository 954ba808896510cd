"""Drift of a folder as one HTML file that asks no other host for anything."""

import numpy as np
from matplotlib.figure import Figure

from tapetum.evaluation.drawing import BLUE, ORANGE, Plot, draw, in_percent
from tapetum.evaluation.drift import Drifted, conclusions, estimated, mark, sentence
from tapetum.evaluation.drift import figure as number
from tapetum.markup import document, figure, safe, sure, table
from tapetum.profile.statistics import Seen
from tapetum.profile.traits import Traits

MOST_PICTURES = 24
_BINS = 24


def html(found: Drifted) -> str:
    """The report."""
    verdict, facts = found.verdict, found.facts
    style = "good" if verdict.grade == "none" else "bad"
    first, *others = conclusions(found)
    header = f'<p class="soft">{safe(facts.name)} {safe(facts.version)}</p>\n<p class="{style}">{safe(first)}</p>\n'
    header += "\n".join(f"<p>{safe(line)}</p>" for line in others)
    sections = {
        "Pictures that moved it most": _pictures(found),
        "Statistics": _statistics(found),
        "Where they drifted": _plots(found),
        "Classes": _classes(found),
    }
    main = "\n".join(f"<section>\n<h2>{name}</h2>\n{content}\n</section>" for name, content in sections.items())
    return document(f"Drift of {facts.title}", header, main)


def _pictures(found: Drifted) -> str:
    shown = list(zip(found.files, found.answers, found.window.confidence, strict=True))[:MOST_PICTURES]
    items = "\n".join(
        f'<li class="one">{figure(file, file.name, f"{safe(answer)}, {sure(share)}<br>{safe(file.name)}")}</li>'
        for file, answer, share in shown
    )
    return f'<ul class="groups">\n{items}\n</ul>'


def _statistics(found: Drifted) -> str:
    rows = [
        (
            name.replace("_", " "),
            number(entry.value),
            number(entry.threshold),
            f'<span class="bad">{mark(entry)}</span>',
            safe(sentence(found, name)),
        )
        for name, entry in found.verdict.distances.items()
    ]
    note = (
        f'<p class="soft">Population stability, of features the squared maximum mean discrepancy. Of clean folders '
        f"{found.verdict.false_alarm_rate:.0%} at most have any of them beyond its threshold.</p>"
    )
    return table(("statistic", "distance", "threshold", "result", "in words"), rows, "") + note


def _classes(found: Drifted) -> str:
    rows = [
        (
            safe(label),
            f"{entry.reference:.1%}",
            f"{entry.window:.1%}",
            "–" if entry.truth is None else f"{entry.truth:.1%}",
            "–" if entry.accuracy is None else estimated(entry.accuracy),
        )
        for label, entry in found.verdict.classes.items()
    ]
    heads = ("answer", "share in the profile", "share here", "estimated to be of it", "estimated to be right")
    why = (
        f'<p class="soft">Right ones are not estimated: {safe(found.verdict.doubt)}.</p>' if found.verdict.doubt else ""
    )
    return table(heads, rows) + why


def _plots(found: Drifted) -> str:
    drawn = [_plot(found, name) for name in found.verdict.drifted if _values(found.window, name) is not None]
    if not drawn:
        return "<p>Nothing that can be drawn has drifted.</p>"
    items = "\n".join(
        f'<figure class="plot"><figcaption><strong>{plot.title}</strong>{plot.caption}</figcaption>{plot.svg}</figure>'
        for plot in drawn
    )
    return f'<div class="plots">\n{items}\n</div>'


def _plot(found: Drifted, name: str) -> Plot:
    ours, theirs = _values(found.reference.seen, name), _values(found.window, name)
    assert ours is not None
    assert theirs is not None
    edges = np.histogram_bin_edges(np.concatenate([ours, theirs]), bins=_BINS)

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        for values, colour, label in ((ours, BLUE, "profile"), (theirs, ORANGE, "these pictures")):
            axes.stairs(np.histogram(values, edges)[0] / len(values), edges, color=colour, label=label, linewidth=1.8)
        in_percent(axes.yaxis)
        axes.set(xlabel="log2" if name in ("width", "height", "detail") else "", ylabel="Share of the pictures")
        axes.legend()

    title = name.replace("_", " ").capitalize()
    return draw(title, "How it is spread.", f"{title} of the profile and of these pictures", paint)


def _values(seen: Seen, name: str) -> np.ndarray | None:
    """A statistic of each picture, where it is a number and known."""
    if name in ("confidence", "margin"):
        return np.asarray(getattr(seen, name))
    if name not in Traits._fields or name == "is_blank":
        return None
    values = seen.traits[:, Traits._fields.index(name)]
    return np.asarray(values[~np.isnan(values)])
