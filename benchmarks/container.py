"""Size of the image of the service, and how long from `run` until it is ready.

make docker-build BUNDLE=runs/digits/bundle && python benchmarks/container.py
"""

import argparse
import socket
import statistics
import subprocess
import time
from pathlib import Path

import httpx

ROUNDS = 10
ENGINE = Path(__file__).parents[1] / "deploy" / "engine.sh"
CONFINED = ["--read-only", "--tmpfs=/tmp", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--memory=1g"]


def ready_s(engine: str, image: str) -> float:
    """Seconds from starting `run` until /ready answers 200."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    name = f"benchmark-{port}"
    start = time.perf_counter()
    command = [engine, "run", "--detach", "--name", name, "--publish", f"127.0.0.1:{port}:8000", *CONFINED, image]
    subprocess.run(command, check=True, capture_output=True)
    try:
        while time.perf_counter() - start < 60:
            try:
                if httpx.get(f"http://127.0.0.1:{port}/ready").is_success:
                    return time.perf_counter() - start
            except httpx.TransportError:
                time.sleep(0.01)  # between two looks: asking without a pause would slow the start that is measured
        raise SystemExit(subprocess.run([engine, "logs", name], capture_output=True, text=True, check=True).stderr)
    finally:
        subprocess.run([engine, "rm", "--force", name], check=True, capture_output=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("image", nargs="?", default="cats-dogs-api:latest")
    image = parser.parse_args().image
    engine = subprocess.run([ENGINE], check=True, capture_output=True, text=True).stdout.strip()
    inspect = [engine, "image", "inspect", "--format", "{{.Size}}", image]
    size = int(subprocess.run(inspect, check=True, capture_output=True, text=True).stdout)
    print(f"size                 {size / 1e6:.0f} MB")
    found = [ready_s(engine, image) for _ in range(ROUNDS)]
    print(f"run, ready           {statistics.median(found):.2f} s ({min(found):.2f}-{max(found):.2f}, n={ROUNDS})")


if __name__ == "__main__":
    main()
