"""The queues behind the log, with a destination that a test can stop."""

import re
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from structlog.testing import capture_logs

from tapetum.logs.destinations import Kind
from tapetum.logs.journal import Journal
from tapetum.logs.lines import Line, finish
from tapetum.logs.outlet import STUCK_S, Outlet

LIMIT = 100
WITHIN_S = 30


class Recorder:
    """Keeps lines, as long as it is neither told to hang nor to fail."""

    kind: Kind = "file"
    name = "a list"

    def __init__(self, most: int = 1000) -> None:
        self.lines: list[bytes] = []
        self.failure: Exception | None = None
        self.attempts = threading.Semaphore(0)
        self.flows = threading.Event()
        self.flows.set()
        self._most = most

    def render(self, line: Line) -> bytes:
        return str(line.fields["event"]).encode()

    def write(self, lines: Sequence[bytes]) -> int:
        self.attempts.release()
        self.flows.wait()
        if self.failure is not None:
            raise self.failure
        self.lines += lines[: self._most]
        return min(len(lines), self._most)


def hang(recorder: Recorder, journal: Journal) -> None:
    """Make it hang, with one line in its hands."""
    recorder.flows.clear()
    say(journal, "stuck")
    assert recorder.attempts.acquire(timeout=WITHIN_S)


def say(journal: Journal, event: str, level: str = "info") -> None:
    journal.take(**finish(None, level, {"level": level, "event": event}))


def line(event: str, level: str = "info") -> Line:
    return Line(dict(finish(None, level, {"level": level, "event": event})))


def until(is_so: Callable[[], bool]) -> None:
    for _ in range(WITHIN_S * 100):
        if is_so():
            return
        threading.Event().wait(0.01)
    raise AssertionError("it did not come so far")


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def journal(recorder: Recorder) -> Iterator[Journal]:
    opened = Journal([recorder], LIMIT, pause_s=0.01)
    yield opened
    recorder.flows.set()
    opened.close()


def test_lines_come_in_order_and_are_counted_by_level(journal, recorder):
    for number in range(50):
        say(journal, str(number), "info" if number % 2 else "error")

    journal.close()

    assert recorder.lines == [b"%d" % number for number in range(50)]
    assert journal.lines == {"debug": 0, "info": 25, "warning": 0, "error": 25, "critical": 0}


def test_a_destination_that_hangs_does_not_hold_up_callers_and_each_line_too_many_is_counted(journal, recorder):
    hang(recorder, journal)

    for number in range(LIMIT + 23):
        say(journal, str(number))

    queued = LIMIT * 9 // 10
    assert journal.outlets[0].health.queued == queued + 1
    assert journal.dropped == LIMIT + 23 - queued
    recorder.flows.set()
    journal.close()
    assert recorder.lines[: queued + 1] == [b"stuck", *(b"%d" % number for number in range(queued))]


def test_the_end_of_the_queue_is_kept_for_warnings_and_worse(journal, recorder):
    hang(recorder, journal)
    for number in range(LIMIT):
        say(journal, str(number))

    for level in ("warning", "error", "critical", "info", "debug"):
        say(journal, level, level)

    recorder.flows.set()
    journal.close()
    assert [event for event in recorder.lines if event.isalpha() and event != b"stuck"][:3] == [
        b"warning",
        b"error",
        b"critical",
    ]
    assert not {b"info", b"debug"} & set(recorder.lines)


def test_the_log_itself_tells_of_its_losses_once_it_can(journal, recorder):
    with capture_logs() as told:
        hang(recorder, journal)
        for number in range(LIMIT):
            say(journal, str(number))
        recorder.flows.set()
        until(lambda: bool(told))

    assert told == [{"event": "lines were lost", "handler": "file", "lines": LIMIT // 10, "log_level": "warning"}]


def test_other_destinations_do_not_wait_for_one_that_hangs(recorder):
    other = Recorder()
    journal = Journal([recorder, other], LIMIT)
    hang(recorder, journal)

    for number in range(50):
        say(journal, str(number))

    until(lambda: len(other.lines) == 51)
    assert recorder.lines == []
    recorder.flows.set()
    journal.close()


@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), UnicodeError("a host without a name")])
def test_after_a_failure_the_same_lines_are_tried_again_until_they_are_through(journal, recorder, failure):
    recorder.failure = failure
    with capture_logs() as told:
        for number in range(5):
            say(journal, str(number))
        until(lambda: journal.outlets[0].health.errors > 2)
        failing = journal.outlets[0].health
        recorder.failure = None
        until(lambda: len(recorder.lines) == 5)
        until(lambda: len(told) == 2)

    assert recorder.lines == [b"0", b"1", b"2", b"3", b"4"]
    assert not failing.is_up
    assert failing.last_error == (getattr(failure, "strerror", None) or str(failure))
    healed = journal.outlets[0].health
    assert (healed.is_up, healed.queued, healed.dropped) == (True, 0, 0)
    assert [line["event"] for line in told] == [
        "lines do not reach their destination",
        "lines reach their destination again",
    ]


