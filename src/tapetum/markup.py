"""What the HTML pages share: one look, text that stays text, and small pictures inside the file itself."""

import base64
import io
from collections.abc import Callable, Iterable, Sequence
from html import escape
from pathlib import Path

from PIL import Image

from tapetum import image
from tapetum.errors import PictureError

THUMBNAIL_SIDE = 160

_STYLE = """
:root { color-scheme: light dark; --ground: #f6f7f8; --card: #fff; --ink: #1b1f24; --soft: #59636e;
  --line: #d8dee4; --accent: #0b6bcb; --hole: #eceff2; --orange: #c4500a; --green: #00805c; --purple: #8e4a9e;
  --gold: #8a6d00; }
@media screen and (prefers-color-scheme: dark) { :root { --ground: #111418; --card: #1a1f25; --ink: #e7ebef;
  --soft: #9aa5b1; --line: #313942; --accent: #6cb2ff; --hole: #262d35; --orange: #ff9350; --green: #3fc99d;
  --purple: #d79be6; --gold: #e0c04c; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main, header { max-width: 72rem; margin: 0 auto; padding: 1rem 1rem 0; }
main { padding: 0 1rem 4rem; }
h1 { margin: 1rem 0 0; font-size: 1.7rem; line-height: 1.2; }
h2 { margin: 2.5rem 0 0; font-size: 1.25rem; }
h3 { margin: 1.5rem 0 0; font-size: 1rem; }
h1, h2, h3, p, td, th, figcaption { overflow-wrap: anywhere; }
p { margin: .25rem 0 0; }
a { color: var(--accent); }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
.soft { color: var(--soft); }
.good { color: var(--accent); font-weight: 600; }
.bad { color: var(--orange); font-weight: 600; }
nav { display: flex; flex-wrap: wrap; gap: .25rem 1rem; margin-top: .75rem; }
table { width: 100%; margin-top: .75rem; border-collapse: collapse; background: var(--card); }
th, td { padding: .4rem .75rem; border: 1px solid var(--line); text-align: left; vertical-align: top;
  font-weight: 400; }
thead th { color: var(--soft); font-size: .875rem; }
.number { width: 1%; white-space: nowrap; text-align: right; font-variant-numeric: tabular-nums; }
.scroll { overflow-x: auto; }
.scroll th, .scroll td { vertical-align: baseline; }
.scroll th { min-width: 8rem; }
.scroll .number { min-width: 0; padding: .4rem .5rem; font-size: .875rem; }
thead .number { white-space: normal; overflow-wrap: normal; }
.bar { width: 50%; vertical-align: middle; }
.bar div { height: .8rem; min-width: 2px; border-radius: 2px; background: var(--accent); print-color-adjust: exact; }
.groups { display: flex; flex-wrap: wrap; gap: .75rem; margin: .75rem 0 0; padding: 0; list-style: none; }
.groups > li { max-width: 100%; padding: .75rem; border: 1px solid var(--line); border-radius: 6px;
  background: var(--card); }
.groups > .one { width: 186px; }
.groups > .none { width: 100%; }
.groups p { font-size: .875rem; }
.pictures { display: flex; flex-wrap: wrap; gap: .75rem; }
figure { width: 160px; margin: 0; }
figure img, .hole { display: flex; width: 160px; height: 160px; object-fit: contain; background: var(--hole); }
.hole { align-items: center; justify-content: center; padding: .5rem; overflow: hidden; color: var(--soft);
  font-size: .75rem; line-height: 1.3; text-align: center; overflow-wrap: anywhere; }
figure img + img { margin-top: .25rem; }
figcaption { color: var(--soft); font-size: .8rem; line-height: 1.3; margin-top: .25rem; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 20rem), 1fr)); gap: .75rem;
  margin-top: .75rem; }
.plot { width: 100%; overflow-x: auto; padding: .75rem; border: 1px solid var(--line); border-radius: 6px;
  background: var(--card); }
.plot svg { display: block; width: 100%; height: auto; margin: 0 auto; overflow: visible; stroke-linejoin: round; }
.plot text { font-family: system-ui, sans-serif !important; }
.plot strong { display: block; color: var(--ink); font-size: .95rem; }
.plot figcaption { margin: 0 0 .5rem; }
@media (max-width: 30rem) { .groups, .pictures { gap: .5rem; } .groups > li { width: 100%; padding: .5rem; }
  .groups > .one { width: calc(50% - .25rem); } .many figure { width: calc(50% - .25rem); } .one figure { width: 100%; }
  figure img, .hole { width: 100%; } .bar { width: 35%; } th, td { padding: .4rem .5rem; } .plot { padding: .5rem; } }
@media print { body { background: none; } figure, tr, li { break-inside: avoid; } h2, h3 { break-after: avoid; }
  nav { display: none; } .scroll, .plot { overflow: visible; }
  .plot svg { min-width: 0 !important; } }
"""


