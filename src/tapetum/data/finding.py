"""One fault of a folder of pictures, of a closed set of kinds."""

from dataclasses import dataclass
from typing import Literal, get_args

FEWEST_PICTURES = 20  # of a class, to be judged by
_SHOWN = 3

Kind = Literal[
    "broken",
    "conflict",
    "leak",
    "duplicate",
    "near_conflict",
    "near_leak",
    "near_duplicate",
    "label",
    "mismatch",
    "tiny",
    "blank",
    "dark",
    "blurred",
    "shortcut",
    "few",
    "imbalance",
]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True)
class Finding:
    """One fault, the pictures it concerns, and what follows from it."""

    kind: Kind
    paths: list[str]
    message: str

    def to_text(self) -> str:
        """The finding on a line, with its first few pictures."""
        shown = self.pictures
        return f"{self.kind}: {shown}{': ' if shown else ''}{self.message}"

    @property
    def pictures(self) -> str:
        """The first of its pictures, and how many more there are."""
        more = f" and {len(self.paths) - _SHOWN} more" if len(self.paths) > _SHOWN else ""
        return ", ".join(self.paths[:_SHOWN]) + more


@dataclass(frozen=True)
class Suspect:
    """A label that is likely wrong; `score` is how much likelier the suggested one is, from 0 to 1."""

    path: str
    given: str
    suggested: str
    score: float

    def to_finding(self) -> Finding:
        """The same as a fault among others."""
        message = f"labelled {self.given}, looks like {self.suggested} (score {self.score:.2f})"
        return Finding("label", [self.path], message)
