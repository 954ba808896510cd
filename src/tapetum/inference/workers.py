"""Workers as the front holds them: what the pool asks of one, and a process with a socket."""

import asyncio
from collections.abc import Callable, Sequence
from time import monotonic, perf_counter
from typing import Protocol

from tapetum import machine
from tapetum.errors import DeadlinePassed, EngineError, WorkerLost
from tapetum.inference import start, wire
from tapetum.inference.line import Line
from tapetum.inference.stderr import Stderr
from tapetum.inference.work import Job
from tapetum.inference.worker import Opened, Plan

_MOST_ANSWER_BYTES = 4_000_000
END_S = 3.0


class Worker(Protocol):
    """Computes one picture or some at a time: `jobs` are at hand and not answered yet, `next` come after them.

    `leaving` gets the reason once the worker is to be replaced: it has ended, or
    somebody decided so, and until there is another it goes on.
    """

    pid: int
    jobs: Sequence[Job]
    next: Sequence[Job]
    answered: int
    has_ended: bool
    leaving: "asyncio.Future[str]"

    async def open(self) -> Opened:
        """Get ready. Raises a TapetumError, WorkerLost where the process ended before it had said why."""

    @property
    def may_line_up(self) -> bool:
        """Whether it may be asked once more although something is at hand: what is soon done."""

    def ask(self, jobs: Sequence[Job]) -> None:
        """Compute pictures, or one with a question; their answers are set, unless they are done by then."""

    async def call_s(self, pictures: int) -> float:
        """Seconds of a call of the engine with so many, measured between what it is asked. Raises WorkerLost."""

    def hear(self) -> None:
        """Take what it has answered, before the event loop gets to it."""

    def busy_s(self) -> float:
        """For how long what is at hand has been computed; 0 where there is nothing."""

    def excuse(self, seconds: float) -> None:
        """Do not count the last `seconds`, in which the front stood still and nobody could be heard."""

    def memory_bytes(self) -> int:
        """What it holds of its own; 0 where it shares the front's."""

    def kill(self, reason: str) -> None:
        """End at once, and with it the computing of what is at hand."""

    def retire(self) -> None:
        """End after what is at hand."""

    async def close(self) -> None:
        """Wait until it has ended; it is made to after some seconds."""


# Called whenever a worker can be asked, or has ended, with the jobs it did not get to, and those of a batch that it
# ended with: whose fault that was, nobody knows.
Free = Callable[[Worker, Sequence[Job]], None]
Begin = Callable[[Plan, Free], Worker]


