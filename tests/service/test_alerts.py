"""Alerts of a real service process, mailed through a real mail server."""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from mailserver import PASSWORD, USER, MailServer, mail_server
from running import Service, frozen, post, slug

HASTE = {
    "TAPETUM_WINDOW_S": "3",  # a busy machine may let more than one second pass without an answer
    "TAPETUM_ALERT_EVERY_S": "0.05",
    "TAPETUM_ALERT_FOR_S": "0.2",
    "TAPETUM_ALERT_MIN_REQUESTS": "1",
    "TAPETUM_ALERT_CONFIDENCE": "0",
    "TAPETUM_WORKERS": "1",
    "TAPETUM_REQUEST_TIMEOUT_S": "600",  # a worker that stands still is not replaced
}
# What else this machine does is no matter of these tests.
CALM = dict.fromkeys(("TAPETUM_ALERT_CPU", "TAPETUM_ALERT_MEMORY", "TAPETUM_ALERT_DISK"), "1")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[MailServer]:
    with mail_server(tmp_path) as started:
        yield started


@pytest.fixture
def begin(start: Callable[..., Service], server: MailServer) -> Callable[..., Service]:
    """Start a service that mails through the server, and hurries."""

    def starter(**variables: str) -> Service:
        mailing = {
            "TAPETUM_MAIL_FROM": USER,
            "TAPETUM_MAIL_TO": "team@example.org",
            "GMAIL_PASS": PASSWORD,
            "TAPETUM_SMTP_HOST": "127.0.0.1",
            "TAPETUM_SMTP_PORT": str(server.port),
            "TAPETUM_SMTP_CA_FILE": str(server.ca_file),
        }
        return start(**mailing | HASTE | CALM | variables)

    return starter


def status(service: Service) -> dict:
    return service.client.get("/alerts/status").json()


def alert(service: Service, name: str) -> dict:
    return next(one for one in status(service)["alerts"] if one["name"] == name)


def sample(service: Service, name: str) -> float:
    lines = service.client.get("/metrics").text.splitlines()
    return next(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))


def fail_until(service: Service, picture: bytes, is_done: Callable[[], bool]) -> None:
    """Ask while the worker stands still, so that the answer is 504 each time."""

    def ask() -> bool:
        assert post(service, picture, timeout="10ms").status_code == 504
        return is_done()

    with frozen(service.workers()):
        service.until(ask)


def test_an_error_rate_is_mailed_and_its_end_too(begin, server, bright):
    service = begin()

    # The service's own count: its server has a mail before it knows that it was taken.
    fail_until(service, bright, lambda: sample(service, "alert_mails_sent_total") == 1)
    (firing,) = server.mails
    assert alert(service, "HighErrorRate")["state"] == "firing"
    assert sample(service, 'alerts_firing{alert="HighErrorRate"}') == 1
    service.until(lambda: post(service, bright).status_code == 200 and sample(service, "alert_mails_sent_total") == 2)

    over = server.mails[1]
    assert firing["Subject"].startswith("[FIRING] HighErrorRate · ")
    assert over["Subject"] == firing["Subject"].replace("FIRING", "RESOLVED")
    text = firing.get_body(("plain",)).get_content()
    assert "Error rate:" in text
    assert "above 5 % for 0 s, over at 2.5 %" in text
    assert "deadline-passed" in firing.get_body(("html",)).get_content()
    assert "Lasted:" in over.get_body(("plain",)).get_content()
    ended = alert(service, "HighErrorRate")
    assert (ended["state"], ended["since"], ended["last_mail"]["outcome"]) == ("ok", None, "sent")
    assert sample(service, 'alerts_firing{alert="HighErrorRate"}') == 0
    assert sample(service, "alert_mails_sent_total") == 2


