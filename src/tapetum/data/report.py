"""What a check found as one HTML file that shows the pictures and asks no other host for anything."""

from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

from tapetum.data.finding import Finding, Kind
from tapetum.markup import counted, document, figure, safe

MOST_GROUPS = 60  # shown of each kind
MOST_DOUBTED = 500  # labels, since a person looks at each
MOST_PICTURES = 12  # shown of each group


class _Meaning(NamedTuple):
    title: str
    advice: str
    most: int = MOST_GROUPS


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
    "label": _Meaning(
        "Labels that are likely wrong",
        "The likeliest first. Look at each, and say what it shows in a file of corrections.",
        MOST_DOUBTED,
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


def html(title: str, root: Path, counts: dict[str, int], findings: list[Finding]) -> str:
    """The report: `counts` are readable pictures by class, paths of `findings` are relative to `root`."""
    by_kind: dict[Kind, list[Finding]] = defaultdict(list)
    for finding in findings:
        by_kind[finding.kind].append(finding)
    kinds = [kind for kind in _MEANINGS if kind in by_kind]
    sections = "\n".join(_section(kind, by_kind[kind], root) for kind in kinds)
    header = f"""<p class="soft">{safe(str(root))}</p>
<p>{counted(sum(counts.values()), "readable picture")} in {counted(len(counts), "class", "classes")},
{counted(len(findings), "finding")}.</p>"""
    return document(title, header, f"{_summary(kinds, by_kind)}\n{_classes(counts)}\n{sections}")


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
        f'<tr><th scope="row">{safe(label)}</th><td class="number">{count:,}</td>'
        f'<td class="bar"><div style="width: {100 * count / most:.1f}%"></div></td></tr>'
        for label, count in sorted(counts.items())
    )
    head = (
        '<tr><th scope="col">Class</th><th scope="col" class="number">Pictures</th>'
        '<th scope="col">Beside the largest</th></tr>'
    )
    return f"<h2>Classes</h2>\n<table>\n<thead>{head}</thead>\n<tbody>\n{rows}\n</tbody>\n</table>"


def _section(kind: Kind, findings: list[Finding], root: Path) -> str:
    most = _MEANINGS[kind].most
    groups = "\n".join(_group(finding, root) for finding in findings[:most])
    hidden = len(findings) - most
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
    figures = "\n".join(
        figure(root / path, path, safe(path), finding.message) for path in finding.paths[:MOST_PICTURES]
    )
    pictures = f'<div class="pictures">\n{figures}\n</div>\n' if figures else ""
    hidden = len(finding.paths) - MOST_PICTURES
    more = f"<p>And {counted(hidden, 'more picture')}; the JSON has all.</p>" if hidden > 0 else ""
    return f'<li class="{size}">{pictures}<p>{safe(finding.message)}</p>{more}</li>'
