"""What the doctor finds: one thing of the machine, its state, and what that means."""

from dataclasses import dataclass
from typing import Literal

# ok: there; missing: not there, and something optional needs it; warning: to be looked at; broken: nothing works so.
State = Literal["ok", "missing", "warning", "broken"]


@dataclass(frozen=True)
class Finding:
    """`found` is the fact, `meaning` what follows from it, or the remedy."""

    area: str
    name: str
    state: State
    found: str
    meaning: str
