"""One bundle in workers of its own: what a reload puts beside another, and then in its place."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from starlette.requests import ClientDisconnect

from tapetum import bundle as bundles
from tapetum import files
from tapetum.bundle import Facts
from tapetum.errors import BundleError, DeadlinePassed, NotReady
from tapetum.inference.pool import Pool
from tapetum.inference.showing import Answer
from tapetum.inference.work import Job, Limits
from tapetum.inference.worker import Opened, Plan
from tapetum.inference.workers import Begin, ProcessWorker
from tapetum.profile import reference
from tapetum.profile.reference import Reference
from tapetum.settings import Settings


class Edition:
    """The bundle that lies at the deployment's path at this moment; a link is followed once.

    So workers that are replaced later open what the first ones did, wherever the link leads by then.
    """

    def __init__(self, settings: Settings, begin: Begin = ProcessWorker) -> None:
        self._path = Path(os.path.realpath(settings.bundle))
        self._is_batching = settings.batching == "auto"
        self._workers = max(1, settings.worker_processes)
        self._facts: Facts | None = None
        self.reference: Reference | None = None  # of a bundle that is open; None where it has none
        self.pool = Pool(
            Plan(self._path, settings.engine, settings.precision, settings.max_pixels, settings.device),
            settings.worker_processes,
            Limits(
                settings.max_pending,
                settings.max_explains,
                settings.max_pending_pixels,
                settings.request_timeout_s,
                settings.worker_max_bytes,
            ),
            begin,
        )

    @property
    def path(self) -> Path:
        """Where its files lie."""
        return self._path

    @property
    def is_open(self) -> bool:
        return self._facts is not None

    @property
    def facts(self) -> Facts:
        """Raises NotReady until every worker has proved the bundle."""
        if self._facts is None:
            raise NotReady("the model is still being loaded and checked: ask /ready, and try again")
        return self._facts

    @property
    def opened(self) -> Opened | None:
        """What its workers have opened; None until they have."""
        return self.pool.opened

    @property
    def is_calm(self) -> bool:
        """Whether a picture that came now would not have to wait."""
        return self.pool.pending < self._workers

    @property
    def test_accuracy(self) -> float | None:
        """On the test part, in the precision served, as the bundle states it; None where it does not."""
        if self._facts is None or self.opened is None:
            return None
        scores = self._facts.scores.get(self.opened.precision)
        return scores.accuracy.value if scores else None

    async def open(self) -> None:
        """Verify the bundle here and in every worker, where it also proves itself on its golden pictures.

        Raises whatever is in the way, a TapetumError as a rule; then no worker is left.
        """
        try:
            digest, facts, profile = await asyncio.to_thread(_read, self._path)
            await self.pool.start(is_batching=self._is_batching)
            assert self.opened is not None
            # Read before any worker began, so equal to what each read last: nothing changed under any of them.
            if self.opened.digest != digest:
                raise BundleError(f"{self._path} was changed while it was opened: try again once it is there whole")
        except BaseException:
            await self.pool.close()
            raise
        self._facts, self.reference = facts, profile

    async def ask(
        self, submit: Callable[[], list[Job]], timeout_s: float, gone: Awaitable[None]
    ) -> list[tuple[Job, Answer | Exception]]:
        """What became of each job that `submit` hands in; `gone` is done when nobody waits any more.

        Raises NotReady, what submitting raises, or ClientDisconnect.
        """
        leaving = asyncio.ensure_future(gone)
        jobs: list[Job] = []
        try:
            assert self.facts
            jobs = submit()
            answers = _all(jobs)
            waited_for: set[asyncio.Future[Any]] = {answers, leaving}
            await asyncio.wait(waited_for, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
            if leaving.done() and not answers.done():
                raise ClientDisconnect
            return [(job, _result(job, timeout_s)) for job in jobs]
        finally:
            leaving.cancel()
            self.pool.drop([job for job in jobs if not job.answer.done()])


def _all(jobs: list[Job]) -> asyncio.Future[Any]:
    """Done when every answer is; that of a single one is, as it stands, the sooner made."""
    if len(jobs) == 1:
        return jobs[0].answer
    return asyncio.gather(*(job.answer for job in jobs), return_exceptions=True)


def _result(job: Job, timeout_s: float) -> Answer | Exception:
    if not job.answer.done():
        where = "waiting for a worker" if job.begun is None else "computing"
        return DeadlinePassed(f"the picture was not answered within {timeout_s:g} s: the time went by {where}")
    # Only answers and Exceptions are ever set; the type of a future allows for any BaseException.
    return job.answer.exception() or job.answer.result()  # type: ignore[return-value]  # one of both


def _read(path: Path) -> tuple[str, Facts, Reference | None]:
    """The digest of a bundle, and then its facts and its profile. Raises BundleError."""
    try:
        digest = files.sha256(path / bundles.FACTS)
    except OSError:  # which load_sealed has better words for
        digest = ""
    bundle = bundles.load_sealed(path)
    return digest, bundle.facts, reference.load(bundle)