def test_a_destination_that_takes_a_part_gets_the_rest():
    recorder = Recorder(most=3)
    journal = Journal([recorder])
    for number in range(10):
        say(journal, str(number))

    journal.close()

    assert recorder.lines == [b"%d" % number for number in range(10)]


def test_a_full_queue_is_written_when_the_process_ends(journal, recorder):
    hang(recorder, journal)
    for number in range(LIMIT * 9 // 10):
        say(journal, str(number))

    with ThreadPoolExecutor(1) as ending:
        closed = ending.submit(journal.close, WITHIN_S)
        recorder.flows.set()
        closed.result()

    assert len(recorder.lines) == LIMIT * 9 // 10 + 1
    assert journal.dropped == 0


def test_many_threads_lose_nothing_while_the_log_is_closed(recorder):
    """Whoever comes before, meanwhile or after."""
    journal = Journal([recorder], limit=100_000)

    def talk(speaker: int) -> None:
        for number in range(500):
            say(journal, f"{speaker}-{number}")

    with ThreadPoolExecutor(8) as speakers:
        talking = [speakers.submit(talk, speaker) for speaker in range(8)]
        until(lambda: len(recorder.lines) > 100)
        journal.close()
        for done in talking:
            done.result()

    assert sorted(recorder.lines) == sorted(b"%d-%d" % (speaker, n) for speaker in range(8) for n in range(500))
    assert journal.lines["info"] == 4000


def test_after_its_end_the_log_writes_at_once(journal, recorder):
    journal.close()

    say(journal, "late")

    assert recorder.lines == [b"late"]


def test_a_dead_destination_does_not_hold_up_the_end_and_its_lines_count_as_lost(journal, recorder):
    recorder.failure = OSError(111, "Connection refused")
    for number in range(5):
        say(journal, str(number))

    journal.close(WITHIN_S)
    say(journal, "late")

    assert (journal.dropped, recorder.lines) == (6, [])


def test_one_that_hangs_holds_up_the_end_no_longer_than_allowed(journal, recorder):
    hang(recorder, journal)
    say(journal, "waiting")

    journal.close(within_s=0.05)
    say(journal, "late")

    assert (journal.dropped, recorder.lines) == (3, [])


def test_who_has_not_taken_a_line_for_a_while_is_not_up():
    recorder, now = Recorder(), 1000.0
    outlet = Outlet(recorder, clock=lambda: now)
    recorder.flows.clear()
    outlet.put(line("stuck"))
    assert recorder.attempts.acquire(timeout=WITHIN_S)

    now += STUCK_S
    assert outlet.health.is_up
    now += 2
    hanging = outlet.health
    recorder.flows.set()
    outlet.end()
    outlet.settle(WITHIN_S)

    assert not hanging.is_up
    assert re.fullmatch("it has not taken a line for 7 s", hanging.last_error)
    assert outlet.health.is_up


def test_lines_are_gathered_until_one_is_urgent_or_the_end_comes():
    recorder = Recorder()
    outlet = Outlet(recorder, gather_s=threading.TIMEOUT_MAX)

    for event in ("first", "second"):
        outlet.put(line(event))
    outlet.put(line("urgent", "warning"))
    assert recorder.attempts.acquire(timeout=WITHIN_S)
    outlet.put(line("last"))
    outlet.end()
    outlet.settle(WITHIN_S)

    assert recorder.lines == [b"first", b"second", b"urgent", b"last"]
    assert recorder.attempts.acquire(blocking=False), "the end is the second write"
    assert not recorder.attempts.acquire(blocking=False), "and there is no third"


def test_a_log_without_destinations_only_counts():
    journal = Journal()

    say(journal, "heard by nobody", "warning")
    journal.close()

    assert (journal.lines["warning"], journal.dropped, journal.outlets) == (1, 0, ())


def test_a_signal_handler_may_log_while_its_thread_does(journal, recorder):
    """Which is as if a line were logged within the logging of another."""

    class Nosy(Recorder):
        def render(self, line: Line) -> bytes:
            if line.fields["event"] == "outer":
                say(nosy_journal, "inner")
            return super().render(line)

    nosy = Nosy()
    nosy_journal = Journal([nosy])
    nosy_journal.close()

    say(nosy_journal, "outer")

    assert sorted(nosy.lines) == [b"inner", b"outer"]
