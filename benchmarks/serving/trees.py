"""Servers as whole trees of processes: started, frozen while others are measured, thawed, ended."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

_END_S = 10.0


class Tree:
    """A process and all that it has started."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process
        self._root = psutil.Process(process.pid)

    @property
    def has_ended(self) -> bool:
        """Whether the first process has."""
        return self._process.poll() is not None

    def cpu_s(self) -> float:
        """Processor time so far."""
        total = 0.0
        for process in self._all():
            with suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                total += times.user + times.system
        return total

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Thawed for the length of the block."""
        self._send(signal.SIGCONT)
        try:
            yield
        finally:
            self.freeze()

    def freeze(self) -> None:
        """Stop everything where it stands."""
        self._send(signal.SIGSTOP)

    def end(self) -> None:
        """End everything, by force after some seconds."""
        processes = self._all()
        self._send(signal.SIGCONT)
        with suppress(psutil.NoSuchProcess):
            self._root.terminate()
        _, living = psutil.wait_procs(processes, timeout=_END_S)
        for process in living:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(living, timeout=_END_S)
        self._process.wait()

    def _all(self) -> list[psutil.Process]:
        with suppress(psutil.NoSuchProcess):
            return [self._root, *self._root.children(recursive=True)]
        return []

    def _send(self, number: int) -> None:
        for process in self._all():
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)


@contextmanager
def started(command: list[str], folder: Path, variables: dict[str, str], log: Path) -> Iterator[Tree]:
    """A server with its log, which ends with the block."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as stream:
        process = subprocess.Popen(
            command, cwd=folder, env=os.environ | variables, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream
        )
    tree = Tree(process)
    try:
        yield tree
    finally:
        tree.end()


def last_line(log: Path) -> str:
    """What a server said last."""
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1][:200] if lines else "it said nothing"
