"""What a check found as one HTML file that shows the pictures and asks no other host for anything."""

import base64
import io
from collections import defaultdict
from html import escape
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from tapetum import image
from tapetum.data.finding import Finding, Kind
from tapetum.errors import PictureError

MOST_GROUPS = 60  # shown of each kind
MOST_PICTURES = 12  # shown of each group
THUMBNAIL_SIDE = 160


class _Meaning(NamedTuple):
    title: str
    advice: str


_MEANINGS: dict[Kind, _Meaning] = {
    "broken": _Meaning("Broken files", "They cannot be decoded and are left out. Fetch them again, or remove them."),
    "mismatch": _Meaning(
        "Contents that contradict the name", "They are read by their content. Rename them, for other programs."
    ),
    "conflict": _Meaning(
        "The same picture under two labels", "All copies are left out. Keep the one whose label is right."
    ),
    "near_conflict": _Meaning(
        "Almost the same picture under two labels", "One of the labels is likely wrong. Look, and correct it."
    ),
    "leak": _Meaning(
        "The same picture in two parts",
        "A model would be tested on what it learned. It stays only where it is measured.",
    ),
    "near_leak": _Meaning(
        "Almost the same picture in two parts",
        "Scores would be better than the model. Keep all versions of a picture in one part.",
    ),
    "duplicate": _Meaning("The same picture again", "One copy is kept; the others teach nothing new."),
    "near_duplicate": _Meaning(
        "Almost the same picture again", "Versions of one picture weigh as if they were many. Keep the best of them."
    ),
    "tiny": _Meaning("Tiny pictures", "Enlarged to the model's input they show little. Find larger versions."),
    "blank": _Meaning("Blank pictures", "Almost one colour from edge to edge. Remove them unless that is the subject."),
    "dark": _Meaning("Very dark pictures", "Keep them only if the model will meet such pictures in use."),
    "blurred": _Meaning("Blurred pictures", "Keep them only if the model will meet such pictures in use."),
    "shortcut": _Meaning(
        "Classes that one number gives away",
        "A model can learn the number in place of the subject, and fail where the number differs. "
        "Take the pictures of all classes from the same sources.",
    ),
    "few": _Meaning("Classes with few pictures", "Their scores will be guesses. Add pictures."),
    "imbalance": _Meaning("Uneven classes", "A model prefers the larger class. Add pictures of the smaller."),
}

_STYLE = """
:root { color-scheme: light dark; --ground: #f6f7f8; --card: #fff; --ink: #1b1f24; --soft: #59636e;
  --line: #d8dee4; --accent: #0b6bcb; --hole: #eceff2; }
@media (prefers-color-scheme: dark) { :root { --ground: #111418; --card: #1a1f25; --ink: #e7ebef; --soft: #9aa5b1;
  --line: #313942; --accent: #6cb2ff; --hole: #262d35; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main, header { max-width: 72rem; margin: 0 auto; padding: 1rem 1rem 0; }
main { padding: 0 1rem 4rem; }
h1 { margin: 1rem 0 0; font-size: 1.7rem; line-height: 1.2; }
h2 { margin: 2.5rem 0 0; font-size: 1.25rem; }
h1, h2, p, td, th, figcaption { overflow-wrap: anywhere; }
p { margin: .25rem 0 0; }
a { color: var(--accent); }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
.soft { color: var(--soft); }
table { width: 100%; margin-top: .75rem; border-collapse: collapse; background: var(--card); }
th, td { padding: .4rem .75rem; border: 1px solid var(--line); text-align: left; vertical-align: top;
  font-weight: 400; }
thead th { color: var(--soft); font-size: .875rem; }
.number { width: 1%; white-space: nowrap; text-align: right; font-variant-numeric: tabular-nums; }
.bar { width: 50%; vertical-align: middle; }
.bar div { height: .8rem; min-width: 2px; border-radius: 2px; background: var(--accent); }
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
figcaption { color: var(--soft); font-size: .8rem; line-height: 1.3; margin-top: .25rem; }
@media (max-width: 30rem) { .groups, .pictures { gap: .5rem; } .groups > li { width: 100%; padding: .5rem; }
  .groups > .one { width: calc(50% - .25rem); } .many figure { width: calc(50% - .25rem); } .one figure { width: 100%; }
  figure img, .hole { width: 100%; } .bar { width: 35%; } }
"""


