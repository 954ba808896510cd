"""W3C Trace Context, level 1: the trace of a caller goes on, or one begins here (https://www.w3.org/TR/trace-context/)."""

import os
import re
from dataclasses import dataclass

from starlette.datastructures import Headers

TRACEPARENT = "traceparent"
TRACESTATE = "tracestate"
MOST_STATE = 512  # characters that everyone must pass on
_PARENT = re.compile(r"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_KEY = r"[a-z0-9][a-z0-9_\-*/]{0,240}(@[a-z][a-z0-9_\-*/]{0,13})?"
_MEMBER = re.compile(rf"{_KEY}=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{{0,255}}[\x21-\x2b\x2d-\x3c\x3e-\x7e]")
_MOST_MEMBERS = 32


@dataclass(frozen=True)
class Trace:
    """One request as a span of a trace, within the caller's `parent_id` if there is one.

    `state` is what the caller's tracing systems added.
    """

    trace_id: str
    span_id: str
    flags: str
    state: str
    parent_id: str | None = None

    @property
    def headers(self) -> dict[str, str]:
        """What tells the next one of this span."""
        parent = {TRACEPARENT: f"00-{self.trace_id}-{self.span_id}-{self.flags}"}
        return parent | {TRACESTATE: self.state} if self.state else parent


def begin() -> Trace:
    """A trace that nobody has asked to be recorded."""
    ids = os.urandom(24).hex()
    return Trace(ids[:32], ids[32:], "00", "")


def follow(headers: Headers) -> Trace:
    """The caller's trace with a span of our own; a new trace where there is none, or a malformed one."""
    given = headers.getlist(TRACEPARENT)
    parent = _PARENT.fullmatch(given[0]) if len(given) == 1 else None
    # Version 00 ends after the flags; later ones may go on, and are answered in 00.
    if parent is None or (parent[1] == "00" and parent[5]):
        return begin()
    flags = f"{int(parent[4], 16) & 1:02x}"
    return Trace(parent[2], os.urandom(8).hex(), flags, _state(headers.getlist(TRACESTATE)), parent[3])


def _state(given: list[str]) -> str:
    """All of the caller's tracestate, or nothing where a member is malformed or there is too much."""
    state = ",".join(given)
    members = [member.strip(" \t") for member in state.split(",")]
    members = [member for member in members if member]
    keys = {member.partition("=")[0] for member in members}
    is_well_formed = (
        len(state) <= MOST_STATE
        and len(keys) == len(members) <= _MOST_MEMBERS
        and all(_MEMBER.fullmatch(member) for member in members)
    )
    return ",".join(members) if is_well_formed else ""
