"""The outbox, with a sender that the test commands and a clock that its pauses move."""

import asyncio
from dataclasses import dataclass, field
from email.message import EmailMessage

import pytest

from tapetum.errors import MailError, MailRefused
from tapetum.watch.outbox import KEEP_S, LONGEST_PAUSE_S, MOST, Outbox, pause

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def mail(subject: str = "hot") -> EmailMessage:
    message = EmailMessage()
    message["Subject"] = subject
    return message


@dataclass
class World:
    """Answers are given in turn, then mails are taken; None takes one, too. Pauses end at once."""

    answers: list[MailError | None] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)
    now: float = 0.0
    is_shut: bool = False

    async def send(self, message: EmailMessage) -> None:
        if self.is_shut:
            await asyncio.Event().wait()
        answer = self.answers.pop(0) if self.answers else None
        if answer is not None:
            raise answer
        self.taken.append(str(message["Subject"]))

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds

    def outbox(self) -> Outbox:
        return Outbox(self.send, lambda: self.now, self.sleep, chance=lambda: 0.0)


@pytest.fixture
def world() -> World:
    return World()


async def flush(outbox: Outbox) -> None:
    """Run it until nothing waits, which it must notice by itself."""
    async with asyncio.timeout(20):
        await outbox.close(asyncio.create_task(outbox.run()), within_s=60)


async def test_mails_are_sent_in_their_order(world):
    outbox = world.outbox()
    letters = [outbox.put(mail(subject)) for subject in ("first", "second", "third")]
    assert outbox.waiting == 3

    await flush(outbox)

    assert world.taken == ["first", "second", "third"]
    assert {letter.outcome for letter in letters} == {"sent"}
    assert (outbox.sent, outbox.failed, outbox.waiting) == (3, 0, 0)


async def test_a_mail_is_tried_again_after_pauses_that_grow(world):
    world.answers = [MailError("busy")] * 4
    outbox = world.outbox()
    letter = outbox.put(mail())

    await flush(outbox)

    assert world.pauses == [5.0, 10.0, 20.0, 40.0]
    assert (letter.outcome, letter.attempts) == ("sent", 5)
    assert outbox.last_failure is not None
    assert outbox.last_failure.reason == "busy"


async def test_those_behind_wait_so_that_an_end_is_not_told_before_its_beginning(world):
    world.answers = [MailError("busy")] * 2
    outbox = world.outbox()
    for subject in ("firing", "over"):
        outbox.put(mail(subject))

    await flush(outbox)

    assert world.taken == ["firing", "over"]


async def test_what_is_refused_for_good_is_not_tried_again(world):
    """Such as a wrong password: more attempts would have the account locked."""
    world.answers = [MailRefused("535 no")]
    outbox = world.outbox()
    letter = outbox.put(mail("first"))
    outbox.put(mail("second"))

    await flush(outbox)

    assert (letter.outcome, letter.attempts) == ("failed", 1)
    assert (outbox.failed, world.taken, world.pauses) == (1, ["second"], [])


async def test_a_mail_is_given_up_after_a_day(world):
    world.answers = [MailError("gone")] * 10_000
    outbox = world.outbox()
    letter = outbox.put(mail())

    await flush(outbox)

    assert letter.outcome == "failed"
    assert KEEP_S - LONGEST_PAUSE_S < world.now <= KEEP_S
    assert outbox.failed == 1


async def test_the_oldest_makes_room_where_too_many_wait(world):
    outbox = world.outbox()
    letters = [outbox.put(mail(str(number))) for number in range(MOST + 1)]

    assert (letters[0].outcome, outbox.waiting, outbox.failed) == ("failed", MOST, 1)
    await flush(outbox)

    assert world.taken == [str(number) for number in range(1, MOST + 1)]


async def test_at_its_end_what_still_waits_is_given_up(world):
    world.is_shut = True
    outbox = world.outbox()
    letters = [outbox.put(mail()), outbox.put(mail())]

    await outbox.close(asyncio.create_task(outbox.run()), within_s=0.01)

    assert [letter.outcome for letter in letters] == ["failed", "failed"]
    assert (outbox.failed, outbox.waiting) == (2, 0)


async def test_one_mail_can_go_past_all_others_and_says_what_happened(world):
    outbox = world.outbox()
    outbox.put(mail("waiting"))
    await outbox.send_now(mail("now"))
    world.answers = [MailError("busy")]

    with pytest.raises(MailError, match="busy"):
        await outbox.send_now(mail("again"))

    assert world.taken == ["now"]
    assert (outbox.sent, outbox.failed, outbox.waiting) == (1, 1, 1)


@pytest.mark.parametrize(
    ("attempts", "chance", "seconds"),
    [(1, 0.0, 5.0), (1, 1.0, 2.5), (3, 0.5, 15.0), (30, 0.0, 600.0), (2000, 1.0, 300.0)],
)
def test_chance_spreads_the_pauses_of_many(attempts, chance, seconds):
    assert pause(attempts, chance) == seconds
