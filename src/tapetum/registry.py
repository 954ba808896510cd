"""A table of named choices: a name taken twice raises, an unknown name lists the known ones."""

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Generic, TypeVar

from tapetum.errors import ConfigError

T = TypeVar("T")


def did_you_mean(name: str, known: list[str]) -> str:
    """` (did you mean 'x'?)` for a near miss, else nothing."""
    near = get_close_matches(name, known, n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""


class Registry(Generic[T]):
    """Names of one kind of thing, such as architectures, in the order they were added."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._entries: dict[str, T] = {}

    def add(self, name: str, entry: T) -> T:
        """Take `name` for `entry`; raise ValueError where it is taken."""
        if name in self._entries:
            raise ValueError(f"{self.kind} {name!r} is registered twice")
        self._entries[name] = entry
        return entry

    def get(self, name: str) -> T:
        """The entry called `name`; raise ConfigError, listing the known, where there is none."""
        if name not in self._entries:
            known = ", ".join(self._entries)
            raise ConfigError(
                f"unknown {self.kind} {name!r}{did_you_mean(name, list(self._entries))}: expected one of {known}"
            )
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)
