"""`tapetum serve`: the service of one bundle."""

import sys
from pathlib import Path
from typing import Any, cast

import click

from tapetum.cli.terminal import FOLDER


@click.command("serve")
@click.argument("bundle", type=FOLDER, required=False)
@click.option("--host", help="Address to listen on.")
@click.option("--port", type=int, help="Port to listen on.")
@click.option("--workers", type=int, help="Processes that compute; 0 is a thread.")
@click.option("--engine", help="What computes: openvino, onnxruntime or torch.")
@click.option("--device", help="Where the model computes: auto, cpu or cuda.")
@click.option("--precision", help="Arithmetic of the model: auto, fp32, bf16 or int8.")
@click.option("--shadow", type=FOLDER, help="A challenger that is asked too, and never answers.")
@click.option("--shadow-share", type=float, help="Share of the pictures that it sees.")
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
    """Answer POST /predict until told to stop; without BUNDLE the one of TAPETUM_BUNDLE.

    Options win over TAPETUM_* variables, which win over a .env file.

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
    start.early(chosen.hands)
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
