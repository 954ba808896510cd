"""How fast is a service, and how late are its answers? Loads on it in turn, and what each has shown."""

import json
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Literal

import httpx

from tapetum.delivery import load
from tapetum.delivery.connection import NO_ANSWER, Target
from tapetum.delivery.load import Seen, quantile
from tapetum.delivery.target import TIMEOUT_S
from tapetum.errors import ConfigError, ResourceError

QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99.9": 0.999}
WARM_UP_S = 1.0
_MOST_SHARE = 0.8  # of a core, beyond which the generator itself may be what is measured
_MOST_LATE_MS = 5.0

Arrivals = Literal["random", "even"]


@dataclass(frozen=True)
class Plan:
    """Closed loops of so many `clients`, then open loops of `rates` in a second and of `shares` of the peak before.

    Raises ConfigError for shares of a peak that is not measured.
    """

    clients: tuple[int, ...]
    rates: tuple[float, ...]
    shares: tuple[float, ...]
    seconds: float
    arrivals: Arrivals

    def __post_init__(self) -> None:
        if self.shares and not self.clients:
            raise ConfigError("a rate in percent is a share of the peak of closed loops: give --clients too")


@dataclass(frozen=True)
class Load:
    """What one load has shown; quantiles are of the answers 200, and null where those are too few to tell.

    `clients` is that of a closed loop, `rate` that of an open one. Of an open loop latency counts from when a
    request was due. `server_cpu_ms` is processor time for a request, `generator_share` the generator's part of a core,
    `late_ms` the 99th percentile of how much later than due requests were sent.
    """

    clients: int | None
    rate: float | None
    seconds: float
    requests: int
    answered_per_s: float
    latency_ms: dict[str, float | None]
    answers: dict[str, int]
    server_cpu_ms: float | None
    generator_share: float
    late_ms: float | None

    @property
    def name(self) -> str:
        """The load in words."""
        if self.rate is not None:
            return f"open, {self.rate:.0f}/s"
        return f"closed, {self.clients} client{'' if self.clients == 1 else 's'}"

    @property
    def doubt(self) -> str | None:
        """Why the generator may have been what was measured; None where it was not."""
        if self.generator_share > _MOST_SHARE:
            return f"the generator was busy for {self.generator_share:.0%} of the time: the service may be faster"
        if self.late_ms is not None and self.late_ms > _MOST_LATE_MS:
            return (
                f"the generator fell behind its schedule, 1 % of the requests by more than {self.late_ms:.0f} ms, "
                "which their latency contains: ask from another machine, or at a lower rate"
            )
        return None


def measure(target: Target, plan: Plan, cpu_s: Callable[[], float | None]) -> Iterator[Load]:
    """Put each load on a service and say what it has shown; `cpu_s` is the service's processor time so far.

    Raises ResourceError where nobody listens any more.
    """
    _run(partial(load.closed, target, 2, min(WARM_UP_S, plan.seconds)), cpu_s)
    peak = 0.0
    for clients in plan.clients:
        seen, server_s = _run(partial(load.closed, target, clients, plan.seconds), cpu_s)
        peak = max(peak, seen.rate())
        yield _to_load(seen, server_s, clients=clients)
    for rate in (*plan.rates, *(share * peak for share in plan.shares)):
        if rate > 0:
            dues = load.arrivals(rate, plan.seconds, plan.arrivals == "even")
            seen, server_s = _run(partial(load.opened, target, dues), cpu_s)
            yield _to_load(seen, server_s, rate=rate)


def cpu_of_url(url: str, headers: dict[str, str]) -> float | None:
    """Processor time of the process that answers /metrics; None where it does not tell."""
    try:
        lines = httpx.get(f"{url.rstrip('/')}/metrics", headers=headers, timeout=TIMEOUT_S).text.splitlines()
        return next((float(line.split()[1]) for line in lines if line.startswith("process_cpu_seconds_total ")), None)
    except (httpx.HTTPError, ValueError):
        return None


def to_json(url: str, pictures: Sequence[bytes], machine: dict[str, str], loads: Sequence[Load]) -> str:
    """All of it as one document."""
    content = {
        "service": url,
        "generator": machine,
        "pictures": {"number": len(pictures), "mean_bytes": round(sum(map(len, pictures)) / len(pictures))},
        "loads": [asdict(each) | {"doubt": each.doubt} for each in loads],
    }
    return json.dumps(content, indent=1) + "\n"


def _run(
    shape: Callable[[], Coroutine[None, None, Seen]], cpu_s: Callable[[], float | None]
) -> tuple[Seen, float | None]:
    before = cpu_s()
    try:
        seen = load.run(shape())
    except OSError as error:
        raise ResourceError(f"the service takes no connection any more: {error}") from error
    after = cpu_s()
    return seen, None if before is None or after is None else after - before


def _to_load(seen: Seen, server_s: float | None, clients: int | None = None, rate: float | None = None) -> Load:
    quantiles = {name: seen.quantile_s(share) for name, share in QUANTILES.items()}
    late_s = quantile(seen.late_s, QUANTILES["p99"])
    answers = {str(status): len(found) for status, found in sorted(seen.latencies_s.items()) if status != NO_ANSWER}
    unanswered = len(seen.latencies_s.get(NO_ANSWER, ()))
    return Load(
        clients=clients,
        rate=rate,
        seconds=seen.duration_s,
        requests=seen.number,
        answered_per_s=seen.rate(),
        latency_ms={name: None if found is None else found * 1000 for name, found in quantiles.items()},
        answers=answers | ({"none": unanswered} if unanswered else {}),
        server_cpu_ms=None if server_s is None else server_s * 1000 / seen.number,
        generator_share=seen.cpu_s / seen.duration_s,
        late_ms=None if late_s is None else late_s * 1000,
    )
