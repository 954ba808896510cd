import json
import re
from http import HTTPStatus
from pathlib import Path

import numpy as np
import pytest

from tapetum.logs.lines import MOST_CHARACTERS, MOST_OF_A_TRACEBACK, Line, console_renderer, finish

PIXELS = bytes(range(7, 107))


def line(**fields: object) -> Line:
    return Line(dict(finish(None, "info", {"level": "info", "event": "request", **fields})))


def parsed(**fields: object) -> dict[str, object]:
    written = line(**fields).to_json()
    assert written.endswith(b"\n")
    assert written.count(b"\n") == 1
    return json.loads(written)


def text(**fields: object) -> str:
    return line(**fields).to_text(console_renderer(has_colours=False)).decode()


def test_a_line_begins_with_time_level_and_event():
    assert list(parsed(status=200)) == ["timestamp", "level", "event", "status"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", str(parsed()["timestamp"]))


@pytest.mark.parametrize(
    "name",
    [
        *("password", "smtp_password", "PASSWD", "gmail_pass", "client_secret", "api_key", "X-API-Key", "apikey"),
        *("private_key", "authorization", "Cookie", "set-cookie", "access_token", "credentials"),
    ],
)
@pytest.mark.parametrize("secret", ["hunter2", 2468, b"hunter2", ["hunter2"], {"of": "hunter2"}, 24.68])
def test_a_field_with_the_name_of_a_secret_is_hidden(name, secret):
    assert parsed(**{name: secret})[name] == "***"


@pytest.mark.parametrize(
    ("name", "value"), [("keys", 2), ("password", None), ("has_password", True), ("passed", "all")]
)
def test_what_is_none_stays(name, value):
    assert parsed(**{name: value})[name] == value


def test_secrets_are_hidden_however_deep_they_stand():
    headers = [{"Authorization": "Bearer of-all-my-secrets", "Accept": "*/*"}]

    assert parsed(request={"headers": headers})["request"] == {"headers": [{"Authorization": "***", "Accept": "*/*"}]}


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ("smtp://me:hunter2@mail.example:587", "smtp://me:***@mail.example:587"),
        ("sent Authorization: Bearer 0123456789abcdef0123", "sent Authorization: Bearer ***"),
        ("authorization: basic bWU6aHVudGVyMmh1bnRlcjI=", "authorization: basic ***"),
        ("a basic thing @ home", "a basic thing @ home"),
        ("http://localhost:8000/predict", "http://localhost:8000/predict"),
    ],
)
@pytest.mark.parametrize("field", ["event", "reason", "exception"])
def test_secrets_that_a_text_calls_so_are_hidden(said, written, field):
    assert parsed(**{field: said})[field] == written


@pytest.mark.parametrize("hostile", ["@" + "://a:" * 5_000, "@" + "bearer " * 5_000, "bearer" + " " * 20_000 + "@"])
def test_a_text_made_to_be_hard_to_search_comes_out(hostile):
    assert str(parsed(exception=hostile)["exception"]).endswith(hostile[-100:])


@pytest.mark.parametrize("content", [PIXELS, bytearray(PIXELS), memoryview(PIXELS), np.frombuffer(PIXELS, np.uint8)])
def test_of_bytes_and_arrays_only_their_number_is_logged(content):
    assert parsed(picture=content)["picture"] == "<100 bytes>"


class Unspeakable:
    def __str__(self) -> str:
        raise RuntimeError("no")


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (float("nan"), "nan"),
        (float("inf"), "inf"),
        (0.25, 0.25),
        (HTTPStatus.OK, 200),
        (Path("bundle"), "bundle"),
        (ValueError("wrong"), "wrong"),
        (Unspeakable(), "<Unspeakable>"),
        ({1: (2, 3)}, {"1": [2, 3]}),
        ([[[[[1]]]]], [[[["<list>"]]]]),
        ("two\nlines", "two\nlines"),
        ("Katze – 猫", "Katze – 猫"),
        ("half \udc80 a name", "half \udc80 a name"),
    ],
)
def test_any_value_makes_a_line_of_json(value, written):
    assert parsed(value=value)["value"] == written


def test_what_holds_itself_makes_a_line_too():
    loop: list[object] = []
    loop.append(loop)

    assert parsed(value=loop)["value"] == [[[["<list>"]]]]


def test_a_long_text_is_cut_at_its_end_and_a_traceback_at_its_beginning():
    shown = parsed(path="/" + "x" * 30_000, exception="y" * 20_000 + "ZeroDivisionError")

    assert shown["path"] == "/" + "x" * (MOST_CHARACTERS - 1) + "…(28001 characters more)"
    assert str(shown["exception"]).startswith("(4017 characters before)…yyy")
    assert str(shown["exception"]).endswith("ZeroDivisionError")
    assert len(str(shown["exception"])) < MOST_OF_A_TRACEBACK + 40


@pytest.mark.parametrize("field", ["event", "path"])
@pytest.mark.parametrize("forged", ["\n2026-11-22 [info] paid", "\r", "\x1b[2J", "\x07", "\u202e", "\x85"])
def test_no_caller_forges_a_line_of_the_console_or_commands_a_terminal(field, forged):
    shown = text(**{field: f"/nothing{forged}"})

    assert shown.count("\n") == 1
    assert shown[:-1].isprintable()
    assert "/nothing\\" in shown


def test_a_traceback_keeps_its_lines_on_the_console_and_nothing_else():
    shown = text(exception="Traceback\n  in fail\nValueError: \x1b[2J")

    assert shown.splitlines()[1:] == ["Traceback", "  in fail", "ValueError: \\x1b[2J"]
