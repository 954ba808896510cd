"""Many workers behind one queue: bounded, supervised, and without a word of HTTP.

A worker that dies, stands still or grows too large is replaced, and costs the
picture that it had; of a batch, the one that does it again when it is alone.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from time import perf_counter

import structlog

from tapetum.errors import BundleError, NotReady, Overloaded, TapetumError, WorkerLost
from tapetum.inference.predictor import Picture
from tapetum.inference.showing import Question
from tapetum.inference.thread_worker import ThreadWorker
from tapetum.inference.work import Job, Limits, Predictions, Questions, Status
from tapetum.inference.worker import Opened, Plan
from tapetum.inference.workers import Begin, ProcessWorker, Worker

START_S = 60.0
WATCH_S = 0.1
_HELD_UP_S = 0.25  # what is lined up behind a small picture waits some hundredths of a second
_HEAR_S = 0.0005
_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 10.0

log = structlog.get_logger()


class Pool:
    """`workers` processes, or for 0 a thread of this one; `begin` starts one of these."""

    def __init__(self, plan: Plan, workers: int, limits: Limits, begin: Begin = ProcessWorker) -> None:
        self.opened: Opened | None = None
        self.trouble: str | None = None
        self._plan = plan
        self._kind: Begin = begin if workers else ThreadWorker
        self._size = max(1, workers)
        self._replaced = 0
        self._limits = limits
        self.predictions = Predictions(limits.pixels)
        self.questions = Questions(limits.questions, at_once=max(1, self._size // 2))
        self._workers: set[Worker] = set()  # those that may be asked
        self._free: list[Worker] = []
        self._living: set[Worker] = set()  # those and the ones that start or end
        self._hear_at = 0.0
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def is_ready(self) -> bool:
        """Whether pictures are taken: a worker is there, or one is about to take the place of the last."""
        is_tended = self.trouble is None or any(not worker.has_ended for worker in tuple(self._workers))
        return self.opened is not None and is_tended

    @property
    def pending(self) -> int:
        """Pictures that wait or are computed, without those of heat maps."""
        busy = [worker for worker in tuple(self._workers) if worker not in self.questions.workers]
        return len(self.predictions.waiting) + sum([len(worker.jobs) + len(worker.next) for worker in busy])

    @property
    def status(self) -> Status:
        """How it stands; other threads than the event loop's may ask, hence the copies."""
        return Status(
            pending=self.pending,
            limit=self._limits.pending,
            oldest_s=self.predictions.oldest_s,
            workers=sum(not worker.has_ended for worker in tuple(self._workers)),
            wanted=self._size,
            batch=self.predictions.batch,
            replaced=self._replaced,
            memory_bytes=sum(worker.memory_bytes() for worker in tuple(self._living)),
        )

    async def start(self, is_batching: bool = False) -> None:
        """Open every worker, and with `is_batching` have one timed later. Raises the TapetumError of one that fails."""
        workers = await asyncio.gather(*(self._open() for _ in range(self._size)))
        for worker in workers:
            self._welcome(worker)
            self._supervise(self._tend(worker))
        self._supervise(self._watch())
        if is_batching:
            self._supervise(self.predictions.find_batch(workers[0].call_s))  # the last to be given pictures at first

    def require_room(self, pictures: int = 1) -> None:
        """Raise NotReady without a worker, Overloaded where so many more pictures cannot wait."""
        if not self.is_ready:
            raise NotReady("no worker can compute at present: the service says why where it tells whether it is ready")
        if self.pending + pictures <= self._limits.pending:
            return
        self._hear()
        if (pending := self.pending) + pictures > self._limits.pending:
            raise Overloaded(f"{pending} pictures are waiting, and {self._limits.pending} may: try again in a moment")

    def submit(self, contents: Sequence[Picture]) -> list[Job]:
        """Take all pictures or none. Raises NotReady or Overloaded."""
        self.require_room(len(contents))
        jobs = [Job(content, self._plan.max_pixels) for content in contents]
        self.predictions.take(jobs)
        self._dispatch()
        return jobs

    def submit_question(self, content: bytes, question: Question) -> Job:
        """Take a picture for a heat map. Raises NotReady or Overloaded."""
        self.require_room(pictures=0)
        job = self.questions.take(Job(content, self._plan.max_pixels, question))
        self._dispatch()
        return job

    def drop(self, jobs: Sequence[Job]) -> None:
        """Forget pictures that nobody waits for any more: those still in the queue never reach a worker."""
        for job in jobs:
            job.answer.cancel()
            waiting = (self.predictions if job.question is None else self.questions).waiting
            if job.begun is None and job in waiting:
                waiting.remove(job)

    def follow(self, former: "Pool") -> None:
        """Count replaced workers on from the pool whose place this one takes."""
        self._replaced += former._replaced

    async def finish(self) -> None:
        """Answer what was taken, then end all workers."""
        while self.pending or self.questions.pending:
            await asyncio.sleep(WATCH_S)
        await self.close()

    async def close(self) -> None:
        """End all workers, each after what it has."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._workers.clear()
        self._free.clear()
        await asyncio.gather(*(worker.close() for worker in self._living))

    def _hear(self) -> None:
        """Take the workers' answers now, and give them new pictures: one turn of the loop may refuse hundreds."""
        if perf_counter() >= self._hear_at:
            self._hear_at = perf_counter() + _HEAR_S
            for worker in list(self._workers):
                worker.hear()

    def _dispatch(self) -> None:
        while self._free and (self.predictions.waiting or self.questions.are_due):
            worker = self._free.pop()
            if worker.has_ended:
                continue
            waits = self.predictions.waiting
            worker.ask(self.predictions.give(1 + len(self._free)) if waits else self.questions.give(worker))
        workers = sorted(self._workers, key=lambda worker: -worker.busy_s()) if self.predictions.waiting else ()
        for worker in workers:  # who is done first gets the first
            if worker.may_line_up and self.predictions.may_line_up(len(self._workers)):
                worker.ask(self.predictions.give(len(self._workers)))

    def _on_free(self, worker: Worker, left: Sequence[Job]) -> None:
        self.questions.workers.discard(worker)
        self.predictions.take_back(left)
        if worker in self._workers and not worker.has_ended and not worker.jobs:
            self._free.append(worker)
        self._dispatch()

    def _welcome(self, worker: Worker) -> None:
        self.trouble = None
        self._workers.add(worker)
        self._on_free(worker, ())

    async def _open(self) -> Worker:
        """A worker that has opened the bundle of the others. Raises a TapetumError."""
        worker = self._kind(self._plan, self._on_free)
        self._living.add(worker)
        try:
            async with asyncio.timeout(START_S):
                opened = await worker.open()
            if opened != (self.opened or opened):
                raise BundleError(f"{self._plan.bundle} has changed since it was opened: reload it, or start again")
        except BaseException as error:
            worker.kill("it could not be opened")
            await self._end(worker)
            if isinstance(error, TimeoutError):
                raise WorkerLost(
                    f"a worker was not ready within {START_S:.0f} s: the machine may be too busy"
                ) from None
            raise
        self.opened = opened
        return worker

    async def _tend(self, worker: Worker) -> None:
        """Keep one place filled: whenever its worker leaves, open another."""
        failures = 0
        while True:
            reason = await worker.leaving
            self._replaced += 1
            # One that never answered will hardly do so the next time: it must not keep the machine busy.
            failures = 0 if worker.answered else failures + 1
            log.warning("a worker is replaced", pid=worker.pid, reason=reason, answered=worker.answered)
            if worker.has_ended:
                self._dismiss(worker)
            successor = await self._successor(failures)
            self._dismiss(worker)
            worker.retire()
            self._welcome(successor)
            self._supervise(self._end(worker))
            worker = successor

    async def _successor(self, failures: int) -> Worker:
        while True:
            if failures:
                await asyncio.sleep(min(_FIRST_PAUSE_S * 2**failures, _LONGEST_PAUSE_S))
            try:
                return await self._open()
            except Exception as error:  # the top of a supervised loop: what stops a worker must not stop the service
                failures += 1
                self.trouble = str(error)
                log.error("a worker cannot be started", reason=str(error), failures=failures)
                log.debug("its traceback", exc_info=None if isinstance(error, TapetumError) else error)

    async def _watch(self) -> None:
        """Look after what no worker can tell of itself: that it stands still, or has grown."""
        while True:
            began = perf_counter()
            await asyncio.sleep(WATCH_S)
            for worker in self._workers:
                worker.excuse(perf_counter() - began - WATCH_S)  # as long as a machine that was paused, say
                if worker.next and worker.busy_s() > _HELD_UP_S:
                    self.predictions.take_back(worker.next)
                    self._dispatch()
                if complaint := self._limits.complaint(len(worker.jobs), worker.busy_s()):
                    worker.kill(complaint)
                elif not worker.leaving.done() and (held := worker.memory_bytes()) > self._limits.worker_bytes:
                    worker.leaving.set_result(f"it holds {held:,} bytes, and {self._limits.worker_bytes:,} are allowed")

    def _dismiss(self, worker: Worker) -> None:
        self._workers.discard(worker)
        self.questions.workers.discard(worker)
        self._free = [other for other in self._free if other is not worker]

    async def _end(self, worker: Worker) -> None:
        while 0 < worker.busy_s() < self._limits.longest_s(len(worker.jobs)):
            await asyncio.sleep(WATCH_S)
        await worker.close()
        self._living.discard(worker)

    def _supervise(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
