"""What the profile keeps of one picture: its traits, and where it lies by what the model sees in it."""

from typing import NamedTuple

import numpy as np

from tapetum.image import Read
from tapetum.profile import traits
from tapetum.profile.axes import Axes
from tapetum.profile.traits import Traits

_BEFORE_PLACE = len(Traits._fields) + 1


class Sight(NamedTuple):
    """`place` is (d,), on the axes of the profile; `strangeness` is above 1 where it is unlike the training data."""

    traits: Traits
    strangeness: float
    place: np.ndarray

    @property
    def is_unlike(self) -> bool:
        return self.strangeness > 1

    def to_row(self) -> np.ndarray:
        """All of it as float32 (9 + d,), which `from_row` reads."""
        return np.array([*self.traits, self.strangeness, *self.place], np.float32)

    @classmethod
    def from_row(cls, row: np.ndarray) -> "Sight":
        """What `to_row` wrote. Raises ValueError where it is too short."""
        if len(row) <= _BEFORE_PLACE:
            raise ValueError(f"{len(row)} numbers of a picture: expected more than {_BEFORE_PLACE}")
        *measured, strangeness = row[:_BEFORE_PLACE].tolist()
        return cls(Traits(*measured), strangeness, row[_BEFORE_PLACE:])


def look(axes: Axes, seen: Read, features: np.ndarray) -> Sight:
    """The sight of a picture, and of its features (C,)."""
    rows = features[None]
    return Sight(traits.measure(seen), float(axes.strangeness(rows)[0]), axes.place(rows)[0])