def test_a_wrong_password_is_seen_wherever_one_looks(begin, server, bright):
    service = begin(GMAIL_PASS="not-the-password")  # noqa: S106 - nobody's

    refused = service.client.post("/alerts/test")
    fail_until(service, bright, lambda: status(service)["mails"]["failed"] == 2)

    assert (refused.status_code, slug(refused)) == (502, "mail-not-sent")
    assert "refused the login of cats@example.org: 535" in refused.json()["detail"]
    shown = status(service)
    assert shown["last_error"]["reason"] == refused.json()["detail"]
    assert alert(service, "HighErrorRate")["last_mail"]["outcome"] == "failed"
    assert sample(service, "alert_mails_failed_total") == 2
    assert server.passwords == ["not-the-password"] * 2
    (line,) = service.logged(event="alert mail given up")
    assert "535" in line["reason"]
    assert "not-the-password" not in service.log.read_text() + str(shown)


def test_a_mail_that_could_not_be_sent_is_sent_later(begin, server, bright):
    server.faults = ["die in DATA"]
    service = begin()

    fail_until(service, bright, lambda: status(service)["last_error"] is not None)

    assert "hung up in the middle" in status(service)["last_error"]["reason"]
    assert status(service)["mails"]["waiting"] >= 1
    service.until(lambda: len(server.mails) >= 1)
    assert server.subjects[0].startswith("[FIRING] HighErrorRate")


def test_an_operator_sends_a_test_mail_at_once_and_not_again_within_a_minute(begin, server, tmp_path):
    (tmp_path / "operators").write_text("an-operator-key-of-the-night")
    service = begin(TAPETUM_OPERATOR_KEYS_FILE=str(tmp_path / "operators"))
    key = {"Authorization": "Bearer an-operator-key-of-the-night"}
    strangers = [service.client.get("/alerts/status"), service.client.post("/alerts/test")]

    first, second = (service.client.post("/alerts/test", headers=key) for _ in range(2))

    assert [answer.status_code for answer in strangers] == [401, 401]
    assert first.status_code == 200
    assert first.json()["message"] == f"127.0.0.1:{server.port} has taken a test mail to team@example.org"
    assert (second.status_code, slug(second)) == (429, "too-soon")
    assert 1 <= int(second.headers["Retry-After"]) <= 60
    assert [subject.partition(" · ")[0] for subject in server.subjects] == ["[TEST] Alerts"]
    assert service.client.get("/alerts/status", headers=key).json()["account"]["recipients"] == ["team@example.org"]


def test_without_an_account_the_reason_is_said_and_alerts_are_looked_at_all_the_same(start, bright):
    service = start(**HASTE, **CALM)

    shown = status(service)
    test = service.client.post("/alerts/test")
    fail_until(service, bright, lambda: alert(service, "HighErrorRate")["state"] == "firing")

    assert (shown["mailing"], shown["account"]) == (False, None)
    assert shown["reason"].startswith("no mail account is set: the sender (TAPETUM_MAIL_FROM)")
    assert (test.status_code, slug(test)) == (403, "switched-off")
    assert "TAPETUM_MAIL_FROM" in test.json()["detail"]


def test_half_an_account_ends_the_start(run_until_exit, bundle_path):
    ended = run_until_exit("serve", str(bundle_path), "--port", "0", GMAIL_PASS="abcd")  # noqa: S106 - nobody's

    assert ended.returncode == 2
    (line,) = ended.stderr.splitlines()
    assert line.startswith("tapetum: alerts cannot be mailed without the sender (TAPETUM_MAIL_FROM) and the recipients")


def test_the_password_stands_in_the_env_file_and_is_never_shown(run_until_exit, tmp_path):
    (tmp_path / ".env").write_text('GMAIL_PASS="abcd efgh ijkl mnop"\n')

    shown = run_until_exit("config", "show")

    (line,) = (line for line in shown.stdout.splitlines() if line.startswith("GMAIL_PASS "))
    assert line.split() == ["GMAIL_PASS", "***", ".env"]
    assert "abcd" not in shown.stdout + shown.stderr


def test_a_mail_server_that_hangs_does_not_keep_the_service_from_ending(begin, server, bright):
    """Each of its steps may take 10 s, after which it is tried again; the end of the service allows it 3 s."""
    server.faults = ["hang"] * 100
    service = begin()
    fail_until(service, bright, lambda: server.connections > 0)

    service.process.send_signal(signal.SIGTERM)

    assert service.process.wait(30) == 0
    (line,) = (line for line in service.lines() if line["event"] == "alert mail given up")
    assert line["reason"] == "the service ended"
