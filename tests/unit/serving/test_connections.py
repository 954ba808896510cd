"""A connection whose last answer nobody reads ends all the same."""

import asyncio
import socket
from contextlib import suppress
from functools import partial

import pytest
import uvicorn
from fastapi import FastAPI
from uvicorn.server import ServerState

from tapetum.serving.connections import Connection, Limits
from tapetum.serving.lane import Lane
from tapetum.serving.record import InFlight

# More than the two sockets below hold, and less than a transport holds before it says that nobody reads.
ANSWER = bytes(40_000)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def answer(scope, receive, send) -> None:
    head = [(b"content-length", str(len(ANSWER)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": head})
    await send({"type": "http.response.body", "body": ANSWER})


@pytest.mark.anyio
@pytest.mark.parametrize("begun", [b"", b"GET /"], ids=["answered", "and refused in the next head"])
async def test_a_last_answer_that_nobody_reads_is_cut_off(begun):
    lane = Lane(FastAPI(), [], InFlight(), max_bytes=1)
    limits = Limits(10, 0.2, 0.2, lambda: False, lambda scope: None, lane)
    config, state = uvicorn.Config(answer, log_config=None, timeout_keep_alive=1000), ServerState()
    config.load()
    listening = socket.create_server(("127.0.0.1", 0))
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    begin = partial(Connection, limits, [], config=config, server_state=state, app_state={})
    server = await asyncio.get_running_loop().create_server(begin, sock=listening)
    received = b""
    async with server:
        with socket.socket() as client, suppress(ConnectionResetError):
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            client.connect(listening.getsockname())
            last = b"" if begun else b"Connection: close\r\n"
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n" + last + b"\r\n" + begun)
            async with asyncio.timeout(20):
                while not state.total_requests or state.connections:
                    await asyncio.sleep(0)
            while chunk := client.recv(65_536):
                received += chunk

    assert len(received) < len(ANSWER)
