"""The model behind the service: opened in every hand, then asked, until the service drains and ends."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import structlog
from starlette.requests import ClientDisconnect

from tapetum import bundle as bundles
from tapetum import machine
from tapetum.bundle import Facts
from tapetum.errors import DeadlinePassed, NotReady, TapetumError
from tapetum.inference.hand import Opened, Plan
from tapetum.inference.pool import Pool
from tapetum.inference.showing import Answer, Form, Question, Shown
from tapetum.inference.work import Job, Limits, Status
from tapetum.serving.record import Outcome
from tapetum.settings import Settings

# Of the time that a caller allows: a heat map that takes longer ends by itself, so that it costs no worker.
_SHARE_TO_COMPUTE = 0.8

log = structlog.get_logger()


class Model:
    """Ready once hashes and golden pictures hold in every hand; a model that fails to open ends the service."""

    def __init__(self, settings: Settings, on_failure: Callable[[], None]) -> None:
        self.failure: Exception | None = None
        self.is_draining = False
        self._settings = settings
        self._on_failure = on_failure
        self._facts: Facts | None = None
        self._pool = Pool(
            Plan(settings.bundle, settings.engine, settings.precision, settings.max_pixels, settings.device),
            machine.cores() if settings.workers is None else settings.workers,
            Limits(
                settings.max_pending,
                settings.max_explains,
                settings.max_pending_pixels,
                settings.request_timeout_s,
                settings.worker_max_bytes,
            ),
        )

    @property
    def path(self) -> str:
        return str(self._settings.bundle)

    @property
    def is_loaded(self) -> bool:
        return self._facts is not None

    @property
    def opened(self) -> Opened | None:
        """What its hands have opened; None until they have."""
        return self._pool.opened

    @property
    def queue(self) -> Status:
        """How its queue and its hands stand; may be asked from any thread."""
        return self._pool.status

    @property
    def device(self) -> str | None:
        return self.opened.device if self.opened is not None else None

    @property
    def obstacle(self) -> str | None:
        """Why a balancer should send nothing here; None where it should."""
        if self.is_draining:
            return "the service is about to end"
        if not self.is_loaded:
            return "the model is still being loaded and checked"
        return None if self._pool.is_ready else f"no worker can be started: {self._pool.trouble}"

    @property
    def is_ready(self) -> bool:
        return self.obstacle is None

    @property
    def facts(self) -> Facts:
        """Raises NotReady until the model is loaded and checked."""
        if self._facts is None:
            raise NotReady("the model is still being loaded and checked: ask /ready, and try again")
        return self._facts

    async def load(self) -> None:
        """Open all hands without holding up the event loop; on failure say why and end the service."""
        try:
            facts = await asyncio.to_thread(lambda: bundles.load_sealed(self._settings.bundle).facts)
            await self._pool.start()
        except Exception as error:  # whatever it is, a service without a model must end and say why
            self.failure = error
            log.error(
                "the model cannot be served",
                reason=str(error),
                exc_info=None if isinstance(error, TapetumError) else error,
            )
            self._on_failure()
            return
        self._facts = facts
        assert self.opened is not None
        log.info("ready", name=facts.name, version=facts.version, precision=self.opened.precision)

    def require_room(self) -> None:
        """Raise NotReady or Overloaded where a picture would be refused, before its bytes are read."""
        assert self.facts
        self._pool.require_room()

    async def predict(
        self, contents: Sequence[bytes], timeout_s: float, gone: Coroutine[Any, Any, None]
    ) -> list[Outcome]:
        """An outcome for each picture, in order, within `timeout_s`; `gone` returns when nobody waits any more.

        Raises NotReady, Overloaded or ClientDisconnect; all else is the outcome of one picture.
        """

        def submit() -> list[Job]:
            self.require_room()
            return self._pool.submit(contents)

        outcomes = []
        for job, result in await self._ask(submit, timeout_s, gone):
            assert not isinstance(result, Shown), "nobody asked why"
            outcomes.append(Outcome(result, len(job.content), job.queue_s))
        return outcomes

    def require_room_to_explain(self) -> None:
        """Raise NotReady or Overloaded where a picture would get no heat map, before its bytes are read."""
        assert self.facts
        self._pool.require_room(pictures=0)
        self._pool.questions.require_room()

    async def explain(
        self, content: bytes, label: str | None, form: Form, timeout_s: float, gone: Coroutine[Any, Any, None]
    ) -> Shown:
        """The heat map of one picture within `timeout_s`; raises whatever prevents it."""
        question = Question(label, form, _SHARE_TO_COMPUTE * timeout_s)
        ((_, result),) = await self._ask(lambda: [self._pool.submit_question(content, question)], timeout_s, gone)
        if isinstance(result, Exception):
            raise result
        assert isinstance(result, Shown), "somebody asked why"
        return result

    def drain(self) -> None:
        """Turn /ready to 503; requests are still taken."""
        self.is_draining = True

    async def close(self) -> None:
        """End all hands; whoever calls it takes no more requests."""
        await self._pool.close()

    async def _ask(
        self, submit: Callable[[], list[Job]], timeout_s: float, gone: Coroutine[Any, Any, None]
    ) -> list[tuple[Job, Answer | Exception]]:
        """What became of each job that is submitted. Raises what submitting raises, or ClientDisconnect."""
        leaving = asyncio.create_task(gone)
        jobs: list[Job] = []
        try:
            jobs = submit()
            answers = asyncio.gather(*(job.answer for job in jobs), return_exceptions=True)
            waited_for: set[asyncio.Future[Any]] = {answers, leaving}
            await asyncio.wait(waited_for, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
            if leaving.done() and not answers.done():
                raise ClientDisconnect
            return [(job, _result(job, timeout_s)) for job in jobs]
        finally:
            leaving.cancel()
            self._pool.drop([job for job in jobs if not job.answer.done()])


def _result(job: Job, timeout_s: float) -> Answer | Exception:
    if not job.answer.done():
        where = "waiting for a worker" if job.begun is None else "computing"
        return DeadlinePassed(f"the picture was not answered within {timeout_s:g} s: the time went by {where}")
    # Only answers and Exceptions are ever set; the type of a future allows for any BaseException.
    return job.answer.exception() or job.answer.result()  # type: ignore[return-value]
