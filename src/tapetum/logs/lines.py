"""One line of the log: an event and its fields, bounded and without secrets, as JSON or as text for people."""

import json
import math
import re
import time
from collections.abc import Mapping, MutableMapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import structlog

LEVELS = ("debug", "info", "warning", "error", "critical")
HIDDEN = "***"
MOST_CHARACTERS = 2_000
MOST_OF_A_TRACEBACK = 16_000
_DEEPEST = 4
_SECRET_NAME = re.compile(r"passw|_pass$|secret|token|authorization|cookie|credential|(api|private)[-_]?key", re.I)
# Bounded, since a caller's path may be made of beginnings of addresses, each of which would be searched to its end:
# 18 ms for 2,000 characters, where this takes 0.5.
_SECRET_IN_TEXT = re.compile(r"(://[^:/@\s]{0,128}:)\S{1,128}(?=@)|\b((?:bearer|basic) +)[\w.~+/=-]{16,}", re.I)


def finish(logger: object, method: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """The last step of a caller: its event with the time, and with nothing in it that must not be kept.

    Bytes become their number, long texts are cut, and what a field's name or a
    text calls a secret is hidden, so that the queue holds neither pictures nor
    passwords. The time is in Unix seconds.
    """
    first = {"timestamp": time.time(), "level": event.pop("level"), "event": _safe(event.pop("event", ""), "event")}
    return first | {name: _safe(value, name) for name, value in event.items()}


class Line:
    """An event that `finish` has made safe. It is rendered once, however many write it."""

    __slots__ = ("_json", "fields", "level", "seconds")

    def __init__(self, event: dict[str, Any]) -> None:
        self.level: str = event["level"]
        self.seconds: float = event["timestamp"]
        self.fields = event
        self._json: bytes | None = None

    @property
    def timestamp(self) -> str:
        """When it was logged, as RFC 3339 in UTC."""
        return datetime.fromtimestamp(self.seconds, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")

    def to_json(self) -> bytes:
        """One JSON object and a line feed."""
        if self._json is None:
            self._json = _encode(json.dumps(self.fields | {"timestamp": self.timestamp}, ensure_ascii=False))
        return self._json

    def to_text(self, renderer: structlog.dev.ConsoleRenderer) -> bytes:
        """A line for people; an exception has further ones."""
        shown = {name: _visible(value, name) for name, value in self.fields.items()}
        return _encode(str(renderer(None, self.level, shown | {"timestamp": self.timestamp})))


def console_renderer(has_colours: bool) -> structlog.dev.ConsoleRenderer:
    """Time, level and event in columns, then the fields."""
    return structlog.dev.ConsoleRenderer(colors=has_colours, sort_keys=False)


def _encode(text: str) -> bytes:
    # A path or a name in a foreign encoding comes with characters that UTF-8 does not have.
    return text.encode("utf-8", "backslashreplace") + b"\n"


@lru_cache(1024)
def _is_secret(name: str) -> bool:
    return _SECRET_NAME.search(name) is not None


def _safe(value: object, name: str, depth: int = 0) -> object:
    if value is None or value is True or value is False:
        return value
    if _is_secret(name):
        return HIDDEN
    if isinstance(value, str):
        return _safe_text(value, name)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, int):
        return value
    if depth == _DEEPEST:
        return f"<{type(value).__name__}>"
    if isinstance(value, Mapping):
        return {str(key): _safe(inner, str(key), depth + 1) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_safe(inner, name, depth + 1) for inner in value]
    try:
        return f"<{memoryview(value).nbytes} bytes>"  # type: ignore[arg-type]  # arrays too are nothing to show
    except TypeError:
        return _safe_text(_shown(value), name)


def _shown(value: object) -> str:
    try:
        return str(value)
    except Exception:  # whatever an object does when it is shown, the line about it comes out
        return f"<{type(value).__name__}>"


def _safe_text(text: str, name: str) -> str:
    if name == "exception":
        if len(text) > MOST_OF_A_TRACEBACK:  # its end says what happened
            text = f"({len(text) - MOST_OF_A_TRACEBACK} characters before)…{text[-MOST_OF_A_TRACEBACK:]}"
    elif len(text) > MOST_CHARACTERS:
        text = f"{text[:MOST_CHARACTERS]}…({len(text) - MOST_CHARACTERS} characters more)"
    # Looking for one of the two first spares most texts the search.
    if "@" in text or " " in text:
        text = _SECRET_IN_TEXT.sub(lambda found: f"{found[1] or found[2]}{HIDDEN}", text)
    return text


def _visible(value: object, name: str) -> object:
    """Texts with escapes for what a terminal would obey: a caller's path must not forge lines or move the cursor."""
    if not isinstance(value, str) or value.isprintable():
        return value
    kept = "\n" if name == "exception" else ""
    return "".join(mark if mark.isprintable() or mark in kept else ascii(mark)[1:-1] for mark in value)
