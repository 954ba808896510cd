"""Hands as the front holds them: a process with a socket, or a thread of the front itself."""

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import Protocol, cast

from tapetum import machine
from tapetum.errors import EngineError, WorkerLost
from tapetum.inference import hand as hands
from tapetum.inference import wire
from tapetum.inference.hand import Opened, Plan
from tapetum.inference.predictor import Predictor, Result

_MOST_ANSWER_BYTES = 4_000_000
_END_S = 3.0
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


class Hand(Protocol):
    """Computes one picture at a time.

    `leaving` gets the reason once the hand is to be replaced: it has ended, or
    somebody decided so, and until there is another it goes on.
    """

    pid: int
    answered: int
    has_ended: bool
    leaving: "asyncio.Future[str]"

    async def open(self) -> Opened:
        """Get ready. Raises a TapetumError, WorkerLost where the process ended before it had said why."""

    def ask(self, content: bytes, answer: "asyncio.Future[Result]") -> None:
        """Compute a picture; `answer`, unless it is done by then, gets the result or the error."""

    def busy_s(self) -> float:
        """For how long the picture at hand has been computed; 0 where there is none."""

    def memory_bytes(self) -> int:
        """What it holds of its own; 0 where it shares the front's."""

    def kill(self, reason: str) -> None:
        """End at once, and with it the picture at hand."""

    def retire(self) -> None:
        """End after the picture at hand."""

    async def close(self) -> None:
        """Wait until it has ended; it is made to after some seconds."""


class ProcessHand(asyncio.Protocol):
    """A process of `tapetum.inference.hand`; `on_free` is called whenever it can take a picture."""

    def __init__(self, plan: Plan, on_free: Callable[[Hand], None]) -> None:
        loop = asyncio.get_running_loop()
        self.answered = 0
        self.has_ended = False
        self.leaving: asyncio.Future[str] = loop.create_future()
        self._opened: asyncio.Future[Opened] = loop.create_future()
        self._answer: asyncio.Future[Result] | None = None
        self._since = 0.0
        self._received = bytearray()
        self._on_free = on_free
        self._retiring = False
        self._killed = ""
        self._transport: asyncio.Transport | None = None
        self._ours, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-P", "-m", hands.__name__, str(theirs.fileno()), plan.to_json()]
            self._process = subprocess.Popen(
                command,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env=machine.environment() | _ONE_THREAD,
                # Ctrl-C in a terminal reaches a whole group; the front decides when its hands end.
                start_new_session=True,
            )
        self.pid = self._process.pid

    async def open(self) -> Opened:
        """Wait for the hand's word that it is ready. Raises the TapetumError that it sends, or WorkerLost."""
        await asyncio.get_running_loop().create_unix_connection(lambda: self, sock=self._ours)
        return await self._opened

    def ask(self, content: bytes, answer: "asyncio.Future[Result]") -> None:
        """Send a picture."""
        assert self._transport is not None
        self._answer, self._since = answer, monotonic()
        self._transport.writelines([wire.head({}, len(content)), content])

    def busy_s(self) -> float:
        """For how long the picture at hand has been computed; 0 where there is none."""
        return monotonic() - self._since if self._answer is not None else 0.0

    def memory_bytes(self) -> int:
        """Resident memory of the process."""
        return machine.memory_bytes(self.pid)

    def kill(self, reason: str) -> None:
        """End at once."""
        self._killed = reason
        self._process.kill()

    def retire(self) -> None:
        """Close the line, which ends the process, after the picture at hand."""
        self._retiring = True
        if self._answer is None and self._transport is not None:
            self._transport.close()

    async def close(self) -> None:
        """Reap the process."""
        self.retire()
        try:
            async with asyncio.timeout(_END_S):
                while self._process.poll() is None:
                    await asyncio.sleep(0.01)
        except TimeoutError:
            self._process.kill()
            self._process.wait()
        self._ours.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The line stands."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's has its methods, and another base

    def data_received(self, data: bytes) -> None:
        """The hand sent something."""
        self._received += data
        try:
            while (frame := wire.take(self._received, _MOST_ANSWER_BYTES)) is not None:
                self._heard(frame)
        except Exception as error:  # whatever a broken hand may send costs that hand only
            self.kill(f"it sent what is no answer ({error!r})")

    def connection_lost(self, exc: Exception | None) -> None:
        """The line is down: the process has ended, or is ending."""
        if self._retiring:
            reason = "retired"
        else:
            self._process.kill()
            code = self._process.wait()
            reason = self._killed or (f"signal {-code}" if code < 0 else f"exit code {code}")
        if not self._opened.done():
            self._opened.set_exception(WorkerLost(f"a worker ended before it was ready: {reason}"))
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(
                WorkerLost(
                    "the process that computed the picture ended: if the same picture does so again, do not send it"
                )
            )
        self._answer = None
        self.has_ended = True
        if not self.leaving.done():
            self.leaving.set_result(reason)

    def _heard(self, frame: wire.Frame) -> None:
        if not self._opened.done():
            if "error" in frame.facts:
                self._opened.set_exception(wire.to_error(frame))
            else:
                self._opened.set_result(Opened(**frame.facts))
            return
        answer = self._answer
        if answer is None:
            raise ValueError("an answer without a question")
        try:
            result = wire.to_result(frame)
        except EngineError as error:
            if not answer.done():
                answer.set_exception(error)
        else:
            if not answer.done():
                answer.set_result(result)
        self._answer = None
        self.answered += 1
        if self._retiring:
            self.retire()
        else:
            self._on_free(self)


class ThreadHand:
    """The predictor on a thread of the front: nothing to start, but nothing that can be killed either."""

    def __init__(self, plan: Plan, on_free: Callable[[Hand], None]) -> None:
        self.pid = os.getpid()
        self.answered = 0
        self.has_ended = False
        self.leaving: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._plan = plan
        self._on_free = on_free
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="hand")
        self._predictor: Predictor | None = None

    async def open(self) -> Opened:
        """Open the bundle on the thread that will compute."""
        loop = asyncio.get_running_loop()
        self._predictor, opened = await loop.run_in_executor(self._thread, hands.open_predictor, self._plan)
        return opened

    def ask(self, content: bytes, answer: "asyncio.Future[Result]") -> None:
        """Hand a picture to the thread."""
        assert self._predictor is not None
        running = asyncio.get_running_loop().run_in_executor(self._thread, hands.answer, self._predictor, content)
        running.add_done_callback(lambda done: self._heard(done, answer))

    def busy_s(self) -> float:
        """Always 0: a thread cannot be ended, so nobody needs to know."""
        return 0.0

    def memory_bytes(self) -> int:
        """Always 0: it is the front's."""
        return 0

    def kill(self, reason: str) -> None:
        """Not possible."""

    def retire(self) -> None:
        """Take nothing more."""
        self._thread.shutdown(wait=False)

    async def close(self) -> None:
        """Wait for the picture at hand."""
        await asyncio.to_thread(self._thread.shutdown)

    def _heard(self, done: "asyncio.Future[Result]", answer: "asyncio.Future[Result]") -> None:
        error = done.exception()
        if not answer.done():
            if error is not None:
                answer.set_exception(error)
            else:
                answer.set_result(done.result())
        self.answered += 1
        self._on_free(self)
