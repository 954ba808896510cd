"""What alert mails say: as plain text, and the same as HTML."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from html import escape

from tapetum.watch.account import Account
from tapetum.watch.alerting import Notice
from tapetum.watch.rules import METRICS

RUNBOOK = "docs/alerting.md"
_COLOURS = {"critical": "#b3261e", "warning": "#9a5b00", "ticket": "#2f5d8a", "resolved": "#1b6e3c", "test": "#2f5d8a"}
# Over the styles of the elements, which programs know that know no others.
_DARK = (
    ".ground{background:#16191c !important}"
    ".card{background:#22262a !important;border-color:#3c4043 !important;color:#e8eaed !important}"
    ".soft{color:#b0b6bc !important;border-color:#3c4043 !important}"
)


@dataclass(frozen=True)
class Place:
    """Which service writes: its model and its host."""

    model: str
    host: str

    def __str__(self) -> str:
        return f"{self.model} on {self.host}"


@dataclass(frozen=True)
class _Letter:
    subject: str
    mood: str  # a key of _COLOURS
    headline: str
    facts: dict[str, str]  # the first is what it is about
    steps: tuple[str, ...]
    foot: str


def of_notice(notice: Notice, place: Place, account: Account, now: datetime) -> EmailMessage:
    """The mail that an alert fires, or is over."""
    rule = notice.rule
    word = "FIRING" if notice.is_firing else "RESOLVED"
    bound = rule.bound
    facts = {
        METRICS[rule.metric]: share(notice.value),
        "Threshold": f"{bound.bad} {share(bound.threshold)}"
        + (f" for {duration(rule.for_s)}" if rule.for_s else "")
        + f", over at {share(bound.clears_at)}",
        "Since": f"{when(now - timedelta(seconds=notice.lasted_s))}",
        ("For" if notice.is_firing else "Lasted"): duration(notice.lasted_s),
        "Severity": rule.severity,
        "Service": str(place),
    }
    letter = _Letter(
        subject=f"[{word}] {rule.name} · {place}",
        mood=rule.severity if notice.is_firing else "resolved",
        headline=rule.meaning if notice.is_firing else "It is over: the value is well again.",
        facts=facts,
        steps=rule.remedies if notice.is_firing else (),
        foot=f"Runbook: {RUNBOOK}#{rule.name.lower()}. Where all alerts stand: GET /alerts/status of the service.",
    )
    return _compose(letter, account, now)


def of_test(place: Place, account: Account, now: datetime) -> EmailMessage:
    """The mail that POST /alerts/test sends."""
    letter = _Letter(
        subject=f"[TEST] Alerts · {place}",
        mood="test",
        headline="Mails of alerts arrive here. This one was asked for by POST /alerts/test; nothing is wrong.",
        facts={"Service": str(place), "Sent": when(now), "Through": f"{account.host}:{account.port}"},
        steps=(),
        foot=f"How alerts are set up: {RUNBOOK}.",
    )
    return _compose(letter, account, now)


def share(value: float) -> str:
    """A share from 0 to 1 as percent."""
    return f"{value * 100:.1f}".removesuffix(".0") + " %"


def duration(seconds: float) -> str:
    """Seconds in the two largest units that they have."""
    rest = round(seconds)
    parts = []
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)):
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or "0 s"


def when(time: datetime) -> str:
    """A time of day, with its date, in UTC."""
    return f"{time:%Y-%m-%d %H:%M:%S} UTC"


def _compose(letter: _Letter, account: Account, now: datetime) -> EmailMessage:
    message = EmailMessage()
    message["Subject"] = " ".join(letter.subject.split())
    message["From"] = account.sender
    message["To"] = ", ".join(account.recipients)
    message["Date"] = format_datetime(now)
    message["Message-ID"] = make_msgid("tapetum", account.user.rpartition("@")[2] or "localhost")
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no answer of a holiday to it
    message.set_content(_text(letter))
    message.add_alternative(_html(letter), subtype="html")
    return message


def _text(letter: _Letter) -> str:
    width = max(map(len, letter.facts)) + 2
    facts = [f"{name + ':':{width}}{value}" for name, value in letter.facts.items()]
    steps = ["What to do:", *(f"- {step}" for step in letter.steps), ""] if letter.steps else []
    return "\n".join([letter.headline, "", *facts, "", *steps, letter.foot, ""])


def _html(letter: _Letter) -> str:
    colour = _COLOURS[letter.mood]
    weights = ["600"] + ["400"] * (len(letter.facts) - 1)
    facts = "".join(
        f'<tr><td class="soft" style="padding:3px 20px 3px 0;color:#5f6368;white-space:nowrap;vertical-align:top">'
        f'{escape(name)}</td><td style="padding:3px 0;font-weight:{weight}">{escape(value)}</td></tr>'
        for (name, value), weight in zip(letter.facts.items(), weights, strict=True)
    )
    items = "".join(f'<li style="margin:0 0 6px">{_marked(step)}</li>' for step in letter.steps)
    steps = f"""
<tr><td style="padding:8px 24px 12px"><h2 style="margin:8px 0;font-size:15px;font-weight:600">What to do</h2>
<ul style="margin:0;padding-left:20px">{items}</ul></td></tr>"""
    word, _, title = letter.subject.partition(" · ")[0].partition("] ")
    return f"""\
<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark"><title>{escape(letter.subject)}</title>
<style>@media (prefers-color-scheme:dark){{{_DARK}}}</style></head>
<body class="ground" style="margin:0;padding:24px 12px;background:#f1f3f4;color:#202124;\
font:15px/1.5 -apple-system,'Segoe UI',Roboto,sans-serif">
<div role="main"><table role="presentation" class="card" cellspacing="0" cellpadding="0" align="center" \
style="width:100%;max-width:600px;border-collapse:separate;background:#ffffff;\
border:1px solid #dadce0;border-radius:8px">
<tr><td style="padding:14px 24px;background:{colour};color:#ffffff;border-radius:7px 7px 0 0">
<div style="font-size:12px;letter-spacing:.08em">{escape(word.strip("["))}</div>
<h1 style="margin:0;font-size:19px;font-weight:600">{escape(title)}</h1></td></tr>
<tr><td style="padding:20px 24px 12px"><p style="margin:0 0 14px;font-size:16px">{escape(letter.headline)}</p>
<table role="presentation" cellspacing="0" cellpadding="0" style="font-size:14px">{facts}</table></td></tr>\
{steps if letter.steps else ""}
<tr><td class="soft" style="padding:12px 24px 16px;border-top:1px solid #e8eaed;font-size:12px;color:#5f6368">\
{escape(letter.foot)}</td></tr>
</table></div></body></html>
"""


def _marked(text: str) -> str:
    """With what stands between backticks as code."""
    return re.sub("`([^`]+)`", r"<code>\1</code>", escape(text))
