"""`tapetum serve`: the service of one bundle."""

import sys
from pathlib import Path
from typing import Any, cast

import click

from tapetum.cli.terminal import FOLDER


@click.command("serve")
@click.argument("bundle", type=FOLDER, required=False)
@click.option("--host", help="Address to listen on; 127.0.0.1 by default.")
@click.option("--port", type=int, help="Port to listen on; 8000 by default.")
@click.option("--workers", type=int, help="Processes that compute; one per core by default, 0 is a thread.")
@click.option("--engine", help="What computes: openvino, onnxruntime or torch; openvino by default.")
@click.option("--device", help="Where the model computes: auto, cpu or cuda; auto by default.")
@click.option("--precision", help="Arithmetic of the model: auto, fp32, bf16 or int8; auto by default.")
@click.option("--shadow", type=FOLDER, help="Bundle of a challenger that sees pictures too, and never answers.")
@click.option("--shadow-share", type=float, help="Share of the pictures that it sees; 0.1 by default.")
def command(
    bundle: Path | None,
    host: str | None,
    port: int | None,
    workers: int | None,
    engine: str | None,
    device: str | None,
    precision: str | None,
    shadow: Path | None,
    shadow_share: float | None,
) -> None:
    """Serve a bundle over HTTP until told to stop; without BUNDLE the one that TAPETUM_BUNDLE names.

    Options win over TAPETUM_* variables, which win over a .env file; `tapetum
    config show` prints the values of all settings.

    Example: tapetum serve runs/pets/bundle --port 8000
    """
    from tapetum import machine, settings
    from tapetum.inference import start

    given = {
        "bundle": bundle,
        "host": host,
        "port": port,
        "workers": workers,
        "engine": engine,
        "device": device,
        "precision": precision,
        "shadow": shadow,
        "shadow_share": shadow_share,
    }
    chosen = settings.load(**given)
    start.early(chosen.worker_processes)
    machine.collect_seldom()
    if "rich" not in sys.modules:
        # structlog brings it along where it is installed, for tracebacks that nobody draws here: 0.07 s and 6 MB.
        sys.modules["rich"] = cast(Any, None)
    from tapetum.logs import setup
    from tapetum.serving import server

    if sys.modules["rich"] is None:
        del sys.modules["rich"]

    journal = setup.configure(chosen)
    for complaint in settings.unknown_variables(settings.given()):
        click.echo(f"warning: {complaint}", err=True)
    try:
        server.run(chosen, journal)
    finally:
        journal.close()
