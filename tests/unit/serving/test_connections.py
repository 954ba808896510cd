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
from tapetum.serving.problems import Written
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
@pytest.mark.parametrize(
    "asked",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET /",
        b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 4\r\n\r\nbody",
    ],
    ids=["answered", "and refused in the next head", "refused before its body was read"],
)
async def test_a_last_answer_that_nobody_reads_is_cut_off(asked):
    lane = Lane(FastAPI(), [], InFlight(), max_bytes=1)
    refused = Written(503, {"Content-Length": str(len(ANSWER))}, ANSWER)
    limits = Limits(10, 0.2, 0.2, lambda: False, lambda scope: refused if scope["method"] == "POST" else None, lane)
    config, state = uvicorn.Config(answer, log_config=None, timeout_keep_alive=1000), ServerState()
    config.load()
    listening = socket.create_server(("127.0.0.1", 0))
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    begin = partial(Connection, limits, [], config=config, server_state=state, app_state={})
    server = await asyncio.get_running_loop().create_server(begin, sock=listening)
    received = b""
    async with server:
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            client.connect(listening.getsockname())
            client.sendall(asked)
            async with asyncio.timeout(20):
                while not state.total_requests or state.connections:
                    await asyncio.sleep(0.01)
            with suppress(ConnectionResetError):
                while chunk := client.recv(65_536):
                    received += chunk

    assert state.total_requests == 1
    assert len(received) < len(ANSWER)
