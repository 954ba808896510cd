"""The alerts of a running service: one task looks at the rules, another sends the mails."""

import asyncio
import socket
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from email.message import EmailMessage
from time import monotonic

import structlog

from tapetum import metrics
from tapetum.errors import SwitchedOff, TooSoon
from tapetum.serving.instruments import Reading
from tapetum.settings import Settings
from tapetum.watch import letters, mail, rules
from tapetum.watch.account import Account, account
from tapetum.watch.alerting import Alerting, Notice, Value
from tapetum.watch.drift import Drift
from tapetum.watch.letters import Place
from tapetum.watch.outbox import Letter, Outbox
from tapetum.watch.sampler import Sampler
from tapetum.watch.system_figures import SystemFigures
from tapetum.watch.window import Window

TEST_EVERY_S = 60.0
CLOSE_S = 3.0

log = structlog.get_logger()


def measures(window: Window, system: Sampler[SystemFigures], drift: Drift, least: int) -> dict[str, Value]:
    """What the rules are about, by the names that they have for it.

    Shares and averages are unknown where fewer than `least` requests or predictions are in the window.
    """

    def error_rate() -> float | None:
        figures = window.api()
        return figures.error_rate if figures.requests >= least else None

    def confidence_average() -> float | None:
        figures = window.model()
        return figures.confidence.mean if figures.confidence and figures.predictions >= least else None

    def confidence_minimum() -> float | None:
        confidence = window.model().confidence
        return confidence.min if confidence else None

    def accuracy_loss() -> float | None:
        verdict = drift.verdict
        return None if verdict is None else verdict.loss_at_least if verdict.drifted else 0.0

    def drifted() -> float | None:
        verdict = drift.verdict
        return None if verdict is None else len(verdict.drifted) / len(verdict.distances)

    return {
        "error_rate": error_rate,
        "accuracy_loss": accuracy_loss,
        "drift": drifted,
        "confidence_average": confidence_average,
        "confidence_minimum": confidence_minimum,
        "cpu": lambda: system.latest.cpu.share,
        "memory": lambda: system.latest.memory.share if system.latest.memory else None,
        "disk": lambda: system.latest.disk.share if system.latest.disk else None,
    }


class Alarm:
    """`values` gives what the rules are about, `model` the name of what is served. Raises ConfigError.

    Alerts are looked at even where they are not mailed: they stand in
    `/alerts/status`, in `/metrics` and in the log all the same.
    """

    def __init__(self, settings: Settings, values: Mapping[str, Value], model: Callable[[], str]) -> None:
        chosen = account(settings)
        self.account = chosen if isinstance(chosen, Account) else None
        self.silence = chosen if isinstance(chosen, str) else None
        self.every_s = settings.alert_every_s
        self.values = values
        self.outbox = Outbox(self._send)
        self.alerting = Alerting(rules.of(settings), values, self._post if self.account else None)
        self._model = model
        self._test_from = monotonic()

    async def run(self) -> None:
        """Look at the rules again and again until cancelled; what waits to be sent then has some seconds left."""
        posting = asyncio.create_task(self.outbox.run())
        try:
            while True:
                try:
                    self.alerting.look()
                except Exception:  # the top of a loop that must go on as long as the service does
                    log.exception("alerts cannot be evaluated")
                await asyncio.sleep(self.every_s)
        finally:
            await self.outbox.close(posting, CLOSE_S)

    async def test(self) -> Account:
        """Send a test mail now, past all that waits. Raises SwitchedOff, TooSoon or MailError."""
        if self.account is None:
            raise SwitchedOff(f"alerts are not mailed: {self.silence}")
        now = monotonic()
        if now < self._test_from:
            wait_s = self._test_from - now
            raise TooSoon(f"there is one test mail in {TEST_EVERY_S:g} s at most: try again in {wait_s:.0f} s", wait_s)
        self._test_from = now + TEST_EVERY_S
        await self.outbox.send_now(letters.of_test(self._place(), self.account, datetime.now(UTC)))
        return self.account

    def readings(self) -> Iterator[Reading]:
        """Its series, as they are now."""
        for alert in self.alerting.alerts:
            yield Reading(metrics.ALERTS_FIRING, alert.state == "firing", (alert.rule.name,))
        yield Reading(metrics.ALERTS_SENT, self.outbox.sent)
        yield Reading(metrics.ALERTS_FAILED, self.outbox.failed)
        yield Reading(metrics.ALERTS_SUPPRESSED, self.alerting.suppressed)

    def _post(self, notice: Notice) -> Letter:
        assert self.account is not None
        return self.outbox.put(letters.of_notice(notice, self._place(), self.account, datetime.now(UTC)))

    async def _send(self, message: EmailMessage) -> None:
        assert self.account is not None
        await mail.send(self.account, message)

    def _place(self) -> Place:
        return Place(self._model(), socket.gethostname())
