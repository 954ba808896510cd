"""The model behind the service: opened in every worker, asked, replaced if need be, until the service has drained."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import structlog

from tapetum.bundle import Facts
from tapetum.errors import BundleRefused, MalformedRequest, NotReady, ReloadUnderWay, TapetumError
from tapetum.inference.predictor import Picture
from tapetum.inference.showing import Form, Question, Shown
from tapetum.inference.work import Job, Status
from tapetum.inference.worker import Opened
from tapetum.profile.reference import Reference
from tapetum.serving.edition import Edition
from tapetum.serving.record import Outcome
from tapetum.settings import Settings

# Of the time that a caller allows: a heat map that takes longer ends by itself, so that it costs no worker.
_SHARE_TO_COMPUTE = 0.8

log = structlog.get_logger()


@dataclass(frozen=True)
class Reload:
    """What came of a reload; `reason` is why the bundle was refused, None where it is served."""

    at: datetime
    reason: str | None


class Model:
    """Ready once hashes and golden pictures hold in every worker; a model that fails to open ends the service.

    `on_change` is told of the model before it is asked anything, and so of each that takes its place.
    """

    def __init__(
        self,
        settings: Settings,
        on_failure: Callable[[], None],
        on_change: Callable[[Facts, Opened, Reference | None], None],
    ) -> None:
        self.failure: Exception | None = None
        self.is_draining = False
        self.reloads = {"swapped": 0, "refused": 0}
        self.last_reload: Reload | None = None
        self.edition = Edition(settings)
        self._settings = settings
        self._on_failure = on_failure
        self._on_change = on_change
        self._opening: Edition | None = None
        self._leaving: set[Edition] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def path(self) -> str:
        return str(self._settings.bundle)

    @property
    def is_loaded(self) -> bool:
        return self.edition.is_open

    @property
    def opened(self) -> Opened | None:
        """What its workers have opened; None until they have."""
        return self.edition.opened

    @property
    def queue(self) -> Status:
        """How its queue and its workers stand; may be asked from any thread.

        What models that come or leave have of pictures and memory is part of it.
        """
        others = [edition.pool.status for edition in (*self._leaving.copy(), self._opening) if edition is not None]
        now = self.edition.pool.status
        return replace(
            now,
            pending=sum((other.pending for other in others), now.pending),
            oldest_s=max([now.oldest_s, *(other.oldest_s for other in others)]),
            memory_bytes=sum((other.memory_bytes for other in others), now.memory_bytes),
        )

    @property
    def device(self) -> str | None:
        return self.opened.device if self.opened is not None else None

    @property
    def precision(self) -> str | None:
        return self.opened.precision if self.opened is not None else None

    @property
    def obstacle(self) -> str | None:
        """Why a balancer should send nothing here; None where it should."""
        if self.is_draining:
            return "the service is about to end"
        if not self.is_loaded:
            return "the model is still being loaded and checked"
        pool = self.edition.pool
        return None if pool.is_ready else f"no worker can be started: {pool.trouble}"

    @property
    def is_ready(self) -> bool:
        return self.obstacle is None

    @property
    def facts(self) -> Facts:
        """Raises NotReady until the model is loaded and checked."""
        return self.edition.facts

    async def load(self, before: Callable[[], Awaitable[None]] | None = None) -> None:
        """Open all workers without holding up the event loop; on failure, of `before` too, say why and end the service.

        Nothing is served until `before` is done.
        """
        try:
            if before is not None:
                await before()
            await self.edition.open()
        except Exception as error:  # whatever it is, a service without a model must end and say why
            self.failure = error
            log.error("the model cannot be served", reason=str(error), exc_info=_unforeseen(error))
            self._on_failure()
            return
        self._serve(self.edition, "ready")

    async def reload(self) -> Facts:
        """Serve what lies at the bundle's path now; the model of before finishes what it has accepted.

        The new one is opened and proved beside it, as at a start. Raises ReloadUnderWay where another is at it,
        NotReady where there is no model to replace, BundleRefused with the reason; then all goes on as before.
        """
        if self._opening is not None:
            raise ReloadUnderWay("a reload is under way: wait for what comes of it")
        if self.is_draining or not self.is_loaded:
            raise NotReady(f"nothing can be reloaded: {self.obstacle}")
        fresh = self._opening = Edition(self._settings)
        try:
            await fresh.open()
        except Exception as error:  # whatever it is, the model of before goes on
            reason = " ".join(str(error).split())
            self._conclude("refused", reason)
            log.error("a reload is refused", reason=reason, exc_info=_unforeseen(error))
            raise BundleRefused(f"the model of before goes on: {reason}") from error
        finally:
            self._opening = None
        fresh.pool.follow(self.edition.pool)
        former, self.edition = self.edition, fresh
        self._serve(fresh, "reloaded", former=former.facts.version)
        self._conclude("swapped", None)
        self._leaving.add(former)
        self._keep(self._see_off(former))
        return fresh.facts

    def reload_soon(self) -> None:
        """Reload without anyone waiting; the log says what comes of it."""
        self._keep(self._try_to_reload())

    def require_room(self) -> None:
        """Raise NotReady or Overloaded where a picture would be refused, before its bytes are read."""
        assert self.facts
        self.edition.pool.require_room()

    async def predict(self, contents: Sequence[Picture], timeout_s: float, gone: Awaitable[None]) -> list[Outcome]:
        """An outcome for each picture, in order, within `timeout_s`; `gone` is done when nobody waits any more.

        Raises NotReady, Overloaded or ClientDisconnect; all else is the outcome of one picture.
        """
        edition = self.edition  # which answers all of them, whatever takes its place meanwhile
        outcomes = []
        for job, result in await edition.ask(lambda: edition.pool.submit(contents), timeout_s, gone):
            assert not isinstance(result, Shown), "nobody asked why"
            outcomes.append(Outcome(result, job.size, job.queue_s, job.age_s, edition.facts))
        return outcomes

    def require_room_to_explain(self) -> None:
        """Raise NotReady or Overloaded where a picture would get no heat map, before its bytes are read."""
        assert self.facts
        self.edition.pool.require_room(pictures=0)
        self.edition.pool.questions.require_room()

    async def explain(
        self, content: bytes, label: str | None, form: Form, timeout_s: float, gone: Awaitable[None]
    ) -> tuple[Shown, Facts]:
        """The heat map of one picture within `timeout_s`, and the model's facts; raises whatever prevents it."""
        edition = self.edition  # whose label it is, whatever takes its place meanwhile

        def submit() -> list[Job]:
            if label is not None and label not in edition.facts.labels:
                raise MalformedRequest(f"the class is {label!r}: expected one of {', '.join(edition.facts.labels)}")
            return [edition.pool.submit_question(content, Question(label, form, _SHARE_TO_COMPUTE * timeout_s))]

        ((_, result),) = await edition.ask(submit, timeout_s, gone)
        if isinstance(result, Exception):
            raise result
        assert isinstance(result, Shown), "somebody asked why"
        return result, edition.facts

    def drain(self) -> None:
        """Turn /ready to 503; requests are still taken."""
        self.is_draining = True

    async def close(self) -> None:
        """End all workers; whoever calls it takes no more requests."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(edition.pool.close() for edition in (self.edition, *self._leaving)))

    def _serve(self, edition: Edition, event: str, **fields: str) -> None:
        """Tell everyone what is served from now on."""
        assert edition.opened is not None
        self._on_change(edition.facts, edition.opened, edition.reference)
        facts = edition.facts
        log.info(event, name=facts.name, version=facts.version, precision=edition.opened.precision, **fields)

    def _conclude(self, outcome: str, reason: str | None) -> None:
        self.reloads[outcome] += 1
        self.last_reload = Reload(datetime.now(UTC), reason)

    async def _try_to_reload(self) -> None:
        try:
            await self.reload()
        except BundleRefused:  # which is in the log by now
            pass
        except TapetumError as error:
            log.warning("no reload", reason=str(error))

    async def _see_off(self, edition: Edition) -> None:
        await edition.pool.finish()
        self._leaving.discard(edition)

    def _keep(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _unforeseen(error: Exception) -> Exception | None:
    """An error whose traceback belongs in the log."""
    return None if isinstance(error, TapetumError) else error
