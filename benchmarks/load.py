"""A load generator for the benchmarks of the service: bare HTTP on many connections, and a service to ask."""

import asyncio
import io
import os
import signal
import statistics
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter, sleep
from typing import cast

import httpx
import numpy as np
from PIL import Image

HOST = "127.0.0.1"


@dataclass
class Seen:
    """Latencies in seconds by status; `offered` is what an open loop really asked in a second."""

    latencies_s: dict[int, list[float]] = field(default_factory=dict)
    duration_s: float = 0.0
    offered: float = 0.0

    def add(self, status: int, latency_s: float) -> None:
        """One answer."""
        self.latencies_s.setdefault(status, []).append(latency_s)

    def rate(self, status: int) -> float:
        """Answers of a status in a second."""
        return len(self.latencies_s.get(status, [])) / self.duration_s

    def quantiles_ms(self, status: int) -> str:
        """Median and 99th percentile of a status."""
        found = self.latencies_s.get(status, [])
        if len(found) < 2:
            return "-"
        ranks = statistics.quantiles(found, n=100)
        return f"{ranks[49] * 1000:.1f}/{ranks[98] * 1000:.1f}"


class Connection(asyncio.Protocol):
    """One kept connection, one request at a time."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The line stands."""
        self._transport = cast(asyncio.Transport, transport)
        self._received = b""
        self._answer: asyncio.Future[int] | None = None

    async def ask(self, request: bytes) -> int:
        """Send a whole request; its status."""
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def data_received(self, data: bytes) -> None:
        """Some of an answer."""
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        if end and len(body) >= int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]):
            self._received = b""
            if self._answer is not None and not self._answer.done():
                self._answer.set_result(int(head[9:12]))

    def connection_lost(self, exc: Exception | None) -> None:
        """Counted as status 0."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(0)


@asynccontextmanager
async def connections(port: int, number: int) -> AsyncIterator[list[Connection]]:
    """So many open connections."""
    loop = asyncio.get_running_loop()
    opened = [(await loop.create_connection(Connection, HOST, port))[1] for _ in range(number)]
    try:
        yield opened
    finally:
        for connection in opened:
            connection._transport.close()


async def closed(port: int, request: bytes, clients: int, duration_s: float) -> Seen:
    """Each client asks again as soon as it is answered."""
    seen = Seen()
    start = perf_counter()

    async def client(connection: Connection) -> None:
        while (begun := perf_counter()) < start + duration_s:
            seen.add(await connection.ask(request), perf_counter() - begun)

    async with connections(port, clients) as opened:
        await asyncio.gather(*map(client, opened))
    seen.duration_s = perf_counter() - start
    return seen


async def opened(port: int, request: bytes, rate: float, duration_s: float, clients: int = 400) -> Seen:
    """Requests come at a rate, whatever becomes of those before; latency counts from when one was due."""
    seen = Seen()
    async with connections(port, clients) as free:
        start = perf_counter()
        asking: set[asyncio.Task[None]] = set()

        async def ask(connection: Connection, due: float) -> None:
            seen.add(await connection.ask(request), perf_counter() - due)
            free.append(connection)

        for number in range(int(rate * duration_s)):
            due = start + number / rate
            if (ahead := due - perf_counter()) > 0:
                await asyncio.sleep(ahead)
            while not free:
                await asyncio.sleep(0.001)
            task = asyncio.create_task(ask(free.pop(0), due))
            asking.add(task)
            task.add_done_callback(asking.discard)
        seen.offered = int(rate * duration_s) / (perf_counter() - start)
        await asyncio.gather(*asking)
        seen.duration_s = perf_counter() - start
    return seen


def post(content: bytes) -> bytes:
    """A picture as a whole POST request."""
    return f"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: {len(content)}\r\n\r\n".encode() + content


def picture(width: int, height: int) -> bytes:
    """A JPEG of few bytes for its size, so that its work is the decoder's and not the generator's."""
    coarse = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC).save(stream, "JPEG", quality=60)
    return stream.getvalue()


@contextmanager
def service(
    bundle: Path, port: int, cores: set[int] | None = None, **variables: str
) -> Iterator["subprocess.Popen[bytes]"]:
    """A ready `tapetum serve`, on some cores only if it shall; it must end well."""
    command = [sys.executable, "-m", "tapetum", "serve", str(bundle), "--port", str(port)]
    environment = os.environ | {"TAPETUM_DRAIN_S": "0", "TAPETUM_LOG_LEVEL": "error"} | variables
    process = subprocess.Popen(command, env=environment)
    if cores is not None:
        os.sched_setaffinity(process.pid, cores)  # before it has begun to count them
    try:
        while process.poll() is None:
            try:
                if httpx.get(f"http://{HOST}:{port}/ready").is_success:
                    break
            except httpx.TransportError:
                sleep(0.02)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        if process.wait() != 0:
            raise SystemExit(f"the service ended with exit code {process.returncode}")
