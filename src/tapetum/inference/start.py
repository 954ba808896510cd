"""Starting the processes of workers, if need be before there is anything to tell them.

What a process imports takes as long as all else until it is ready; so the
service starts its workers before it imports what itself needs.
"""

import socket
import subprocess
import sys
from collections import deque
from typing import NamedTuple

from tapetum import machine

_MODULE = "tapetum.inference.worker"
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


class Started(NamedTuple):
    """A process that waits for its plan on the other end of the line, and ends when that is closed."""

    process: subprocess.Popen[bytes]
    line: socket.socket


_early: deque[Started] = deque()


def early(number: int) -> None:
    """Start so many, which `take` gives out."""
    _early.extend(_start() for _ in range(number))


def take() -> Started:
    """One that was started early, or else a new one."""
    return _early.popleft() if _early else _start()


def _start() -> Started:
    line, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", _MODULE, str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=machine.environment() | _ONE_THREAD,
            # Ctrl-C in a terminal reaches a whole group; the front decides when its workers end.
            start_new_session=True,
        )
    return Started(process, line)
