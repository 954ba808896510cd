"""Commands on a real pseudo-terminal: what a person sees, and Ctrl-C as the keyboard sends it."""

import os
import pty
import re
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from web import web

CTRL_C = b"\x03"
READ_BYTES = 65536


class Screen:
    """A command whose terminal this is."""

    def __init__(self, descriptor: int, pid: int) -> None:
        self._descriptor, self._pid = descriptor, pid
        self.shown = ""

    def until(self, pattern: str) -> None:
        """Read on until something of this pattern was shown."""
        while not re.search(pattern, self.shown):
            assert self._read(), f"it ended before {pattern!r}: {self.shown}"

    def press(self, key: bytes) -> None:
        os.write(self._descriptor, key)

    def end(self) -> int:
        """Read to the end; the exit code."""
        while self._read():
            pass
        return os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])

    def _read(self) -> bool:
        try:
            read = os.read(self._descriptor, READ_BYTES)
        except OSError:  # as Linux tells of the end of a terminal
            return False
        self.shown += re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", read.decode())
        return bool(read)


@contextmanager
def screen(folder: Path, *arguments: object, **variables: str) -> Iterator[Screen]:
    """`tapetum` in a terminal of 80 columns."""
    environment = os.environ | {"TERM": "xterm-256color", "COLUMNS": "80", "NO_COLOR": "1"} | variables
    command = [sys.executable, "-m", "tapetum", *map(str, arguments)]
    pid, descriptor = pty.fork()
    if pid == 0:
        os.chdir(folder)
        os.execve(sys.executable, command, environment)
    try:
        yield Screen(descriptor, pid)
    finally:
        os.close(descriptor)


@pytest.fixture
def stalls() -> Iterator[tuple[Callable[[BaseHTTPRequestHandler], None], threading.Event]]:
    """An answer of which the first half comes, and the rest when the event is set."""
    goes_on = threading.Event()

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "20000000")
        handler.end_headers()
        handler.wfile.write(b"P" * 10_000_000)
        handler.wfile.flush()
        goes_on.wait()

    yield answer, goes_on
    goes_on.set()


def test_ctrl_c_in_a_download_leaves_what_goes_on_and_nothing_half_written(tmp_path, stalls):
    answer, goes_on = stalls
    with web() as place:
        place.answers = [answer]
        with screen(tmp_path, "data", "fetch", f"{place.url}/photos.zip", "--to", "photos") as shown:
            shown.until("10000/20000")
            shown.press(CTRL_C)
            code = shown.end()
        goes_on.set()

    assert code == 130
    assert shown.shown.rstrip().endswith("tapetum: interrupted")
    assert "Traceback" not in shown.shown
    assert [path.name for path in tmp_path.iterdir()] == ["photos.download.part"]


def test_on_a_terminal_a_check_shows_bars_and_a_table(folder, tmp_path):
    with screen(tmp_path, "data", "split", folder, "--out", "manifest.json") as shown:
        code = shown.end()

    assert code == 0, shown.shown
    assert "read pictures ━" in shown.shown
    assert re.search(r"class +train +val +test", shown.shown)
    assert max(map(len, re.split(r"[\r\n]+", shown.shown))) <= 80


def test_a_terminal_that_cannot_draw_gets_plain_lines(folder, tmp_path):
    with screen(tmp_path, "data", "split", folder, "--out", "manifest.json", TERM="dumb") as shown:
        code = shown.end()

    assert code == 0, shown.shown
    assert re.fullmatch(r"manifest\.json: train .+\r\n", shown.shown)
