"""MLflow in a process of its own, whose imports and writing take seconds that training need not wait for."""

import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import structlog

from tapetum import machine
from tapetum.bundle import Bundle
from tapetum.data.manifest import Manifest
from tapetum.errors import ConfigError
from tapetum.training.tracking import NullTracker, Run, Tracker

log = structlog.get_logger()

_MODULE = "tapetum.training.recorder"


class AsideRun:
    """A run that a recorder keeps; where that ends, a warning is all that is lost, as with `MlflowRun`."""

    def __init__(self, recorder: "_Recorder", address: str) -> None:
        self._recorder = recorder
        self._address = address
        self._is_lost = False

    @property
    def address(self) -> str:
        return f"in part: {self._address}" if self._is_lost else self._address

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        """Record figures at a step."""
        self._tell("metrics", dict(values), step)

    def tags(self, values: Mapping[str, str]) -> None:
        """Record what the run can be found by."""
        self._tell("tags", dict(values))

    def pictures(self, manifest: Manifest) -> None:
        """Record the pictures that it learns from."""
        self._tell("pictures", manifest)

    def file(self, path: Path) -> None:
        """Keep a file, or all files of a folder, which must stay as they are until the run has ended."""
        self._tell("file", path)

    def challenger(self, name: str, bundle: Bundle, tags: Mapping[str, str]) -> None:
        """Keep a sealed bundle as a model, register it, and move the alias to it."""
        self._tell("challenger", name, bundle, dict(tags))

    def finish(self) -> None:
        """Wait until all is recorded."""
        try:
            self._recorder.send(None)
            self._address = self._recorder.answer()
        except (EOFError, OSError):
            self._lose()

    def _tell(self, method: str, *arguments: Any) -> None:
        if self._is_lost:
            return
        try:
            self._recorder.send((method, arguments))
        except (EOFError, OSError):
            self._lose()

    def _lose(self) -> None:
        if not self._is_lost:
            self._is_lost = True
            reason = f"the process that records it ended with code {self._recorder.close()}"
            log.warning("tracking stopped, training goes on and keeps all files in its folder", reason=reason)


class AsideTracker:
    """Records as `MlflowTracker` does, in a process that is started at once; it opens one run."""

    def __init__(self, recorder: "_Recorder") -> None:
        self._recorder = recorder

    @contextmanager
    def run(self, experiment: str, params: Mapping[str, str]) -> Iterator[Run]:
        """A run of an experiment; one that ends with an error is marked as failed. Raises ConfigError."""
        try:
            yield (run := self._open(experiment, params))
            run.finish()
        finally:
            self._recorder.close()

    def _open(self, experiment: str, params: Mapping[str, str]) -> AsideRun:
        try:
            self._recorder.send((experiment, dict(params)))
            return AsideRun(self._recorder, self._recorder.answer())
        except (EOFError, OSError):
            raise ConfigError(
                f"MLflow did not start: its process ended with code {self._recorder.close()}; if nothing above says "
                "why, try once more, or set MLFLOW_TRACKING_URI=none"
            ) from None


class _Recorder:
    """A process of `recorder`, and the line to it."""

    def __init__(self, uri: str, experiment: str | None) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", _MODULE, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=sys.__stderr__ or subprocess.DEVNULL,  # standard output is that of who trains alone
                env=machine.environment(),
                # Ctrl-C in a terminal reaches a whole group; the run is closed by who trains.
                start_new_session=True,
            )
        self._line = Connection(ours.detach())
        with suppress(OSError):  # where it has ended already, it is missed when a run is to be opened
            self._line.send((uri, experiment))

    def send(self, message: object) -> None:
        """Raises EOFError or OSError where the process has ended."""
        while self._line.poll():
            self._hear()
        self._line.send(message)

    def answer(self) -> str:
        """Wait for the address of the run. Raises the ConfigError that it has instead, EOFError or OSError as above."""
        while (address := self._hear()) is None:
            pass
        return address

    def close(self) -> int:
        """End the process once it has done what it was told; its exit code."""
        self._line.close()
        return self._process.wait()

    def kill(self) -> None:
        """End the process at once."""
        self._process.kill()
        self.close()

    def _hear(self) -> str | None:
        kind, *content = self._line.recv()
        if kind == "log":
            level, event = content
            getattr(log, level)(**event)
            return None
        (said,) = content
        if kind == "error":
            raise said
        return str(said)


@contextmanager
def open_tracker(uri: str, experiment: str | None = None) -> Iterator[Tracker]:
    """The tracker for a tracking URI until the block ends; `none` records nothing."""
    if uri == "none":
        yield NullTracker()
        return
    recorder = _Recorder(uri, experiment)
    try:
        yield AsideTracker(recorder)
    finally:
        recorder.kill()  # unless it had a run, and has ended
