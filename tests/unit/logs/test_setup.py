"""Logging is set up once per process, so each format is tried in a process of its own."""

import json
import signal
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest

PROGRAM = """
import logging, sys
from pathlib import Path
import structlog
from tapetum.logs import context, setup
from tapetum.settings import Settings

setup.configure(Settings(log_format=sys.argv[1]))
log, foreign = structlog.get_logger(), logging.getLogger("uvicorn.error")

def fail():
    password = "hunter2"
    return 1 / len(password[:0])

log.info("served", status=200, path="/predict")
log.debug("hidden")
foreign.warning("port %d is taken", 8000)
foreign.debug("hidden")
log.info("odd", title="Katze – 猫", place=Path("bundle"), text="two\\nlines")
fields = context.FIELDS.set({"request_id": "r1"})
log.info("bound")
foreign.info("bound too")
context.FIELDS.reset(fields)
try:
    fail()
except ZeroDivisionError:
    log.exception("failed", picture=3)
    foreign.exception("foreign failed")
"""
EVENTS = ["served", "port 8000 is taken", "odd", "bound", "bound too", "failed", "foreign failed"]


def run(line_format: str, folder: Path) -> subprocess.CompletedProcess[str]:
    (folder / "program.py").write_text(PROGRAM, encoding="utf-8")
    command = [sys.executable, str(folder / "program.py"), line_format]
    return subprocess.run(command, capture_output=True, encoding="utf-8", check=True)


@pytest.fixture(scope="module")
def as_json(tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess[str]:
    return run("json", tmp_path_factory.mktemp("json"))


@pytest.fixture(scope="module")
def lines(as_json: subprocess.CompletedProcess[str]) -> dict[str, dict[str, object]]:
    """Each line of the JSON log, by its event."""
    parsed = [json.loads(line) for line in as_json.stderr.splitlines()]
    return {line["event"]: line for line in parsed}


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess[str]:
    return run("console", tmp_path_factory.mktemp("console"))


def test_json_is_one_object_a_line_for_each_event(as_json):
    assert [json.loads(line)["event"] for line in as_json.stderr.splitlines()] == EVENTS


@pytest.mark.parametrize("log", ["as_json", "console"])
def test_nothing_goes_to_standard_output(request, log):
    assert request.getfixturevalue(log).stdout == ""


@pytest.mark.parametrize(
    ("event", "level"),
    [("served", "info"), ("port 8000 is taken", "warning"), ("failed", "error"), ("foreign failed", "error")],
)
def test_each_json_line_has_its_level(lines, event, level):
    assert lines[event]["level"] == level


@pytest.mark.parametrize("event", EVENTS)
def test_each_json_line_has_a_time_in_utc(lines, event):
    assert datetime.fromisoformat(lines[event]["timestamp"]).utcoffset().total_seconds() == 0


@pytest.mark.parametrize("key", ["status", "path"])
def test_fields_are_keys_of_a_json_line(lines, key):
    assert lines["served"][key] == {"status": 200, "path": "/predict"}[key]


def test_a_json_line_keeps_its_text_whole(lines):
    assert (lines["odd"]["title"], lines["odd"]["text"]) == ("Katze – 猫", "two\nlines")


def test_a_value_that_json_does_not_know_is_shown(lines):
    assert "bundle" in lines["odd"]["place"]


@pytest.mark.parametrize("event", ["bound", "bound too"])
def test_what_was_bound_is_on_every_loggers_line(lines, event):
    assert lines[event]["request_id"] == "r1"


@pytest.mark.parametrize("event", ["failed", "foreign failed"])
def test_an_exception_is_a_field_of_its_json_line(lines, event):
    assert "ZeroDivisionError: division by zero" in lines[event]["exception"]


def test_an_exception_keeps_the_fields_beside_it(lines):
    assert lines["failed"]["picture"] == 3


def test_lines_below_the_level_are_left_out(console):
    assert "[debug" not in console.stderr


@pytest.mark.parametrize(
    "text", ["[info     ] served", "status=200", "path=/predict", "[warning  ] port 8000 is taken"]
)
def test_the_console_shows_level_event_and_fields(console, text):
    assert text in console.stderr


def test_the_console_shows_an_event_and_its_fields_on_one_line(console):
    served = next(line for line in console.stderr.splitlines() if "served" in line)

    assert "status=200" in served


def test_the_console_shows_where_an_exception_came_from(console):
    assert "in fail" in console.stderr
    assert "ZeroDivisionError: division by zero" in console.stderr


def test_the_console_is_not_coloured_when_it_is_no_terminal(console):
    assert "\x1b[" not in console.stderr


@pytest.mark.parametrize("log", ["as_json", "console"])
def test_no_local_variable_is_logged_with_an_exception(request, log):
    """Locals hold passwords, and the bytes of the picture at fault."""
    assert "'hunter2'" not in request.getfixturevalue(log).stderr


LAST_WORDS = """
import threading, warnings
from tapetum.logs import setup
from tapetum.settings import Settings

setup.configure(Settings(log_format="json"))

class Odd:
    def __del__(self):
        raise ValueError("in passing")

def divide():
    return 1 / 0

warnings.warn("this is old")
thread = threading.Thread(target=divide, name="divider")
thread.start()
thread.join()
odd = Odd()
del odd
raise RuntimeError("the end")
"""


def test_what_nobody_caught_is_logged_to_the_last_line():
    ended = subprocess.run([sys.executable, "-c", LAST_WORDS], capture_output=True, encoding="utf-8", check=False)

    lines = [json.loads(line) for line in ended.stderr.splitlines()]
    assert ended.returncode == 1
    assert [line["level"] for line in lines] == ["warning", "critical", "error", "critical"]
    warned, thread, odd, last = lines
    assert (warned["logger"], "this is old" in warned["event"]) == ("py.warnings", True)
    assert thread["thread"] == "divider"
    assert "ZeroDivisionError: division by zero" in thread["exception"]
    assert "ValueError: in passing" in odd["exception"]
    assert last["event"] == "the process ends with an error"
    assert last["exception"].endswith("RuntimeError: the end")


def test_a_crash_of_the_process_says_where():
    program = LAST_WORDS.replace('raise RuntimeError("the end")', "import ctypes; ctypes.string_at(0)")

    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, encoding="utf-8", check=False)

    assert ended.returncode == -signal.SIGSEGV
    assert "Fatal Python error: Segmentation fault" in ended.stderr
