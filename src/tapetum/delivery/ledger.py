"""The moves of a champion, one after another, and what follows from them.

MLflow sets an alias without asking what it was before. It does number the versions of a registered model without a
gap or a double, however many create one at once. So each move is a version of a registered model of its own, and says
after which move it was decided. Of several that were decided after the same one, the first counts and the others do
not: that is the same for whoever reads it, needs no lock, and so leaves none behind where a process dies.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from tapetum.delivery.promotion import Version

Action = Literal["promote", "rollback"]
NOBODY = ""  # a version, where there is none


@dataclass(frozen=True)
class Move:
    """The champion becomes `to` where it was `before`, decided after the move of number `after`; 0 is before all.

    `at` is a date in UTC as of ISO 8601. `token` tells it from the others; `is_done` says that the alias was moved.
    """

    action: Action
    to: Version
    before: Version | None
    by: str
    at: str
    after: int
    token: str
    number: int = 0
    is_done: bool = False

    def to_tags(self) -> dict[str, str]:
        """What the registry keeps of it."""
        before = self.before or Version(NOBODY, NOBODY)
        return {
            "action": self.action,
            "version": self.to.version,
            "digest": self.to.digest,
            "before.version": before.version,
            "before.digest": before.digest,
            "by": self.by,
            "at": self.at,
            "after": str(self.after),
            "token": self.token,
        }

    def to_text(self) -> str:
        """The move in words, for people."""
        if self.action == "rollback":
            assert self.before is not None, "somebody was rolled back"
            return f"{self.by} rolled back from version {self.before.version} to {self.to.version} at {self.at}"
        after = f" after version {self.before.version}" if self.before else ""
        return f"{self.by} promoted version {self.to.version}{after} at {self.at}"


DONE = {"done": "true"}


def from_tags(number: int, tags: Mapping[str, str]) -> Move | None:
    """The move that a version of the ledger is; None where it was not written by `to_tags`."""
    try:
        action, before = tags["action"], Version(tags["before.version"], tags["before.digest"])
        move = Move(
            action="promote" if action == "promote" else "rollback",
            to=Version(tags["version"], tags["digest"]),
            before=before if before.version != NOBODY else None,
            by=tags["by"],
            at=tags["at"],
            after=int(tags["after"]),
            token=tags["token"],
            number=number,
            is_done=DONE.items() <= tags.items(),
        )
    except (KeyError, ValueError):
        return None
    return move if action in get_args(Action) else None


def counting(moves: Iterable[Move]) -> list[Move]:
    """Those that count, in order: each was decided after the one before it."""
    counted: list[Move] = []
    for move in sorted(moves, key=lambda move: move.number):
        if move.after == (counted[-1].number if counted else 0):
            counted.append(move)
    return counted


def line(moves: Iterable[Move], now: Version | None) -> list[Version]:
    """The champions up to the present one, without those that were rolled back.

    One that was set by hand stands where it was found. `now` is the present one, last.
    """
    champions: list[Version] = []
    for move in moves:
        _found(champions, move.before)
        if move.action == "rollback":
            while champions:
                champions.pop()
                if champions and champions[-1].version == move.to.version:
                    break
        _found(champions, move.to)
    _found(champions, now)
    return champions


def _found(champions: list[Version], version: Version | None) -> None:
    if version is not None and (not champions or champions[-1].version != version.version):
        champions.append(version)


def was_rolled_back(moves: Iterable[Move], version: str) -> Move | None:
    """The move that took a version down, where that was the last that became of it."""
    about = [move for move in moves if version in (move.to.version, move.before.version if move.before else NOBODY)]
    last = about[-1] if about else None
    is_down = last is not None and last.action == "rollback" and last.to.version != version
    return last if is_down else None
