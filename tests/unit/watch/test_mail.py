"""Sending to a real mail server that is like Gmail's, and that fails in each way that one can."""

import dataclasses
import socket
from email.message import EmailMessage
from pathlib import Path

import pytest
import structlog
from mailserver import PASSWORD, USER, MailServer, mail_server
from pydantic import SecretStr

from tapetum.errors import MailError, MailRefused
from tapetum.watch import mail
from tapetum.watch.account import Account

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mail")


@pytest.fixture
def server(folder: Path):
    with mail_server(folder) as started:
        yield started


@pytest.fixture
def account(server: MailServer) -> Account:
    recipients = ("a@example.org", "b@example.org")
    return Account("127.0.0.1", server.port, USER, recipients, USER, SecretStr(PASSWORD), server.ca_file, 5.0, 10.0)


@pytest.fixture
def message() -> EmailMessage:
    written = EmailMessage()
    written["Subject"], written["From"], written["To"] = "hot · here", USER, "a@example.org, b@example.org"
    written.set_content("It is hot: 95 %.\n")
    return written


async def test_a_mail_arrives_after_starttls_and_login(server, account, message):
    await mail.send(account, message)

    (arrived,) = server.mails
    assert (arrived["Subject"], arrived["To"]) == ("hot · here", "a@example.org, b@example.org")
    assert arrived.get_content().strip() == "It is hot: 95 %."


async def test_a_wrong_password_is_tried_once_and_told_in_the_servers_words(server, account, message):
    wrong = dataclasses.replace(account, password=SecretStr("not-the-password"))

    with pytest.raises(MailRefused, match=r"refused the login of cats@example\.org: 535 .*app password") as caught:
        await mail.send(wrong, message)

    assert server.passwords == ["not-the-password"]
    assert "not-the-password" not in str(caught.value)


async def test_a_server_of_an_unknown_authority_gets_neither_password_nor_mail(server, account, message):
    trusting_the_system = dataclasses.replace(account, ca_file=None)

    with pytest.raises(MailError, match=r"certificate of 127\.0\.0\.1:.* is not to be trusted: .*TAPETUM_SMTP_CA_FILE"):
        await mail.send(trusting_the_system, message)

    assert (server.passwords, server.mails) == ([], [])


async def test_a_server_of_another_name_gets_neither(server, account, message):
    elsewhere = dataclasses.replace(account, host="localhost")

    with pytest.raises(MailError, match="not to be trusted: Hostname mismatch"):
        await mail.send(elsewhere, message)

    assert server.passwords == []


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        ("hang", MailError, "did not answer within 0.2 s"),
        ("hang in DATA", MailError, "did not answer within 0.2 s"),
        ("die in DATA", MailError, "hung up in the middle"),
        ("451", MailError, "refused the mail: 451 4.3.0 busy, try later"),
        ("550", MailRefused, "refused every recipient: 550 5.1.1 no such mailbox"),
        ("no login", MailRefused, "offers no login with a password"),
        ("relay", MailRefused, "does not offer what is needed: STARTTLS"),
    ],
)
async def test_each_fault_is_told_and_whether_another_attempt_is_of_use(server, account, message, fault, kind, words):
    server.faults = [fault]
    hasty = dataclasses.replace(account, step_s=0.2) if "hang" in fault else account

    with pytest.raises(MailError, match=words) as caught:
        await mail.send(hasty, message)

    assert type(caught.value) is kind
    assert server.mails == []
    await mail.send(account, message)
    assert server.subjects == ["hot · here"]


async def test_a_server_that_only_knows_login_gets_it(server, account, message):
    server.faults = ["only LOGIN"]

    await mail.send(account, message)

    assert (server.passwords, server.subjects) == ([PASSWORD], ["hot · here"])


async def test_a_relay_is_asked_for_neither_encryption_nor_login(server, account, message):
    server.faults = ["relay"]

    await mail.send(dataclasses.replace(account, password=None), message)

    assert (server.passwords, server.subjects) == ([], ["hot · here"])


async def test_a_recipient_that_is_refused_costs_the_others_nothing(server, account, message):
    server.faults = ["550 for b"]

    with structlog.testing.capture_logs() as lines:
        await mail.send(account, message)

    assert server.subjects == ["hot · here"]
    assert lines[0]["refused"] == {"b@example.org": "550 5.1.1 no such mailbox"}


async def test_an_attempt_is_bounded_as_a_whole(server, account, message):
    server.faults = ["hang"]

    with pytest.raises(MailError, match=r"did not take the mail within 0\.1 s"):
        await mail.send(dataclasses.replace(account, total_s=0.1), message)


async def test_nobody_at_the_port_is_said(account, message):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    with pytest.raises(MailError, match=f"127.0.0.1:{port} cannot be used: Connection refused"):
        await mail.send(dataclasses.replace(account, port=port), message)


async def test_a_password_file_that_has_gone_is_said(account, message, tmp_path):
    with pytest.raises(MailError, match="the file of GMAIL_PASS_FILE cannot be read"):
        await mail.send(dataclasses.replace(account, password=tmp_path / "gone"), message)
