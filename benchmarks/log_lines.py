"""What a line of the log costs its caller, with console, file and syslog, and what it costs altogether.

python benchmarks/log_lines.py

The line is that of a request, with its ids bound, as the service logs it. The
console is a pipe that is read, the syslog a UDP socket of this machine that is
read; both readers are processes of their own.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import structlog

from tapetum.logs import setup
from tapetum.logs.destinations import STDERR
from tapetum.logs.journal import Journal
from tapetum.settings import Settings

IDS = {"request_id": "8c4843db19164f81a6bb5bb8c93fb67d", "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736"}
FACTS = {
    "method": "POST",
    "path": "/predict",
    "status": 200,
    "latency_ms": 4.21,
    "outcome": "answered",
    "size": 48_213,
    "label": "cat",
    "confidence": 0.875,
    "queue_ms": 0.04,
    "decode_ms": 1.9,
    "inference_ms": 1.7,
}
READ_STDIN = "import sys\nwhile sys.stdin.buffer.read(65536): pass"
READ_UDP = """
import socket, sys
receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
receiver.bind(("127.0.0.1", 0))
print(receiver.getsockname()[1], flush=True)
while True: receiver.recv(65536)
"""

log = structlog.get_logger()


def cost_us(lines: int, journal: Journal) -> tuple[list[float], float]:
    """Microseconds of each call, and of processor time for a line in all threads; then wait until all is written."""
    calls = []
    processor = time.process_time()
    for _ in range(lines):
        start = time.perf_counter_ns()
        log.info("request", **FACTS)
        calls.append((time.perf_counter_ns() - start) / 1000)
    while any(outlet.health.queued for outlet in journal.outlets):
        time.sleep(0.001)  # between two looks, so as not to be part of what is measured
    return calls, (time.process_time() - processor) / lines * 1e6


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--lines", type=int, default=2000, help="of a round; the queue holds 9000 plain ones")
    given = parser.parse_args()
    console = subprocess.Popen([sys.executable, "-c", READ_STDIN], stdin=subprocess.PIPE)
    daemon = subprocess.Popen([sys.executable, "-c", READ_UDP], stdout=subprocess.PIPE, text=True)
    assert console.stdin is not None
    assert daemon.stdout is not None
    os.dup2(console.stdin.fileno(), STDERR)
    port = int(daemon.stdout.readline())
    with tempfile.TemporaryDirectory() as folder:
        journal = setup.configure(
            Settings(log_format="json", log_file=Path(folder) / "log", log_syslog=f"udp://127.0.0.1:{port}")
        )
        structlog.contextvars.bind_contextvars(**IDS)
        cost_us(given.lines, journal)
        rounds = [cost_us(given.lines, journal) for _ in range(given.rounds)]
        assert journal.dropped == 0
        journal.close()
    medians = [statistics.median(calls) for calls, _ in rounds]
    means = [statistics.mean(calls) for calls, _ in rounds]
    tails = [statistics.quantiles(calls, n=100)[98] for calls, _ in rounds]
    altogether = [processor for _, processor in rounds]
    print(f"{given.rounds} rounds of {given.lines} lines, microseconds a line: median of the rounds (lowest-highest)")
    for name, found in (
        ("caller, median", medians),
        ("caller, mean", means),
        ("caller, p99", tails),
        ("processor, all threads", altogether),
    ):
        print(f"{name:24} {statistics.median(found):6.1f} ({min(found):.1f}-{max(found):.1f})")
    daemon.kill()
    console.kill()


if __name__ == "__main__":
    main()
