"""Where a training run is recorded: the protocol, and the tracker that records nothing."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from tapetum.bundle import Bundle
from tapetum.data.manifest import Manifest


class Run(Protocol):
    """One run while it goes on; it never stops the training that it records."""

    @property
    def address(self) -> str:
        """Where a person finds it."""

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        """Record figures at a step, such as an epoch."""

    def tags(self, values: Mapping[str, str]) -> None:
        """Record what the run can be found by."""

    def pictures(self, manifest: Manifest) -> None:
        """Record the pictures that it learns from."""

    def file(self, path: Path) -> None:
        """Keep a file, or all files of a folder."""

    def challenger(self, name: str, bundle: Bundle, tags: Mapping[str, str]) -> None:
        """Keep a sealed bundle as the newest version of the model called `name`, and as its challenger."""


class Tracker(Protocol):
    """Opens runs; a run that ends with an error is marked as failed."""

    @contextmanager
    def run(self, experiment: str, params: Mapping[str, str]) -> Iterator[Run]:
        """Open a run of an experiment with its parameters."""


class NullRun:
    """Records nothing."""

    def __init__(self, address: str = "not recorded") -> None:
        self.address = address

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        """Forget them."""

    def tags(self, values: Mapping[str, str]) -> None:
        """Forget them."""

    def pictures(self, manifest: Manifest) -> None:
        """Forget them."""

    def file(self, path: Path) -> None:
        """Leave it where it is."""

    def challenger(self, name: str, bundle: Bundle, tags: Mapping[str, str]) -> None:
        """Leave it where it is."""


class NullTracker:
    """Opens runs that record nothing."""

    @contextmanager
    def run(self, experiment: str, params: Mapping[str, str]) -> Iterator[Run]:
        """A run that forgets all it is told."""
        yield NullRun()
