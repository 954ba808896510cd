"""Drawings as SVG that stands in an HTML page and takes its colours from there."""

import io
import re
import unicodedata
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import matplotlib
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from matplotlib.typing import RcKeyType

from tapetum.markup import safe

# The page's style sheet names the same colours, and others for the dark; a colour-blind eye tells them apart.
_COLOURS = {
    "ink": "#1b1f24",
    "soft": "#59636e",
    "line": "#d8dee4",
    "accent": "#0b6bcb",
    "orange": "#c4500a",
    "green": "#00805c",
    "purple": "#8e4a9e",
    "gold": "#8a6d00",
    "card": "#ffffff",
}
INK, SOFT, LINE, BLUE, ORANGE, GREEN, PURPLE, GOLD, CARD = _COLOURS.values()
WIDTH_IN = 4.8
Kind = Literal["svg", "png"]
_DOTS_PER_IN = 144
# So that the same drawing is the same bytes.
_UNTOLD: dict[Kind, tuple[str, ...]] = {"svg": ("Date", "Creator", "Format", "Type"), "png": ("Software",)}
_LEAST_PX_PER_IN, _MOST_PX_PER_IN = 70, 96  # less cannot be read, more is larger than the text around it
_STYLE: dict[RcKeyType, object] = {
    "svg.fonttype": "none",  # text stays text: sharp, searchable, and in any script that the reader's machine has
    "text.parse_math": False,
    "font.size": 11,
    "axes.axisbelow": True,
    "axes.titlesize": "medium",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": SOFT,
    "axes.labelcolor": INK,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "text.color": INK,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "legend.facecolor": CARD,
    "legend.edgecolor": CARD,
    "lines.linewidth": 1.8,
}


@dataclass(frozen=True)
class Plot:
    """A drawing, what it is called, how to read it, and what it shows in words; `svg` is HTML, the others text."""

    title: str
    caption: str
    alt: str
    svg: str


def draw(
    title: str, caption: str, alt: str, paint: Callable[[Figure], None], size: tuple[float, float] = (WIDTH_IN, 3.6)
) -> Plot:
    """Draw for a page; `size` is in inches."""
    svg = _rendered(title, paint, size, "svg").decode()
    return Plot(title, caption, alt, _to_inline(svg, alt, size[0]))


def picture(title: str, paint: Callable[[Figure], None], size: tuple[float, float], kind: Kind) -> bytes:
    """Draw as a file that stands alone, on white; `size` is in inches."""
    return _rendered(title, paint, size, kind, facecolor=CARD, dpi=_DOTS_PER_IN)


def _rendered(
    title: str, paint: Callable[[Figure], None], size: tuple[float, float], kind: Kind, **options: object
) -> bytes:
    """Draw without pyplot, whose figures are global."""
    stream = io.BytesIO()
    with matplotlib.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # the reader's machine draws the text
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)
        matplotlib.rcParams["svg.hashsalt"] = title  # the same names in the same drawing
        figure = Figure(figsize=size, layout="constrained")
        paint(figure)
        metadata = dict.fromkeys(_UNTOLD[kind])
        figure.savefig(stream, format=kind, metadata=metadata, **options)  # type: ignore[arg-type]  # options of any type
    return stream.getvalue()


def _to_inline(svg: str, alt: str, width_in: float) -> str:
    """A drawing as part of a page: the page's colours, no names of its own that would be there twice."""
    box = re.search(r'viewBox="[^"]*"', svg)
    assert box is not None
    body = svg[svg.index("<defs>") : svg.rindex("</svg>")]
    body = re.sub(r'<style type="text/css">.*?</style>', "", body)
    body = re.sub(r'<g id="[^"]*"', "<g", body)
    for name, colour in _COLOURS.items():
        body = body.replace(f": {colour}", f": var(--{name})")
    least_px = _LEAST_PX_PER_IN * width_in if width_in > WIDTH_IN else 0
    extent = f"min-width: {least_px:.0f}px; max-width: {_MOST_PX_PER_IN * width_in:.0f}px"
    return f'<svg {box[0]} style="{extent}" role="img" aria-label="{safe(alt)}">\n{body}</svg>'


def in_whole_numbers(axis: Axis) -> None:
    """Ticks of an axis at whole numbers alone."""
    axis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def in_percent(axis: Axis) -> None:
    """Ticks of an axis of shares as percentages."""
    axis.set_major_formatter(lambda value, place: f"{100 * value:.4g}%")


def short(label: str, most: int = 18) -> str:
    """A label for a plot: printable, on one line, and cut in the middle, since ends tell classes apart."""
    letters = [letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in label]
    if _width(letters) <= most:
        return "".join(letters)
    head, tail = letters[: len(letters) // 2], letters[len(letters) // 2 :]
    while _width(head) + _width(tail) >= most:
        if _width(head) > _width(tail):
            head.pop()
        else:
            tail.pop(0)
    return "".join((*head, "…", *tail))


def _width(letters: Iterable[str]) -> int:
    """In letters of the Latin kind; those of Chinese are twice as wide."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in letters)
