"""What a bundle costs to serve beside another: latency and memory of a worker, measured here and in turns, and size."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from time import perf_counter

import numpy as np

from tapetum.bundle import Bundle
from tapetum.containers import DEFAULT_MAX_PIXELS
from tapetum.evaluation.gate import Check
from tapetum.inference.work import Job
from tapetum.inference.worker import Plan
from tapetum.inference.workers import ProcessWorker
from tapetum.recipe import Gate
from tapetum.scores import Interval, paired

ENGINE = "openvino"
_CALLS = 160  # of each, so that eight lie beyond p95
_P95 = 95


@dataclass(frozen=True)
class Cost:
    """Of serving one bundle: seconds of each call, from a picture's bytes to its answer, and two sizes in bytes.

    `memory_bytes` is that of a worker after its calls.
    """

    latency_s: np.ndarray  # (N,)
    memory_bytes: int
    size_bytes: int

    @property
    def p95_ms(self) -> float:
        """The latency that a call of twenty exceeds."""
        return 1000 * float(np.percentile(self.latency_s, _P95))


def measure(bundles: Sequence[Bundle], pictures: Sequence[bytes], calls: int = _CALLS) -> list[Cost]:
    """Costs of bundles, each in a worker as the service starts it, in the precision that would be served here.

    They get the same pictures and take turns, so that what else the machine does meets all of them.
    Raises BundleError, EngineError, WorkerLost.
    """
    return asyncio.run(_measure(bundles, pictures, calls))


async def _measure(bundles: Sequence[Bundle], pictures: Sequence[bytes], calls: int) -> list[Cost]:
    async with AsyncExitStack() as stack:
        workers = []
        for bundle in bundles:
            plan = Plan(bundle.path, ENGINE, "auto", DEFAULT_MAX_PIXELS)
            workers.append(ProcessWorker(plan, lambda worker, left: None))
            stack.push_async_callback(workers[-1].close)
            await workers[-1].open()
        took: list[list[float]] = [[] for _ in workers]
        order = list(zip(workers, took, strict=True))
        for number in range(-len(pictures), calls):
            for worker, seconds in order:
                job = Job(pictures[number % len(pictures)], DEFAULT_MAX_PIXELS)
                start = perf_counter()
                worker.ask([job])
                await job.answer
                if number >= 0:  # those before warm up
                    seconds.append(perf_counter() - start)
            order.reverse()  # what the first leaves behind meets each in turn
        return [
            Cost(np.array(seconds), worker.memory_bytes(), _size(bundle))
            for bundle, worker, seconds in zip(bundles, workers, took, strict=True)
        ]


def checks(candidate: Cost, incumbent: Cost, name: str, rules: Gate) -> list[Check]:
    """What the candidate may cost more than the incumbent; a latency fails only where its interval says so too."""
    ratio = _latency_ratio(candidate, incumbent)
    return [
        Check(
            f"p95 latency against {name}",
            ratio.low <= 1 + rules.latency_growth,
            f"{candidate.p95_ms:.2f} ms, {incumbent.p95_ms:.2f} before: × {ratio.value:.2f} "
            f"[{ratio.low:.2f}, {ratio.high:.2f}]",
            f"≤ × {1 + rules.latency_growth:.2f}, or its interval not all above",
        ),
        _growth(
            f"memory of a worker against {name}", candidate.memory_bytes, incumbent.memory_bytes, rules.memory_growth
        ),
        _growth(f"size against {name}", candidate.size_bytes, incumbent.size_bytes, rules.size_growth),
    ]


def _latency_ratio(candidate: Cost, incumbent: Cost) -> Interval:
    def ratio(rows: np.ndarray) -> float:
        ours, theirs = (np.percentile(cost.latency_s[rows], _P95) for cost in (candidate, incumbent))
        return float(ours / theirs)

    return paired(ratio, len(candidate.latency_s))


def _growth(name: str, ours: int, theirs: int, allowed: float) -> Check:
    ratio = ours / max(theirs, 1)
    found = f"{ours / 1e6:.1f} MB, {theirs / 1e6:.1f} before: × {ratio:.2f}"
    return Check(name, ratio <= 1 + allowed, found, f"≤ × {1 + allowed:.2f}")


def _size(bundle: Bundle) -> int:
    return sum(file.stat().st_size for file in bundle.path.rglob("*") if file.is_file())
