"""How long work is followed: stages that advance, and nothing else."""

from typing import Protocol


class Advance(Protocol):
    """Called on the way: `done` of `total` steps of a stage are over; 0 is an unknown total."""

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Show it."""


def silent(stage: str, done: int, total: int) -> None:
    """Show nothing."""
