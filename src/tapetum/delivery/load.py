"""Load on a service: callers who wait for their answer before they ask again, and callers who come at a rate.

The first are a closed loop, which hides queueing: a slow answer holds up its
caller's next request. The second are an open loop, where latency counts from
when a request was due.
"""

import asyncio
from array import array
from collections import deque
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import cycle
from math import ceil
from threading import Event
from time import perf_counter, process_time
from typing import Protocol, TypeVar

import numpy as np

from tapetum.delivery.connection import NO_ANSWER, Answer, Connection, Target

try:
    import uvloop

    _new_event_loop: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
except ImportError:  # it is not made for every system
    _new_event_loop = asyncio.new_event_loop

MOST_CONNECTIONS = 256
PATIENCE_S = 30.0
_OPENED_AT_ONCE = 16
_PAUSE_S = 0.1
_OK = 200

Value = TypeVar("Value")


class Script(Protocol):
    """What is sent, by number from 0 on, and who hears what came of it."""

    def request(self, number: int) -> bytes:
        """A whole request."""

    def hear(self, number: int, answer: Answer) -> None:
        """Its answer; of what was not answered within PATIENCE_S nothing is heard."""


@dataclass
class Seen:
    """Latencies in seconds by status, NO_ANSWER among them; `late_s` is how long after its time each request was sent.

    `asking_s` is the time in which they were sent, `duration_s` that until the
    last was answered; `cpu_s` is the generator's own processor time.
    """

    latencies_s: dict[int, "array[float]"] = field(default_factory=dict)
    late_s: "array[float]" = field(default_factory=lambda: array("d"))
    asking_s: float = 0.0
    duration_s: float = 0.0
    cpu_s: float = 0.0

    def add(self, status: int, latency_s: float) -> None:
        """One answer."""
        self.latencies_s.setdefault(status, array("d")).append(latency_s)

    @property
    def number(self) -> int:
        """How many requests there were."""
        return sum(map(len, self.latencies_s.values()))

    def rate(self, status: int = _OK) -> float:
        """Answers of a status in a second."""
        return len(self.latencies_s.get(status, ())) / self.duration_s

    def quantile_s(self, share: float, status: int = _OK) -> float | None:
        """The latency that `share` of a status' answers do not exceed; None of too few to tell."""
        return quantile(self.latencies_s.get(status, array("d")), share)


def quantile(values: Sequence[float], share: float) -> float | None:
    """The least value that `share` of them do not exceed; None where no value would lie beyond it."""
    # Rounded, since 1000 · (1 - 0.999) falls short of 1.
    if round(len(values) * (1 - share), 6) < 1:
        return None
    return sorted(values)[ceil(round(share * len(values), 6)) - 1]


def arrivals(rate: float, duration_s: float, are_even: bool = False) -> list[float]:
    """When requests are due, in seconds from the start: evenly, or as callers come who know nothing of each other."""
    number = max(1, round(rate * duration_s))
    if are_even:
        return [each / rate for each in range(number)]
    # Given their number, such callers are spread uniformly; the gaps between them are exponential.
    return [float(due) for due in np.sort(np.random.default_rng(0).uniform(0, duration_s, number))]


def run(work: Coroutine[None, None, Value]) -> Value:
    """Run to the end, on the fastest event loop there is."""
    with asyncio.Runner(loop_factory=_new_event_loop) as runner:
        return runner.run(work)


async def closed(target: Target, clients: int, duration_s: float) -> Seen:
    """Each client asks again as soon as it is answered. Raises OSError where nobody listens."""
    seen = Seen()
    requests = cycle(target.requests)
    connections = await _open(target, clients)

    async def client(connection: Connection, end: float) -> None:
        while (begun := perf_counter()) < end:
            answer = await connection.ask(next(requests))
            seen.add(answer.status, answer.at - begun)
            if answer.status == NO_ANSWER:
                await asyncio.sleep(_PAUSE_S)  # nobody listens: to ask without a pause would only heat the machine

    with _measuring(seen, connections) as start:
        clients_at_work = [asyncio.create_task(client(each, start + duration_s)) for each in connections]
        _, unanswered = await asyncio.wait(clients_at_work, timeout=duration_s + PATIENCE_S)
        for task in unanswered:
            task.cancel()
            seen.add(NO_ANSWER, PATIENCE_S)
        seen.asking_s = duration_s
    return seen


class _InTurn:
    """The requests of a target in turn."""

    def __init__(self, requests: Sequence[bytes]) -> None:
        self._requests = requests

    def request(self, number: int) -> bytes:
        return self._requests[number % len(self._requests)]

    def hear(self, number: int, answer: Answer) -> None:
        pass  # it is in Seen


async def opened(
    target: Target, dues: Sequence[float], script: Script | None = None, enough: Event | None = None
) -> Seen:
    """Requests come when they are due, whatever becomes of those before. Raises OSError where nobody listens.

    They are those of the target in turn, unless a `script` is given. Once `enough` is set no more are sent.
    """
    seen = Seen()
    script, enough = script or _InTurn(target.requests), enough or Event()
    connections = await _open(target, _OPENED_AT_ONCE)
    idle, waiting = connections.copy(), deque[float]()
    all_answered = asyncio.Event()
    sent, expected, is_over = 0, len(dues), False
    loop = asyncio.get_running_loop()

    def come(due: float) -> None:
        if idle:
            send(idle.pop(), due)
        elif len(connections) < MOST_CONNECTIONS:
            connections.append(Connection(target))
            send(connections[-1], due)
        else:
            waiting.append(due)

    def send(connection: Connection, due: float) -> None:
        nonlocal sent
        seen.asking_s = perf_counter() - start
        seen.late_s.append(seen.asking_s - due)
        connection.ask(script.request(sent)).add_done_callback(partial(hear, connection, due, sent))
        sent += 1

    def hear(connection: Connection, due: float, number: int, answer: "asyncio.Future[Answer]") -> None:
        if is_over:
            return
        found = answer.result()
        seen.add(found.status, found.at - start - due)
        script.hear(number, found)
        if waiting:
            send(connection, waiting.popleft())
        else:
            idle.append(connection)
        if seen.number >= expected:
            all_answered.set()

    def call_in_time() -> int:
        """On a thread, since the timers of an event loop are a millisecond late; how many came."""
        for number, due in enumerate(dues):
            if enough.is_set() or ((ahead := start + due - perf_counter()) > 0 and enough.wait(ahead)):
                return number
            loop.call_soon_threadsafe(come, due)
        return len(dues)

    with _measuring(seen, connections) as start:
        try:
            expected = await asyncio.to_thread(call_in_time)
            if seen.number < expected:
                await asyncio.wait_for(all_answered.wait(), PATIENCE_S)
        except TimeoutError:
            for _ in range(expected - seen.number):
                seen.add(NO_ANSWER, PATIENCE_S)
        finally:
            is_over = True
            enough.set()
    return seen


async def _open(target: Target, number: int) -> list[Connection]:
    connections = [Connection(target) for _ in range(number)]
    try:
        await asyncio.gather(*(connection.open() for connection in connections))
    except BaseException:
        _close(connections)
        raise
    return connections


def _close(connections: Sequence[Connection]) -> None:
    for connection in connections:
        connection.close()


@contextmanager
def _measuring(seen: Seen, connections: Sequence[Connection]) -> Iterator[float]:
    """The start by `perf_counter`; at the end times are set and connections closed."""
    start, cpu = perf_counter(), process_time()
    try:
        yield start
    finally:
        seen.duration_s, seen.cpu_s = perf_counter() - start, process_time() - cpu
        _close(connections)
