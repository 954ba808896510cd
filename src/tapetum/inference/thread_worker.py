"""A worker without a process: the predictor on a thread of the front, for small machines and for tests."""

import asyncio
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from tapetum.inference import worker
from tapetum.inference.predictor import Predictor
from tapetum.inference.work import Job
from tapetum.inference.worker import Opened, Plan, Said
from tapetum.inference.workers import Free


class ThreadWorker:
    """The predictor on a thread of the front: nothing to start, but nothing that can be killed either."""

    def __init__(self, plan: Plan, on_free: Free) -> None:
        self.pid = os.getpid()
        self.jobs: Sequence[Job] = ()
        self.next: Sequence[Job] = ()
        self.answered = 0
        self.has_ended = False
        self.leaving: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._plan = plan
        self._on_free = on_free
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="worker")
        self._predictor: Predictor | None = None

    async def open(self) -> Opened:
        """Open the bundle on the thread that will compute."""
        loop = asyncio.get_running_loop()
        self._predictor, opened = await loop.run_in_executor(self._thread, worker.open_predictor, self._plan)
        return opened

    @property
    def may_line_up(self) -> bool:
        """Never: the thread takes its turns with the front's anyway."""
        return False

    def ask(self, jobs: Sequence[Job]) -> None:
        """Give pictures to the thread."""
        assert self._predictor is not None
        self.jobs = jobs
        work = partial(worker.answers, self._predictor, [job.content for job in jobs], jobs[0].question)
        asyncio.get_running_loop().run_in_executor(self._thread, work).add_done_callback(self._heard)

    async def call_s(self, pictures: int) -> float:
        """Seconds of a call of the engine with so many pictures, measured on the thread."""
        assert self._predictor is not None
        work = partial(worker.call_s, self._predictor, pictures)
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def hear(self) -> None:
        """Not needed: the thread speaks for itself."""

    def busy_s(self) -> float:
        """Always 0: a thread cannot be ended, so nobody needs to know."""
        return 0.0

    def excuse(self, seconds: float) -> None:
        """Not needed: nothing is counted."""

    def memory_bytes(self) -> int:
        """Always 0: it is the front's."""
        return 0

    def kill(self, reason: str) -> None:
        """Not possible."""

    def retire(self) -> None:
        """Take nothing more."""
        self._thread.shutdown(wait=False)

    async def close(self) -> None:
        """Wait for the pictures at hand."""
        await asyncio.to_thread(self._thread.shutdown)
        self._predictor = None  # its memory is the front's, which may go on

    def _heard(self, done: "asyncio.Future[list[Said]]") -> None:
        for job, said in zip(self.jobs, done.result(), strict=True):
            job.settle(said)
            self.answered += 1
        self.jobs = ()
        self._on_free(self, ())