def html(title: str, root: Path, counts: dict[str, int], findings: list[Finding]) -> str:
    """The report: `counts` are readable pictures by class, paths of `findings` are relative to `root`."""
    by_kind: dict[Kind, list[Finding]] = defaultdict(list)
    for finding in findings:
        by_kind[finding.kind].append(finding)
    kinds = [kind for kind in _MEANINGS if kind in by_kind]
    sections = "\n".join(_section(kind, by_kind[kind], root) for kind in kinds)
    # The policy holds the promise of the first line even against a file name that slipped through.
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>{_safe(title)}</title>
<style>{_STYLE}</style>
</head>
<body>
<header id="top">
<h1>{_safe(title)}</h1>
<p class="soft">{_safe(str(root))}</p>
<p>{_counted(sum(counts.values()), "readable picture")} in {_counted(len(counts), "class", "classes")},
{_counted(len(findings), "finding")}.</p>
</header>
<main>
{_summary(kinds, by_kind)}
{_classes(counts)}
{sections}
</main>
</body>
</html>
"""


def _summary(kinds: list[Kind], by_kind: dict[Kind, list[Finding]]) -> str:
    if not kinds:
        return "<p>Nothing wrong found.</p>"
    rows = "\n".join(
        f'<tr><td class="number">{len(by_kind[kind]):,}</td>'
        f'<th scope="row"><a href="#{kind}">{_MEANINGS[kind].title}</a>'
        f'<p class="soft">{_MEANINGS[kind].advice}</p></th></tr>'
        for kind in kinds
    )
    head = '<tr><th scope="col" class="number">Found</th><th scope="col">What it means, and what to do</th></tr>'
    return f"<h2>Findings</h2>\n<table>\n<thead>{head}</thead>\n<tbody>\n{rows}\n</tbody>\n</table>"


def _classes(counts: dict[str, int]) -> str:
    most = max([1, *counts.values()])
    rows = "\n".join(
        f'<tr><th scope="row">{_safe(label)}</th><td class="number">{count:,}</td>'
        f'<td class="bar"><div style="width: {100 * count / most:.1f}%"></div></td></tr>'
        for label, count in sorted(counts.items())
    )
    head = (
        '<tr><th scope="col">Class</th><th scope="col" class="number">Pictures</th>'
        '<th scope="col">Beside the largest</th></tr>'
    )
    return f"<h2>Classes</h2>\n<table>\n<thead>{head}</thead>\n<tbody>\n{rows}\n</tbody>\n</table>"


def _section(kind: Kind, findings: list[Finding], root: Path) -> str:
    groups = "\n".join(_group(finding, root) for finding in findings[:MOST_GROUPS])
    hidden = len(findings) - MOST_GROUPS
    more = f"<p>And {hidden:,} more; the JSON has all.</p>" if hidden > 0 else ""
    return f"""<section aria-labelledby="{kind}">
<h2 id="{kind}">{_MEANINGS[kind].title}: {len(findings):,}</h2>
<p class="soft">{_MEANINGS[kind].advice} <a href="#top">Summary</a></p>
<ul class="groups">
{groups}
</ul>
{more}
</section>"""


def _group(finding: Finding, root: Path) -> str:
    """A finding's pictures side by side, and what is the matter with them."""
    size = ("none", "one")[len(finding.paths)] if len(finding.paths) < 2 else "many"
    figures = "\n".join(_figure(path, root, finding.message) for path in finding.paths[:MOST_PICTURES])
    pictures = f'<div class="pictures">\n{figures}\n</div>\n' if figures else ""
    hidden = len(finding.paths) - MOST_PICTURES
    more = f"<p>And {_counted(hidden, 'more picture')}; the JSON has all.</p>" if hidden > 0 else ""
    return f'<li class="{size}">{pictures}<p>{_safe(finding.message)}</p>{more}</li>'


def _figure(path: str, root: Path, message: str) -> str:
    try:
        picture = f'<img src="{_thumbnail(root / path)}" alt="{_safe(path)}">'
    except (PictureError, OSError) as error:
        reason = str(error.strerror if isinstance(error, OSError) else error)
        # Of a broken file the message has the reason already.
        picture = f'<div class="hole">{_safe("cannot be shown" if reason in message else reason)}</div>'
    return f"<figure>{picture}<figcaption>{_safe(path)}</figcaption></figure>"


def _thumbnail(file: Path) -> str:
    """The picture as a data URI: a JPEG of 160 pixels on its longest side, and never enlarged."""
    picture = image.decode(file.read_bytes())
    picture.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE), Image.Resampling.BILINEAR)
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=80)
    return f"data:image/jpeg;base64,{base64.b64encode(stream.getvalue()).decode()}"


def _safe(text: str) -> str:
    """Text for HTML; of a file name that is no UTF-8, what cannot be written becomes a question mark."""
    return escape(text.encode(errors="replace").decode())


def _counted(count: int, one: str, many: str = "") -> str:
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"
