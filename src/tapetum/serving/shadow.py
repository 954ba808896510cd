"""A challenger in the shadow of the served model: it is asked for a share of the pictures, and never answers."""

import asyncio
import random
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

import numpy as np
import structlog
from pydantic import Field

from tapetum import bundle as bundles
from tapetum import machine, metrics
from tapetum.bundle import Facts
from tapetum.errors import BundleError, TapetumError
from tapetum.inference.predictor import Prediction
from tapetum.inference.showing import Answer
from tapetum.inference.worker import Plan
from tapetum.inference.workers import Free, ProcessWorker
from tapetum.serving.edition import Edition
from tapetum.serving.instruments import Instruments, Reading
from tapetum.serving.routes import ServedModel, served
from tapetum.settings import Settings
from tapetum.watch.comparison import Comparison, Disagreement, PairedTimes, Said, compute_s_of
from tapetum.watch.figures import Figures, Number
from tapetum.watch.record import Record

BUSY, QUEUE_FULL, DOWN, FAILED = "busy", "queue-full", "down", "failed"
CLASSES_DIFFER, RELOADED = "classes-differ", "reloaded"
REASONS = (BUSY, QUEUE_FULL, DOWN, FAILED, CLASSES_DIFFER, RELOADED)
_MOST_WAITING = 4
_MOST_WAITING_BYTES = 32_000_000
# It computes when nobody else does, so one picture may take long before something must be wrong.
_LONGEST_S = 60.0

log = structlog.get_logger()


class ShadowFigures(Figures):
    """The challenger beside the served model, since both are there."""

    model: ServedModel = Field(description="The challenger.")
    share: float = Field(description="TAPETUM_SHADOW_SHARE.")
    trouble: str | None = Field(description="Why nothing is compared at present; null where it is.")
    compared: int = Field(description="Pictures that both answered.")
    skipped: int = Field(description="Pictures drawn that were not compared, since that might have slowed answers.")
    agreement: Number | None = Field(description="Share of the same class, 0 to 1; null before anything was compared.")
    agreement_interval: tuple[Number, Number] | None = Field(description="Its 95 % interval, low and high.")
    latency_ms: PairedTimes | None
    disagreements: list[Disagreement] = Field(description="The newest, newest first.")


class _Waiting(NamedTuple):
    content: bytes
    record: Record
    number: int