class ProcessWorker:
    """A process of `tapetum.inference.worker`."""

    def __init__(self, plan: Plan, on_free: Free) -> None:
        self._loop = asyncio.get_running_loop()
        self.jobs: Sequence[Job] = ()
        self.next: Sequence[Job] = ()
        self.answered = 0
        self.has_ended = False
        self.leaving: asyncio.Future[str] = self._loop.create_future()
        self._opened: asyncio.Future[Opened] = self._loop.create_future()
        self._timed: asyncio.Future[float] | None = None
        self._is_batch = False
        self._since = 0.0
        self._received = bytearray()
        self._on_free = on_free
        self._is_retiring = False
        self._killed = ""
        self._process, line = start.take()
        self._line = Line(line, self.hear)
        self._line.send(wire.head(plan.to_facts(), 0), memoryview(b""))
        self.pid = self._process.pid
        assert self._process.stderr is not None
        self._stderr = Stderr(self._process.stderr, self.pid)

    async def open(self) -> Opened:
        """Wait for the worker's word that it is ready. Raises the TapetumError that it sends, or WorkerLost."""
        return await self._opened

    @property
    def may_line_up(self) -> bool:
        """While nothing is lined up and what is at hand is small, so that who lines up is hardly held up.

        A worker that had to ask for its next picture would wait for the front's turn on a core that others compute on.
        """
        has_place = not self.next and not self._is_retiring and not self.leaving.done()
        return has_place and len(self.jobs) > 0 and self.jobs[0].may_share and self.jobs[0].question is None

    def ask(self, jobs: Sequence[Job]) -> None:
        """Send pictures, as much of them as the line takes at once, the rest as soon as it takes more."""
        if self.jobs:
            self.next = jobs
        else:
            self._begin(jobs)
        self._line.send(*wire.from_pictures([job.content for job in jobs], jobs[0].question))

    async def call_s(self, pictures: int) -> float:
        """Have a call of the engine timed; what it is asked meanwhile follows. Raises WorkerLost."""
        if self.has_ended:
            raise WorkerLost("the worker that was to be timed has ended")
        self._timed = self._loop.create_future()
        self._line.send(wire.head({"time": pictures}, 0), memoryview(b""))
        return await self._timed

    def hear(self) -> None:
        """Take what the worker has sent."""
        if self.has_ended:
            return
        received = self._line.receive()
        if received is None:
            return
        if not received:
            self._process.kill()
            code = self._process.wait()
            self._stderr.close()
            self._hang_up(self._killed or (f"signal {-code}" if code < 0 else f"exit code {code}"))
            return
        self._received += received
        try:
            while (frame := wire.take(self._received, _MOST_ANSWER_BYTES)) is not None:
                self._take(frame)
        except Exception as error:  # whatever a broken worker may send costs that worker only
            self.kill(f"it sent what is no answer ({error!r})")

    def busy_s(self) -> float:
        """For how long what is at hand has been computed; 0 where there is nothing."""
        return monotonic() - self._since if self.jobs else 0.0

    def excuse(self, seconds: float) -> None:
        """Begin to count so much later."""
        self._since = min(self._since + seconds, monotonic())

    def memory_bytes(self) -> int:
        """Resident memory of the process."""
        return machine.memory_bytes(self.pid)

    def kill(self, reason: str) -> None:
        """End at once."""
        self._killed = reason
        self._process.kill()

    def retire(self) -> None:
        """Close the line, which ends the process, after what is at hand."""
        self._is_retiring = True
        if not self.jobs:
            self._hang_up("it was retired")

    async def close(self) -> None:
        """Reap the process."""
        self.retire()
        try:
            async with asyncio.timeout(END_S):
                while self._process.poll() is None:
                    await asyncio.sleep(0.01)
        except TimeoutError:
            self._process.kill()
            self._process.wait()
        self._stderr.close()
        self._hang_up("it was closed")

    def _begin(self, jobs: Sequence[Job]) -> None:
        self.jobs, self._is_batch, self._since = jobs, len(jobs) > 1, monotonic()
        for job in jobs:
            job.begun = perf_counter()

    def _hang_up(self, reason: str) -> None:
        if self.has_ended:
            return
        self.has_ended = True
        self._line.close()
        if not self._opened.done():
            self._opened.set_exception(WorkerLost(f"a worker ended before it was ready: {reason}"))
        if self._timed is not None and not self._timed.done():
            self._timed.set_exception(WorkerLost(f"the worker that was timed ended: {reason}"))
        left = [*self.jobs, *self.next]
        if self.jobs and not self._is_batch:
            lost = "the process that computed the picture ended: if the same picture does so again, do not send it"
            left.pop(0).settle(WorkerLost(lost))
        self.jobs = self.next = ()
        if not self.leaving.done():
            self.leaving.set_result(reason)
        self._on_free(self, left)

    def _take(self, frame: wire.Frame) -> None:
        if not self._opened.done():
            if "error" in frame.facts:
                self._opened.set_exception(wire.to_error(frame))
            else:
                self._opened.set_result(Opened(**frame.facts))
            return
        if self._timed is not None and "call_s" in frame.facts:
            timed, self._timed = self._timed, None
            if not timed.done():
                timed.set_result(float(frame.facts["call_s"]))
            return
        if not self.jobs:
            raise ValueError("an answer without a question")
        try:
            self.jobs[0].settle(wire.to_answer(frame))
        except (EngineError, DeadlinePassed) as error:
            self.jobs[0].settle(error)
        self.jobs = self.jobs[1:]
        self.answered += 1
        if self.jobs:
            return
        if self.next:
            jobs, self.next = self.next, ()
            self._begin(jobs)
        if self._is_retiring:
            self.retire()
        else:
            self._on_free(self, ())
