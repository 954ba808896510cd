"""`tapetum` commands, each in a process of its own that need not import torch first, which takes seconds.

One process imports the libraries, once for all tests of a worker, and forks for each command. Only then everything of
ours is imported, under coverage where that is measured, and run as `python -m tapetum` runs it.
"""

import atexit
import gc
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import IO

# What `tapetum train` imports of others. Not what starts threads, such as openvino: a fork has one thread only. Nor
# what reads variables as it is imported, such as the hub's client that timm brings along.
LIBRARIES = (
    "coverage",
    "matplotlib.backends.backend_svg",
    "networkx",
    "onnxscript.function_libs.torch_lib.ops",
    "pydantic_settings",
    "rich.progress",
    "structlog",
    "torch._functorch.aot_autograd",
    "torch._inductor.output_code",
    "torch.onnx._internal.exporter._torchlib.ops",
    "torchvision",
)
# Without them `tapetum train` starts its process anew with them, and imports everything once more.
KEPT = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "100000000000"}
MESSAGE_BYTES = 200_000


class Command:
    """A command that runs, as subprocess.Popen would show it."""

    def __init__(
        self,
        arguments: Sequence[object],
        stdout: IO[str],
        stderr: IO[str],
        folder: Path,
        forks: socket.socket | None = None,
        **variables: str,
    ):
        answers, answer = os.pipe()
        wanted = {
            "arguments": [*map(str, arguments)],
            "folder": str(folder),
            "variables": os.environ | KEPT | variables,
        }
        socket.send_fds(forks or the_forks(), [json.dumps(wanted).encode()], [stdout.fileno(), stderr.fileno(), answer])
        os.close(answer)
        self._answers = os.fdopen(answers)
        self.pid = int(self._answers.readline())
        self.returncode: int | None = None

    def wait(self, timeout: float = 300) -> int:
        """Its exit code, which is negative where a signal ended it. Raises TimeoutExpired."""
        if self.returncode is None:
            if not select.select([self._answers], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired("tapetum", timeout)
            self.returncode = int(self._answers.readline())
            self._answers.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send it, unless the command has ended."""
        if self.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def end(self) -> None:
        """Kill it, and return once it is gone."""
        self.send_signal(signal.SIGKILL)
        self.wait()


def run(*arguments: object, folder: Path | None = None, **variables: str) -> "subprocess.CompletedProcess[str]":
    """`tapetum` with arguments, to its end, in a folder and with variables beside those of this process.

    Where the first argument is "-c", the second is a program in Python to be run instead.
    """
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
        command = Command(arguments, out, errors, folder or Path.cwd(), **variables)
        try:
            code = command.wait()
        finally:
            command.end()
        out.seek(0)
        errors.seek(0)
        return subprocess.CompletedProcess([*map(str, arguments)], code, out.read(), errors.read())


@contextmanager
def started(*arguments: object, **variables: str) -> Iterator[tuple[Command, IO[str], IO[str]]]:
    """The same while it runs, until the block ends, with what it prints and its errors, each to be read."""
    reading, writing = os.pipe()
    with os.fdopen(reading) as out, tempfile.TemporaryFile("w+") as errors:
        with os.fdopen(writing, "w") as stdout:
            command = Command(arguments, stdout, errors, Path.cwd(), **variables)
        try:
            yield command, out, errors
        finally:
            command.end()


@cache
def the_forks() -> socket.socket:
    """Where to ask the process that forks, which ends with this one."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, MESSAGE_BYTES)
    unmeasured = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    # OpenBLAS would start threads as numpy is imported.
    environment = unmeasured | KEPT | {"OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, __file__, str(theirs.fileno())]
    process = subprocess.Popen(command, env=environment, pass_fds=[theirs.fileno()])
    theirs.close()

    def end() -> None:
        ours.close()
        process.wait()

    atexit.register(end)
    return ours


def fork(asked: socket.socket) -> None:
    """Return in a new process for each command, which is told what to run; the first one ends with those who ask."""
    for name in LIBRARIES:
        import_module(name)
    assert len(os.listdir("/proc/self/task")) == 1, "what was imported has started threads"
    # A collection would touch, and so copy, every page.
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        message, descriptors, _, _ = socket.recv_fds(asked, MESSAGE_BYTES, 3)
        if not message:
            os._exit(0)
        if os.fork() == 0:
            asked.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            return become(json.loads(message), *descriptors)
        for descriptor in descriptors:
            os.close(descriptor)


def become(wanted: dict[str, object], stdout: int, stderr: int, answer: int) -> None:
    """Return in a child that has the streams, folder and variables of a command, and tell of its id and end."""
    child = os.fork()
    if child:
        os.write(answer, f"{child}\n".encode())
        os.close(stdout)
        os.close(stderr)
        os.write(answer, f"{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}\n".encode())
        os._exit(0)
    for number, descriptor in ((0, os.open(os.devnull, os.O_RDONLY)), (1, stdout), (2, stderr)):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.close(answer)
    os.chdir(wanted["folder"])
    os.environ.clear()
    os.environ.update(wanted["variables"])
    sys.argv = ["tapetum", *wanted["arguments"]]
    sys.orig_argv = [sys.executable, "-m", *sys.argv]
    sys.path[0] = wanted["folder"]


def leave(ended: dict[str, int]) -> None:
    """End a process at once: to take apart all that was imported takes seconds."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(ended["code"])


def main() -> None:
    """Fork for commands, and in a fork be one."""
    ended = {"code": 1}  # as after an error that nobody caught
    atexit.register(leave, ended)  # before all others, so that it is called after them
    fork(socket.socket(fileno=int(sys.argv[1])))
    import coverage

    coverage.process_startup()
    try:
        if sys.argv[1:2] == ["-c"]:
            exec(sys.argv[2], {"__name__": "__main__"})  # noqa: S102  # a program of the test that asks
        else:
            runpy.run_module("tapetum", run_name="__main__", alter_sys=True)
    except SystemExit as error:
        ended["code"] = error.code if isinstance(error.code, int) else int(error.code is not None)
        raise
    ended["code"] = 0


if __name__ == "__main__":
    main()
