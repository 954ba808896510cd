"""How long until Tapetum answers: `--help`, and the service from its start to ready.

python benchmarks/startup.py runs/digits/bundle
"""

import argparse
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx

ROUNDS = 10
PAUSE_S = 0.02


def help_s() -> float:
    """Seconds of `tapetum --help` as a whole process."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-m", "tapetum", "--help"], stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start


def ready_s(bundle: Path) -> float:
    """Seconds from starting `tapetum serve` until /ready answers 200."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "tapetum", "serve", str(bundle), "--port", str(port)]
    environ = os.environ | {"TAPETUM_DRAIN_S": "0"}
    with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:  # made before, since making one takes a core
        start = time.perf_counter()
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL, env=environ)
        try:
            while process.poll() is None:
                try:
                    if client.get("/ready").is_success:
                        return time.perf_counter() - start
                except httpx.TransportError:
                    pass
                time.sleep(PAUSE_S)  # between two looks, which would slow the start that is measured
            raise SystemExit(f"the service ended with exit code {process.returncode}")
        finally:
            process.terminate()
            process.wait()


def show(name: str, measure: Callable[[], float]) -> None:
    """One line: median, minimum and maximum."""
    found = [measure() for _ in range(ROUNDS)]
    print(f"{name:20} {statistics.median(found):.2f} s ({min(found):.2f}-{max(found):.2f}, n={ROUNDS})")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    bundle = parser.parse_args().bundle
    show("tapetum --help", help_s)
    show("tapetum serve, ready", lambda: ready_s(bundle))


if __name__ == "__main__":
    main()
