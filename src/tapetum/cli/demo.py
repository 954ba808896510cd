"""`tapetum demo`: the whole way once, from fetched pictures to answers over HTTP."""

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from tapetum.cli.stages import say, to_summary
from tapetum.cli.tables import show
from tapetum.cli.terminal import JSON, echo_json, stages_aside
from tapetum.cli.train import fetch, tracking, train

if TYPE_CHECKING:
    from tapetum.data.manifest import Manifest
    from tapetum.data.sample import Sample

HOST = "127.0.0.1"
SHOWN = 10
START_TIMEOUT_S = 60


class _Answered(NamedTuple):
    sample: "Sample"
    prediction: str
    confidence: float
    latency_ms: float


@click.command("demo")
@click.option("--port", type=click.IntRange(1, 65535), default=8000, show_default=True, help="Port of the service.")
@click.option("--keep", is_flag=True, help="Leave the service running.")
@JSON
@click.pass_context
def command(context: click.Context, port: int, keep: bool, as_json: bool) -> None:
    """Run everything on handwritten digits: fetch, check, split, train, evaluate, gate, seal, serve, ask.

    Example: tapetum demo --port 8001
    """
    from tapetum import machine

    machine.keep_freed_memory()
    from tapetum import files, recipe
    from tapetum.data import manifest as manifests
    from tapetum.pipeline import MANIFEST
    from tapetum.serving import server

    server.listen(HOST, port).close()  # a port in use should end the demo now, not after training
    chosen = recipe.load(Path("digits"))
    out = Path("runs") / chosen.name
    with stages_aside(as_json):
        with tracking() as tracker, files.held(out):
            outcome = train(chosen, fetch(chosen.source or "", out), out, tracker)
        if not outcome.passed:
            context.exit(1)
        with _service(outcome.bundle.path, port, out / "service.log", keep) as address:
            answers = _ask(address, manifests.load(out / MANIFEST))
    right = sum(answer.prediction == answer.sample.label for answer in answers)
    median_ms = statistics.median(answer.latency_ms for answer in answers)
    if as_json:
        asked = {"asked": len(answers), "right": right, "median_ms": median_ms, "address": address if keep else None}
        echo_json(to_summary(outcome.bundle, outcome.verdict) | asked)
        return
    show("\n" + _table(answers) + "\n")
    say("ask", f"{right} of {len(answers)} held-out pictures answered rightly over HTTP, median {median_ms:.1f} ms")
    if not keep:
        say("stop", "the service is stopped again; `make demo KEEP=1` leaves it running")


@contextmanager
def _service(bundle: Path, port: int, log: Path, keep: bool) -> Iterator[str]:
    """A ready service of a bundle; stopped at the end unless it shall be kept."""
    from tapetum import machine

    address = f"http://{HOST}:{port}"
    # -P: a file of the working folder must not be imported in place of a library.
    interpreter = [sys.executable, "-P", "-m", "tapetum"]
    command_line = [*interpreter, "serve", str(bundle), "--host", HOST, "--port", str(port)]
    with log.open("w") as stream:
        process = subprocess.Popen(
            command_line,
            stdout=stream,
            stderr=stream,
            # No balancer has to be told before the service ends.
            env=machine.environment() | {"TAPETUM_DRAIN_S": "0"},
            start_new_session=keep,
        )
    try:
        _wait(address, process, log)
        say("serve", address)
        yield address
        if keep:
            say("keep", f"the service stays up at {address}, docs at {address}/docs; to stop it: kill {process.pid}")
    except BaseException:
        keep = False
        raise
    finally:
        if not keep:
            process.terminate()
            process.wait()


def _wait(address: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    import httpx

    from tapetum.errors import ResourceError

    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise ResourceError(f"the service ended with exit code {process.returncode}: {log} says why")
        try:
            if httpx.get(f"{address}/ready").status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)  # between two looks at /ready
    raise ResourceError(f"the service was not ready within {START_TIMEOUT_S} s: {log} says more")


def _ask(address: str, manifest: "Manifest") -> list[_Answered]:
    """Send every picture of the test part, one after the other."""
    import httpx

    answers = []
    with httpx.Client(base_url=address) as client:
        for sample in manifest.part("test"):
            with (manifest.root / sample.path).open("rb") as picture:
                start = time.perf_counter()
                response = client.post("/predict", files={"file": picture})
                latency_ms = (time.perf_counter() - start) * 1000
            body = response.raise_for_status().json()
            answers.append(_Answered(sample, body["prediction"], body["confidence"], latency_ms))
    return answers


def _table(answers: list[_Answered]) -> str:
    """Every so many-th answer, so that all classes are seen."""
    from tapetum.evaluation.report import table

    shown = answers[:: max(1, len(answers) // SHOWN)][:SHOWN]
    rows = [
        [
            answer.sample.path,
            answer.sample.label,
            answer.prediction,
            f"{answer.confidence:.4f}",
            f"{answer.latency_ms:.1f} ms",
        ]
        for answer in shown
    ]
    return table(["picture", "label", "answer", "confidence", "latency"], rows)
