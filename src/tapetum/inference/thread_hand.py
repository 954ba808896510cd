"""A hand without a process: the predictor on a thread of the front, for small machines and for tests."""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from tapetum.inference import hand as hands
from tapetum.inference.hand import Opened, Plan
from tapetum.inference.hands import Hand, settle
from tapetum.inference.predictor import Picture, Predictor
from tapetum.inference.showing import Answer, Question


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

    def ask(self, content: Picture, question: Question | None, answer: "asyncio.Future[Answer]") -> None:
        """Hand a picture to the thread."""
        assert self._predictor is not None
        work = partial(hands.answer, self._predictor, content, question)
        running = asyncio.get_running_loop().run_in_executor(self._thread, work)
        running.add_done_callback(lambda done: self._heard(done, answer))

    def hear(self) -> None:
        """Not needed: the thread speaks for itself."""

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
        self._predictor = None  # its memory is the front's, which may go on

    def _heard(self, done: "asyncio.Future[Answer]", answer: "asyncio.Future[Answer]") -> None:
        settle(answer, done.exception() or done.result())
        self.answered += 1
        self._on_free(self)
