"""A challenger beside the served model, as one HTML file that asks no other host for anything."""

import base64
from collections import Counter
from collections.abc import Mapping, Sequence

from tapetum import containers
from tapetum.markup import counted, document, safe, table
from tapetum.serving.routes import ModelName
from tapetum.serving.shadow import ShadowFigures
from tapetum.watch.comparison import MOST_SHOWN, Said, Shown

_MOST_CONFUSIONS = 20
_TYPES = {".jpg": "jpeg", ".png": "png", ".gif": "gif", ".bmp": "bmp", ".webp": "webp"}  # what browsers draw


def html(
    champion: ModelName,
    figures: ShadowFigures,
    skipped: Mapping[str, int],
    confusions: Counter[tuple[str, str]],
    shown: Sequence[Shown],
) -> str:
    """The report; `skipped` is by reason, `confusions` by what the champion and then the challenger said."""
    challenger = figures.model
    header = (
        f'<p class="soft">Challenger {safe(challenger.name)} {safe(challenger.version)} beside '
        f"champion {safe(champion.name)} {safe(champion.version)}</p>\n<p>{_conclusion(figures)}</p>"
    )
    if figures.trouble is not None:
        header += f'\n<p class="bad">Nothing is compared at present: {safe(figures.trouble)}.</p>'
    sections = {
        "Disagreements": _gallery(shown, figures.compared),
        "Changed classes": _changes(confusions),
        "Time of a picture": _times(figures),
        "Skipped": _skipped(figures, skipped),
    }
    main = "\n".join(f"<section>\n<h2>{name}</h2>\n{content}\n</section>" for name, content in sections.items())
    return document("Shadow report", header, main)


def _conclusion(figures: ShadowFigures) -> str:
    if figures.agreement is None or figures.agreement_interval is None:
        return "Nothing has been compared yet."
    low, high = figures.agreement_interval
    return (
        f"Of {counted(figures.compared, 'picture')} both gave <strong>{figures.agreement:.1%}</strong> the same class "
        f"({low:.1%} to {high:.1%} with 95 % confidence)."
    )


def _gallery(shown: Sequence[Shown], compared: int) -> str:
    if not shown:
        return f"<p>None in {counted(compared, 'picture')}.</p>"
    items = "\n".join(f'<li class="one">{_figure(each)}</li>' for each in shown)
    return (
        f'<p class="soft">The newest, at most {MOST_SHOWN}. Who is right, the pictures show; a word of feedback on the '
        f'request says so to the service.</p>\n<ul class="groups">\n{items}\n</ul>'
    )


def _figure(shown: Shown) -> str:
    facts = shown.facts
    caption = (
        f"champion: {_said(facts.champion)}<br>challenger: {_said(facts.challenger)}<br>"
        f"{facts.time:%Y-%m-%d %H:%M} UTC<br>{safe(facts.request_id)}, picture {facts.picture}"
    )
    return f"<figure>{_picture(shown)}<figcaption>{caption}</figcaption></figure>"


def _picture(shown: Shown) -> str:
    if shown.picture is None:
        return '<div class="hole">let go: it was too large, or newer ones took its place</div>'
    kind = _TYPES.get(containers.suffix(shown.picture))
    if kind is None:
        return '<div class="hole">a TIFF, which browsers do not draw</div>'
    # As it came, and drawn by whoever looks: the service itself decodes no stranger's picture.
    content = base64.b64encode(shown.picture).decode()
    return f'<img src="data:image/{kind};base64,{content}" alt="{safe(f"of {shown.facts.request_id}")}">'


def _said(said: Said) -> str:
    return f"<strong>{safe(said.prediction)}</strong> {said.probability:.1%}"


def _changes(confusions: Counter[tuple[str, str]]) -> str:
    if not confusions:
        return "<p>None.</p>"
    rows = [
        (f"{safe(champion)} → {safe(challenger)}", f"{number:,}")
        for (champion, challenger), number in confusions.most_common(_MOST_CONFUSIONS)
    ]
    return table(("champion → challenger", "pictures"), rows)


def _times(figures: ShadowFigures) -> str:
    if figures.latency_ms is None:
        return "<p>Nothing has been compared yet.</p>"
    rows = [
        (role, f"{times.p50:.1f} ms", f"{times.p95:.1f} ms")
        for role, times in (("champion", figures.latency_ms.champion), ("challenger", figures.latency_ms.challenger))
    ]
    note = (
        '<p class="soft">To decode and compute, of the same pictures. What the challenger waited for others, to whom '
        "it gives way, is left out.</p>"
    )
    return table(("model", "half within", "95 % within"), rows) + note


def _skipped(figures: ShadowFigures, skipped: Mapping[str, int]) -> str:
    rows = [(safe(reason.replace("-", " ")), f"{number:,}") for reason, number in skipped.items()]
    note = (
        f'<p class="soft">{figures.share:.0%} of the answered pictures are drawn. What cannot be compared without '
        "taking time from answers is skipped; these are counted since the start of the service.</p>"
    )
    return note + table(("reason", "pictures"), rows)
