"""The routes of the service's own alerts."""

from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field

from tapetum.serving.alarm import Alarm
from tapetum.serving.auth import observing
from tapetum.serving.problems import MEDIA_TYPE, Problem
from tapetum.watch.account import Account
from tapetum.watch.alerting import Alert, State
from tapetum.watch.outbox import Letter


class MailAccount(BaseModel):
    """Where alerts are mailed to; the password is never shown."""

    sender: str
    recipients: list[str]
    server: str
    encrypted: bool = Field(description="Whether mails travel encrypted, after a login.")
    user: str


class LastMail(BaseModel):
    """The last mail about an alert."""

    subject: str
    at: datetime = Field(description="When it was written.")
    outcome: Literal["waiting", "sent", "failed"] = Field(description="failed: it was given up.")
    attempts: int


class AlertStatus(BaseModel):
    """Where one alert stands."""

    name: str
    severity: Literal["ticket", "warning", "critical"]
    state: State = Field(description="pending: the value is bad, but not yet for long enough.")
    metric: str
    value: float | None = Field(description="At the last look; null where it is unknown, or too little traffic.")
    fires: Literal["above", "below"]
    threshold: float
    clears_at: float = Field(description="The value at which a firing alert is over.")
    for_s: float = Field(description="For how long the value must be bad before it fires.")
    cooldown_s: float = Field(description="Least time between two mails that it fires.")
    since: datetime | None = Field(description="Since when the value is bad; null where it is not.")
    last_mail: LastMail | None


class Mails(BaseModel):
    """What became of mails since the service started."""

    waiting: int
    sent: int
    failed: int = Field(description="Given up, test mails included.")
    suppressed: int = Field(description="Held back by a cooldown.")


class MailFailure(BaseModel):
    """The last attempt at sending that failed."""

    at: datetime
    reason: str


class AlertsStatus(BaseModel):
    """The service's own alerts."""

    mailing: bool = Field(description="Whether alerts are mailed.")
    reason: str | None = Field(description="Why they are not; null where they are.")
    account: MailAccount | None
    every_s: float = Field(description="Time between two looks at all alerts.")
    metrics: dict[str, float | None] = Field(description="The values now, as shares from 0 to 1; null is unknown.")
    alerts: list[AlertStatus]
    mails: Mails
    last_error: MailFailure | None


class MailTaken(BaseModel):
    """The mail server has taken the test mail."""

    sent: Literal[True] = True
    message: str


async def _alarm(request: Request) -> Alarm:
    alarm: Alarm = request.app.state.alarm
    return alarm


TheAlarm = Annotated[Alarm, Depends(_alarm)]

_PROBLEM: dict[str, Any] = {"model": Problem, "content": {MEDIA_TYPE: {}}}

router = APIRouter(prefix="/alerts", dependencies=[Depends(observing)], responses={401: _PROBLEM})


@router.get("/status")
async def status(alarm: TheAlarm) -> AlertsStatus:
    """Whether and where alerts are mailed, where each stands, and what became of the mails."""
    failure = alarm.outbox.last_failure
    return AlertsStatus(
        mailing=alarm.account is not None,
        reason=alarm.silence,
        account=_account(alarm.account) if alarm.account else None,
        every_s=alarm.every_s,
        metrics={name: value() for name, value in alarm.values.items()},
        alerts=[_alert(alert, monotonic()) for alert in alarm.alerting.alerts],
        mails=Mails(
            waiting=alarm.outbox.waiting,
            sent=alarm.outbox.sent,
            failed=alarm.outbox.failed,
            suppressed=alarm.alerting.suppressed,
        ),
        last_error=MailFailure(at=failure.at, reason=failure.reason) if failure else None,
    )


@router.post(
    "/test",
    responses={
        code: _PROBLEM | {"description": description}
        for code, description in (
            (403, "Alerts are not mailed, and why."),
            (429, "A test mail was asked for a moment ago."),
            (502, "The mail was not sent, in the mail server's words."),
        )
    },
)
async def test(alarm: TheAlarm) -> MailTaken:
    """Send a test mail now, and tell what the mail server said; at most one a minute."""
    account = await alarm.test()
    place = f"{account.host}:{account.port}"
    return MailTaken(message=f"{place} has taken a test mail to {', '.join(account.recipients)}")


def _account(account: Account) -> MailAccount:
    return MailAccount(
        sender=account.sender,
        recipients=list(account.recipients),
        server=f"{account.host}:{account.port}",
        encrypted=account.is_encrypted,
        user=account.user,
    )


def _alert(alert: Alert, now: float) -> AlertStatus:
    rule, bound = alert.rule, alert.rule.bound
    return AlertStatus(
        name=rule.name,
        severity=rule.severity,
        state=alert.state,
        metric=rule.metric,
        value=alert.value,
        fires=bound.bad,
        threshold=bound.threshold,
        clears_at=bound.clears_at,
        for_s=rule.for_s,
        cooldown_s=rule.cooldown_s,
        since=None if alert.since is None else datetime.now(UTC) - timedelta(seconds=now - alert.since),
        last_mail=_mail(alert.letter) if alert.letter else None,
    )


def _mail(letter: Letter) -> LastMail:
    return LastMail(subject=letter.subject, at=letter.at, outcome=letter.outcome, attempts=letter.attempts)
