"""Hands as the front holds them: what the pool asks of one, and a process with a socket."""

import asyncio
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import Protocol

from tapetum import machine
from tapetum.errors import DeadlinePassed, EngineError, PictureError, WorkerLost
from tapetum.inference import hand as hands
from tapetum.inference import wire
from tapetum.inference.hand import Opened, Plan
from tapetum.inference.murmur import Murmur
from tapetum.inference.predictor import Picture
from tapetum.inference.showing import Answer, Question

_MOST_ANSWER_BYTES = 4_000_000
_READ_BYTES = 262_144
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

    def ask(self, content: Picture, question: Question | None, answer: "asyncio.Future[Answer]") -> None:
        """Compute a picture; `answer`, unless it is done by then, gets what was asked for or the error."""

    def hear(self) -> None:
        """Take what it has answered, before the event loop gets to it."""

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


class ProcessHand:
    """A process of `tapetum.inference.hand`; `on_free` is called whenever it can take a picture."""

    def __init__(self, plan: Plan, on_free: Callable[[Hand], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self.answered = 0
        self.has_ended = False
        self.leaving: asyncio.Future[str] = self._loop.create_future()
        self._opened: asyncio.Future[Opened] = self._loop.create_future()
        self._answer: asyncio.Future[Answer] | None = None
        self._since = 0.0
        self._received = bytearray()
        self._unsent = memoryview(b"")
        self._on_free = on_free
        self._is_retiring = False
        self._killed = ""
        self._line, theirs = socket.socketpair()
        self._line.setblocking(False)
        with theirs:
            command = [sys.executable, "-P", "-m", hands.__name__, str(theirs.fileno()), plan.to_json()]
            self._process = subprocess.Popen(
                command,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                env=machine.environment() | _ONE_THREAD,
                # Ctrl-C in a terminal reaches a whole group; the front decides when its hands end.
                start_new_session=True,
            )
        self.pid = self._process.pid
        assert self._process.stderr is not None
        self._murmur = Murmur(self._process.stderr, self.pid)
        self._loop.add_reader(self._line, self.hear)

    async def open(self) -> Opened:
        """Wait for the hand's word that it is ready. Raises the TapetumError that it sends, or WorkerLost."""
        return await self._opened

    def ask(self, content: Picture, question: Question | None, answer: "asyncio.Future[Answer]") -> None:
        """Send a picture, as much of it as the line takes at once, the rest as soon as it takes more."""
        self._answer, self._since = answer, monotonic()
        head, body = wire.from_picture(content, question)
        with suppress(OSError):  # the line is down, of which hear() will learn
            sent = self._line.sendmsg([head, body])
            assert sent >= len(head), "a line without anything on it takes a head"
            self._unsent = body[sent - len(head) :]
            if self._unsent:
                self._loop.add_writer(self._line, self._send_rest)

    def hear(self) -> None:
        """Take what the hand has sent."""
        if self.has_ended:
            return
        try:
            received = self._line.recv(_READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            received = b""
        if not received:
            self._process.kill()
            code = self._process.wait()
            self._murmur.close()
            self._hang_up(self._killed or (f"signal {-code}" if code < 0 else f"exit code {code}"))
            return
        self._received += received
        try:
            while (frame := wire.take(self._received, _MOST_ANSWER_BYTES)) is not None:
                self._take(frame)
        except Exception as error:  # whatever a broken hand may send costs that hand only
            self.kill(f"it sent what is no answer ({error!r})")

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
        self._is_retiring = True
        if self._answer is None:
            self._hang_up("it was retired")

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
        self._murmur.close()
        self._hang_up("it was closed")

    def _send_rest(self) -> None:
        try:
            self._unsent = self._unsent[self._line.send(self._unsent) :]
        except BlockingIOError:
            return
        except OSError:
            self._unsent = memoryview(b"")
        if not self._unsent:
            self._loop.remove_writer(self._line)

    def _hang_up(self, reason: str) -> None:
        if self.has_ended:
            return
        self.has_ended = True
        self._loop.remove_reader(self._line)
        self._loop.remove_writer(self._line)
        self._line.close()
        if not self._opened.done():
            self._opened.set_exception(WorkerLost(f"a worker ended before it was ready: {reason}"))
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(
                WorkerLost(
                    "the process that computed the picture ended: if the same picture does so again, do not send it"
                )
            )
        self._answer = None
        if not self.leaving.done():
            self.leaving.set_result(reason)

    def _take(self, frame: wire.Frame) -> None:
        if not self._opened.done():
            if "error" in frame.facts:
                self._opened.set_exception(wire.to_error(frame))
            else:
                self._opened.set_result(Opened(**frame.facts))
            return
        if self._answer is None:
            raise ValueError("an answer without a question")
        try:
            settle(self._answer, wire.to_answer(frame))
        except (EngineError, DeadlinePassed) as error:
            settle(self._answer, error)
        self._answer = None
        self.answered += 1
        if self._is_retiring:
            self.retire()
        else:
            self._on_free(self)


def settle(answer: "asyncio.Future[Answer]", result: Answer | BaseException) -> None:
    """Give an answer, unless nobody waits for it any more; the error of a picture is one."""
    if answer.done():
        return
    if isinstance(result, BaseException) and not isinstance(result, PictureError):
        answer.set_exception(result)
    else:
        answer.set_result(result)
