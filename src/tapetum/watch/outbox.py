"""Mails on their way: sent in turn, again and again while the mail server cannot take them, up to a bound."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import EmailMessage
from time import monotonic
from typing import Literal

import structlog

from tapetum.errors import MailError, MailRefused

MOST = 100
KEEP_S = 86_400.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 5.0, 600.0

log = structlog.get_logger()


@dataclass
class Letter:
    """One mail and what became of it."""

    message: EmailMessage
    written: float  # by the clock of its outbox
    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    outcome: Literal["waiting", "sent", "failed"] = "waiting"
    attempts: int = 0

    @property
    def subject(self) -> str:
        return str(self.message["Subject"])


@dataclass(frozen=True)
class Failure:
    """The last thing that went wrong."""

    at: datetime
    reason: str


class Outbox:
    """Mails in their order. Lasts as long as the process: what waits at its end is given up, and counted.

    A mail is given up once it is refused for good, has waited for a day, or is
    the oldest of more than `MOST`.
    """

    def __init__(
        self,
        send: Callable[[EmailMessage], Awaitable[None]],
        clock: Callable[[], float] = monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.sent = self.failed = 0
        self.last_failure: Failure | None = None
        self._send, self._clock, self._sleep, self._chance = send, clock, sleep, chance
        self._waiting: asyncio.Queue[Letter] = asyncio.Queue(MOST)
        self._current: Letter | None = None

    @property
    def waiting(self) -> int:
        return self._waiting.qsize() + (self._current is not None)

    def put(self, message: EmailMessage) -> Letter:
        """Send `message` after those before it."""
        if self._waiting.full():
            self._waiting.task_done()
            self._give_up(self._waiting.get_nowait(), f"more than {MOST} mails waited")
        letter = Letter(message, self._clock())
        self._waiting.put_nowait(letter)
        return letter

    async def run(self) -> None:
        """Send what is put in, until cancelled."""
        while True:
            self._current = await self._waiting.get()
            await self._post(self._current)
            self._current = None
            self._waiting.task_done()

    async def send_now(self, message: EmailMessage) -> None:
        """One attempt past all others. Raises MailError."""
        try:
            await self._send(message)
        except MailError as error:
            self.failed += 1
            self._note(error)
            raise
        self.sent += 1

    async def close(self, running: "asyncio.Task[None]", within_s: float) -> None:
        """End `run`, with some time for what still waits."""
        emptied = asyncio.create_task(self._waiting.join())
        await asyncio.wait([emptied, running], timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
        for task in (emptied, running):
            task.cancel()
        await asyncio.wait([emptied, running])
        left, self._current = [self._current] if self._current else [], None
        while not self._waiting.empty():
            left.append(self._waiting.get_nowait())
        for letter in left:
            self._give_up(letter, "the service ended")

    async def _post(self, letter: Letter) -> None:
        while letter.outcome == "waiting":
            letter.attempts += 1
            try:
                await self._send(letter.message)
            except MailRefused as error:
                self._note(error)
                self._give_up(letter, str(error))
            except MailError as error:
                self._note(error)
                await self._wait(letter, str(error))
            else:
                letter.outcome = "sent"
                self.sent += 1
                log.info("alert mail sent", subject=letter.subject, attempts=letter.attempts)

    async def _wait(self, letter: Letter, reason: str) -> None:
        pause_s = pause(letter.attempts, self._chance())
        if self._clock() + pause_s - letter.written > KEEP_S:
            self._give_up(letter, f"it waited for a day; at last {reason}")
            return
        log.warning("alert mail not sent yet", subject=letter.subject, reason=reason, again_in_s=round(pause_s, 1))
        await self._sleep(pause_s)

    def _give_up(self, letter: Letter, reason: str) -> None:
        letter.outcome = "failed"
        self.failed += 1
        log.error("alert mail given up", subject=letter.subject, reason=reason, attempts=letter.attempts)

    def _note(self, error: MailError) -> None:
        self.last_failure = Failure(datetime.now(UTC), str(error))


def pause(attempts: int, chance: float) -> float:
    """Seconds before the next attempt: doubling, up to a bound, less up to half of it by chance (0 to 1)."""
    doublings = min(attempts - 1, 10)  # by then the bound is reached
    return min(FIRST_PAUSE_S * 2.0**doublings, LONGEST_PAUSE_S) * (1 - chance / 2)
