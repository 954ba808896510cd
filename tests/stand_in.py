"""`tapetum` for the pages' scripts: the real one, sooner, and one that serves ends once it is ready.

Trainings and the like are forked from the process that has torch already (commands.py), whose socket the environment
names.
"""

import os
import socket
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
SOCKET = "TEST_FORKS"
_QUICK = {"bench", "config", "predict", "smoke"}  # which import nothing heavy


def write(folder: Path) -> None:
    """Put the command into a folder."""
    command = folder / "tapetum"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} {__file__} "$@"\n')
    command.chmod(0o755)


def main(arguments: list[str]) -> int:
    """Run the command, and give its exit code."""
    sys.path.insert(0, str(HERE))
    real = [sys.executable, "-m", "tapetum", *arguments]
    if arguments[:1] == ["serve"]:
        from running import running

        with tempfile.NamedTemporaryFile() as log, running([*real, "--port", "0"], Path(log.name)):
            return 0
    if not arguments or arguments[0] in _QUICK:
        os.execv(sys.executable, real)
    import commands

    forks = socket.socket(fileno=int(os.environ.pop(SOCKET)))
    return commands.Command(arguments, sys.stdout, sys.stderr, Path.cwd(), forks=forks).wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
