"""What the profile keeps of one picture: its traits, and where it lies by what the model sees in it."""

from typing import NamedTuple

import numpy as np

from tapetum.image import Read
from tapetum.profile import traits
from tapetum.profile.axes import Axes
from tapetum.profile.traits import Traits

_STRANGENESS = len(Traits._fields)


class Sight(NamedTuple):
    """`row` is float32 (9 + d,): the traits, the strangeness, and the place on the d axes of the profile."""

    row: np.ndarray

    @property
    def is_unlike(self) -> bool:
        """Whether the strangeness is above 1, as it is where a picture is unlike the training data."""
        return bool(self.row[_STRANGENESS] > 1)

    @property
    def place(self) -> np.ndarray:
        """Where it lies (d,)."""
        return self.row[_STRANGENESS + 1 :]

    @classmethod
    def from_row(cls, row: np.ndarray) -> "Sight":
        """That of a row from elsewhere. Raises ValueError where it is too short."""
        if len(row) < _STRANGENESS + 2:
            raise ValueError(f"{len(row)} numbers of a picture: expected more than {_STRANGENESS + 1}")
        return cls(row)


def look(axes: Axes, seen: Read, features: np.ndarray) -> Sight:
    """The sight of a picture, and of its features (C,)."""
    rows = features[None]
    measured = traits.measure(seen), axes.strangeness(rows), axes.place(rows)[0]
    return Sight(np.concatenate(measured, dtype=np.float32))
