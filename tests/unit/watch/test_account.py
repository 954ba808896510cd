"""Who mails to whom through what, as the settings say it, and what is said of half a configuration."""

from pathlib import Path

import pytest

from tapetum import settings
from tapetum.errors import ConfigError
from tapetum.settings import Settings
from tapetum.watch.account import Account, account

WHOLE = {"mail_from": "Cats <cats@gmail.com>", "mail_to": "a@example.org, Bo <b@example.org>", "GMAIL_PASS": "abcd"}


def chosen(**given: object) -> Account | str:
    return account(Settings(_env_file=None, **given))


@pytest.fixture(autouse=True)
def bare(monkeypatch):
    monkeypatch.delenv("GMAIL_PASS", raising=False)


def test_sender_recipients_and_password_suffice_for_gmail():
    found = chosen(**WHOLE)

    assert isinstance(found, Account)
    assert (found.host, found.port, found.is_encrypted) == ("smtp.gmail.com", 587, True)
    assert (found.user, found.recipients) == ("cats@gmail.com", ("a@example.org", "b@example.org"))
    assert found.secret() == "abcd"


def test_three_lines_of_the_env_file_suffice(monkeypatch, tmp_path):
    """The first as courses and tutorials have it, app password in quotes and groups."""
    monkeypatch.chdir(tmp_path)
    lines = ['GMAIL_PASS="abcd efgh ijkl mnop"', "TAPETUM_MAIL_FROM=me@gmail.com", "TAPETUM_MAIL_TO=you@example.org"]
    Path(".env").write_text("\n".join(lines))

    found = account(settings.load())

    assert isinstance(found, Account)
    assert (found.user, found.secret(), found.recipients) == (
        "me@gmail.com",
        "abcd efgh ijkl mnop",
        ("you@example.org",),
    )


def test_the_password_stands_in_no_representation():
    given = WHOLE | {"GMAIL_PASS": "top-secret"}

    assert "top-secret" not in repr(chosen(**given)) + repr(Settings(_env_file=None, **given))


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({}, "no mail account is set: the sender (TAPETUM_MAIL_FROM), the recipients (TAPETUM_MAIL_TO), the password"),
        (WHOLE | {"alerts": "off"}, "TAPETUM_ALERTS is off"),
        ({"GMAIL_PASS": "half a configuration", "alerts": "off"}, "TAPETUM_ALERTS is off"),
    ],
)
def test_without_an_account_nothing_is_mailed_and_the_reason_is_given(given, reason):
    found = chosen(**given)

    assert isinstance(found, str)
    assert found.startswith(reason)


@pytest.mark.parametrize("given", [{"alerts": "on"}, {"GMAIL_PASS": "x"}, {"mail_from": "a@b"}, {"mail_to": "a@b"}])
def test_half_a_configuration_names_all_that_is_missing(given):
    missing = {
        "mail_from": "the sender (TAPETUM_MAIL_FROM)",
        "mail_to": "the recipients (TAPETUM_MAIL_TO)",
        "GMAIL_PASS": "the password (GMAIL_PASS or GMAIL_PASS_FILE)",
    }

    with pytest.raises(ConfigError) as caught:
        chosen(**given)

    assert [words in str(caught.value) for words in missing.values()] == [name not in given for name in missing]
    assert "TAPETUM_ALERTS=off" in str(caught.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"mail_from": "cats"}, "TAPETUM_MAIL_FROM is 'cats': expected an address such as me@gmail.com"),
        ({"mail_from": "a@b, c@d"}, "TAPETUM_MAIL_FROM is 'a@b, c@d': expected an address"),
        ({"mail_to": "a@b; c@d"}, "TAPETUM_MAIL_TO is 'a@b; c@d': expected addresses separated by commas"),
        ({"mail_from": "a@b\nBcc: c@d"}, "TAPETUM_MAIL_FROM is"),
        (
            {"smtp_ca_file": "nowhere.pem"},
            "the file of TAPETUM_SMTP_CA_FILE cannot be read as certificates in PEM: No such",
        ),
        ({"smtp_ca_file": __file__}, "the file of TAPETUM_SMTP_CA_FILE cannot be read as certificates in PEM: "),
        ({"GMAIL_PASS": "пароль"}, "GMAIL_PASS is not ASCII"),
        ({"GMAIL_PASS": "  "}, "GMAIL_PASS is empty"),
        ({"GMAIL_PASS_FILE": "also.txt"}, "GMAIL_PASS and GMAIL_PASS_FILE are both set"),
        ({"smtp_starttls": "off"}, "TAPETUM_SMTP_STARTTLS is off, and the password would cross the network"),
        ({"GMAIL_PASS": None, "GMAIL_PASS_FILE": "nowhere"}, "the file of GMAIL_PASS_FILE cannot be read: No such"),
    ],
)
def test_what_is_wrong_is_named(change, words):
    with pytest.raises(ConfigError, match=words) as caught:
        chosen(**{**WHOLE, **change})

    assert "пароль" not in str(caught.value)


def test_a_relay_that_wants_no_login_needs_no_password():
    found = chosen(mail_from="a@b", mail_to="c@d", smtp_host="relay", smtp_port=25, smtp_starttls="off")

    assert isinstance(found, Account)
    assert not found.is_encrypted


def test_spaces_that_a_browser_copies_are_made_plain():
    found = chosen(**WHOLE | {"GMAIL_PASS": "abcd\xa0efgh\xa0ijkl\xa0mnop\n"})

    assert isinstance(found, Account)
    assert found.secret() == "abcd efgh ijkl mnop"


def test_a_file_of_the_password_is_read_for_every_mail(tmp_path: Path):
    file = tmp_path / "password"
    file.write_text("first\n")
    found = chosen(**WHOLE | {"GMAIL_PASS": None, "GMAIL_PASS_FILE": file})
    assert isinstance(found, Account)
    assert found.secret() == "first"

    file.write_text("second\n")
    assert found.secret() == "second"