class Shadow:
    """Compares a challenger's answers with those that are given, within a share of one core that nobody else wants.

    At most four pictures wait; what is too much, or comes while every worker is busy, is skipped and counted. All but
    reading belongs to the event loop.
    """

    def __init__(
        self,
        settings: Settings,
        path: Path,
        is_calm: Callable[[], bool],
        instruments: Instruments,
        new_comparison: Callable[[], Comparison],
        draw: Callable[[], float] = random.random,
    ) -> None:
        self.share = settings.shadow_share
        self.comparison = new_comparison()
        self.skipped = dict.fromkeys(REASONS, 0)
        self.champion: Facts | None = None
        self._champion_digest = ""
        self._compared = self._agreed = 0
        self._is_calm = is_calm
        self._new_comparison = new_comparison
        self._draw = draw
        self._cpu = settings.shadow_cpu
        self._champion_path = settings.bundle
        alone = {"workers": 1, "batching": "off", "device": "cpu", "request_timeout_s": _LONGEST_S}
        self._edition = Edition(settings.model_copy(update={"bundle": path} | alone), self._begin)
        self._worker: ProcessWorker
        self._waiting: deque[_Waiting] = deque()
        self._offered = asyncio.Event()
        self._next_at = 0.0
        times = instruments.histograms(metrics.SHADOW_TIME)
        self._champion_s, self._challenger_s = times.of("champion"), times.of("challenger")
        instruments.sources.append(self._readings)

    @property
    def facts(self) -> Facts:
        """Of the challenger, once it is open."""
        return self._edition.facts

    @property
    def trouble(self) -> str | None:
        """Why nothing is compared at present; None where it is."""
        if self.champion is not None and self.champion.labels != self.facts.labels:
            return _difference(self.champion.labels, self.facts.labels)
        pool = self._edition.pool
        return pool.trouble if pool.status.workers else pool.trouble or "its process has ended, and another is started"

    async def open(self) -> None:
        """Verify and prove the challenger as every bundle is. Raises BundleError where it cannot be run."""
        try:
            champion, challenger = (bundles.load(path).facts for path in (self._champion_path, self._edition.path))
            if champion.labels != challenger.labels:
                raise BundleError(_difference(champion.labels, challenger.labels))
            await self._edition.open()
        except TapetumError as error:
            raise BundleError(f"the challenger at {self._edition.path} cannot be run: {error}") from error
        # Not sooner: while nothing is served there is nobody to yield to, and the start waits for it.
        machine.yield_processors(self._worker.pid)
        log.info("a challenger is asked too", name=challenger.name, version=challenger.version, share=self.share)

    def follow(self, champion: Facts, digest: str) -> None:
        """Compare with the model of this digest from now on; what was compared with another counts no more."""
        if digest != self._champion_digest:
            self.comparison = self._new_comparison()
        self.champion, self._champion_digest = champion, digest
        if champion.labels != self.facts.labels:
            log.warning("the challenger is asked no more", reason=self.trouble)

    def offer(self, contents: Sequence[bytes | np.ndarray], records: Sequence[Record]) -> None:
        """Draw from the answered pictures of a request. Pixels are none, since models may want them otherwise."""
        for number, (content, record) in enumerate(zip(contents, records, strict=True)):
            if record.label is None or not isinstance(content, bytes) or self._draw() >= self.share:
                continue
            if reason := self._hindrance() or self._lack_of_room(len(content)):
                self._skip(reason)
            else:
                self._waiting.append(_Waiting(content, record, number))
                self._offered.set()

    async def run(self) -> None:
        """Compare what waits, one after another, until cancelled."""
        while True:
            await self._offered.wait()
            self._offered.clear()
            while self._waiting:
                await asyncio.sleep(self._next_at - perf_counter())
                await self._compare(self._waiting.popleft())

    async def close(self) -> None:
        """End its process."""
        await self._edition.pool.close()

    def figures(self) -> ShadowFigures:
        """How they compare by now."""
        comparison = self.comparison
        return ShadowFigures(
            model=served(self._edition),
            share=self.share,
            trouble=self.trouble,
            compared=comparison.compared,
            skipped=comparison.skipped,
            agreement=comparison.agreement,
            agreement_interval=comparison.interval,
            latency_ms=comparison.times,
            disagreements=[facts for facts, _ in comparison.shown],
        )

    def _begin(self, plan: Plan, on_free: Free) -> ProcessWorker:
        self._worker = ProcessWorker(plan, on_free)
        log.info("a process for the challenger", pid=self._worker.pid)
        if self._edition.is_open:
            machine.yield_processors(self._worker.pid)
        return self._worker

    def _hindrance(self) -> str | None:
        """Why no picture may be given to the challenger now; None where one may."""
        assert self.champion is not None, "who was answered was answered by a model"
        if self.champion.labels != self.facts.labels:
            return CLASSES_DIFFER
        return None if self._is_calm() else BUSY

    def _lack_of_room(self, size: int) -> str | None:
        held = sum(len(each.content) for each in self._waiting)
        is_full = len(self._waiting) >= _MOST_WAITING or held + size > _MOST_WAITING_BYTES
        return QUEUE_FULL if is_full else None

    def _skip(self, reason: str) -> None:
        self.skipped[reason] += 1
        self.comparison.skipped += 1

    async def _compare(self, waiting: _Waiting) -> None:
        pool = self._edition.pool
        if reason := self._hindrance() or (None if pool.status.workers else DOWN):
            self._skip(reason)
            return
        pid, begun = self._worker.pid, perf_counter()
        cpu_s = machine.cpu_s(pid)
        try:
            (job,) = pool.submit([waiting.content])
            said: Answer | None = await job.answer
        except TapetumError as error:
            log.warning("the challenger gave no answer", request_id=waiting.record.request_id, reason=str(error))
            said = None
        took_s = _used_s(machine.cpu_s(pid), cpu_s, perf_counter() - begun)
        self._next_at = begun + took_s / self._cpu
        assert self.champion is not None
        if waiting.record.version != self.champion.version:
            self._skip(RELOADED)
        elif not isinstance(said, Prediction):
            self._skip(FAILED)
        else:
            # How long others kept it waiting is nothing that it took.
            self._count(waiting, said, min(took_s, said.decode_s + said.inference_s))

    def _count(self, waiting: _Waiting, said: Prediction, compute_s: float) -> None:
        answer = Said(prediction=said.label, probability=said.confidence)
        self._compared += 1
        self._agreed += self.comparison.add(waiting.record, waiting.number, answer, compute_s, waiting.content)
        self._champion_s.observe(compute_s_of(waiting.record))
        self._challenger_s.observe(compute_s)

    def _readings(self) -> Iterator[Reading]:
        status = self._edition.pool.status
        yield Reading(metrics.SHADOW_UP, status.workers)
        yield Reading(metrics.SHADOW_RESTARTS, status.replaced)
        yield Reading(metrics.SHADOW_COMPARED, self._compared)
        yield Reading(metrics.SHADOW_AGREED, self._agreed)
        for reason, number in self.skipped.items():
            yield Reading(metrics.SHADOW_SKIPPED, number, (reason,))


def _used_s(after: float | None, before: float | None, wall_s: float) -> float:
    """Processor time between two looks; where one of them saw nothing, the time that went by."""
    return wall_s if after is None or before is None else after - before


def _difference(champion: Sequence[str], challenger: Sequence[str]) -> str:
    return (
        f"its classes are {', '.join(challenger)}, and those of the served model {', '.join(champion)}: they must be "
        "the same, in the same order"
    )