def document(title: str, header: str, main: str) -> str:
    """A whole page; `title` is text, `header` and `main` are HTML."""
    # The policy holds the promise to ask no other host, even against a file name that slipped through.
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>{safe(title)}</title>
<style>{_STYLE}</style>
</head>
<body>
<header id="top">
<h1>{safe(title)}</h1>
{header}
</header>
<main>
{main}
</main>
</body>
</html>
"""


def safe(text: str) -> str:
    """Text for HTML; of a file name that is no UTF-8, what cannot be written becomes a question mark."""
    return escape(text.encode(errors="replace").decode())


def counted(count: int, one: str, many: str = "") -> str:
    """`1 picture`, `2 pictures`."""
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]], kind: str = "number") -> str:
    """A table of HTML cells, scrolling where it is too wide; the first of a row names it, `kind` styles the rest."""
    style = f' class="{kind}"' if kind else ""
    first, *others = head
    columns = f'<th scope="col">{first}</th>' + "".join(f'<th scope="col"{style}>{cell}</th>' for cell in others)
    lines = "\n".join(
        f'<tr><th scope="row">{name}</th>' + "".join(f"<td{style}>{cell}</td>" for cell in cells) + "</tr>"
        for name, *cells in rows
    )
    return (
        f'<div class="scroll" tabindex="0">\n<table>\n<thead><tr>{columns}</tr></thead>\n'
        f"<tbody>\n{lines}\n</tbody>\n</table>\n</div>"
    )


def figure(
    file: Path, alt: str, caption: str, said: str = "", redraw: Callable[[Image.Image], Image.Image] | None = None
) -> str:
    """A small picture with an HTML caption, or a placeholder with the reason unless it is `said` nearby.

    What `redraw` makes of it stands below it.
    """
    try:
        content = file.read_bytes()
        picture = f'<img src="{thumbnail(content)}" alt="{safe(alt)}">'
        if redraw is not None:
            picture += f'\n<img src="{_embedded(redraw(image.decode(content)))}" alt="its heat map">'
    except (PictureError, OSError) as error:
        reason = str(error.strerror if isinstance(error, OSError) else error)
        picture = f'<div class="hole">{safe("cannot be shown" if reason in said else reason)}</div>'
    return f"<figure>{picture}<figcaption>{caption}</figcaption></figure>"


def thumbnail(content: bytes) -> str:
    """A picture as a data URI: a JPEG of 160 pixels on its longest side, never enlarged. Raises PictureError."""
    return _embedded(image.decode(content))


def _embedded(picture: Image.Image) -> str:
    picture.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE), Image.Resampling.BILINEAR)
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=80)
    return f"data:image/jpeg;base64,{base64.b64encode(stream.getvalue()).decode()}"


def sure(share: float) -> str:
    """How sure an answer is; never wholly, since no softmax is."""
    return f"{share:.1%} sure" if share < 0.9995 else "over 99.9% sure"
