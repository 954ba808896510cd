"""What alert mails say, to people and to mail programs."""

from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path

import pytest

from tapetum.settings import Settings
from tapetum.watch import letters, rules
from tapetum.watch.account import Account
from tapetum.watch.alerting import Notice
from tapetum.watch.letters import Place, duration, share

ACCOUNT = Account("smtp.gmail.com", 587, "Cats <me@gmail.com>", ("a@b.c", "d@e.f"), "me@gmail.com", None)
PLACE = Place("cats <& dogs>", "serving-01")
PAGE = Path(__file__).parents[3] / letters.RUNBOOK
NOW = datetime(2026, 11, 22, 7, 31, 12, tzinfo=UTC)
RULES = {rule.name: rule for rule in rules.of(Settings(_env_file=None, alert_single_confidence=0.5))}


def written(is_firing: bool, name: str = "HighErrorRate") -> EmailMessage:
    return letters.of_notice(Notice(RULES[name], is_firing, 0.1273, 75.0), PLACE, ACCOUNT, NOW)


def part(message: EmailMessage, kind: str) -> str:
    body = message.get_body((kind,))
    assert body is not None
    return str(body.get_content())


def test_a_firing_alert_says_what_since_when_and_what_to_do():
    message = written(is_firing=True)

    assert message["Subject"] == "[FIRING] HighErrorRate · cats <& dogs> on serving-01"
    assert (message["From"], message["To"]) == ("Cats <me@gmail.com>", "a@b.c, d@e.f")
    assert part(message, "plain").splitlines()[:8] == [
        "The service fails to answer requests.",
        "",
        "Error rate: 12.7 %",
        "Threshold:  above 5 % for 1 min, over at 2.5 %",
        "Since:      2026-11-22 07:29:57 UTC",
        "For:        1 min 15 s",
        "Severity:   critical",
        "Service:    cats <& dogs> on serving-01",
    ]
    assert "- worker-lost: " in part(message, "plain")
    assert "docs/alerting.md#higherrorrate" in part(message, "plain")


def test_its_end_says_how_long_it_lasted():
    message = written(is_firing=False)

    assert message["Subject"] == "[RESOLVED] HighErrorRate · cats <& dogs> on serving-01"
    assert "Lasted:     1 min 15 s" in part(message, "plain")
    assert "What to do" not in part(message, "plain")


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("is_firing", [True, False])
def test_html_says_what_the_text_says_and_obeys_no_name(is_firing, name):
    message = written(is_firing, name)

    html = part(message, "html")

    assert message.get_content_type() == "multipart/alternative"
    assert "cats &lt;&amp; dogs&gt; on serving-01" in html
    assert "cats <&" not in html
    assert all(fact in html for fact in ("12.7 %", "2026-11-22 07:29:57 UTC", "1 min 15 s", RULES[name].severity))
    assert ("What to do" in html) is is_firing


def test_a_name_of_several_lines_adds_no_header():
    message = letters.of_test(Place("cats\r\nBcc: x@y.z", "here"), ACCOUNT, NOW)

    assert message["Subject"] == "[TEST] Alerts · cats Bcc: x@y.z on here"
    assert message["Bcc"] is None


@pytest.mark.parametrize("name", RULES)
def test_every_rule_has_its_runbook_and_its_row(name):
    page, rule = PAGE.read_text(), RULES[name]

    (row,) = (line for line in page.splitlines() if line.startswith(f"| `{name}` |"))
    assert f"\n### {name}\n" in page
    assert f"| {rule.severity} |" in row
    if name != "UnsurePrediction":  # which has no bound until someone sets one
        assert f" {rule.bound.threshold * 100:g} % " in row
        assert f"| at {rule.bound.clears_at * 100:g} % |" in row


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.2, "0 s"), (59, "59 s"), (60, "1 min"), (3725, "1 h 2 min"), (90_000, "1 d 1 h")]
)
def test_a_duration_has_two_units(seconds, words):
    assert duration(seconds) == words


@pytest.mark.parametrize(("value", "words"), [(0.05, "5 %"), (0.1273, "12.7 %"), (1.0, "100 %"), (0.0, "0 %")])
def test_a_share_is_told_in_percent(value, words):
    assert share(value) == words
