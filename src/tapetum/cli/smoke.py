"""`tapetum smoke`: one look at a deployment from outside."""

from pathlib import Path

import click

from tapetum.cli.terminal import API_KEY_FILE, FILE, JSON, authorisation, echo_json

_LOAD = "/predict loses nothing under load"
_MOST_TROUBLES = 10


@click.command("smoke")
@click.argument("url")
@click.option("--picture", type=FILE, help="Picture to ask about, instead of a built-in one.")
@click.option("--expect", metavar="LABEL", help="The class that the picture must get; needs --picture.")
@click.option("--wait", "wait_s", type=click.FloatRange(0), default=0, help="Seconds to wait until it is ready.")
@click.option(
    "--load",
    "rate",
    type=click.FloatRange(1, 1000),
    is_flag=False,
    flag_value=20,
    metavar="[RATE]",
    help="Then ask for RATE predictions a second (20 without a number), and count what becomes of each.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(1, 3600),
    default=30,
    show_default=True,
    help="How long --load lasts; Ctrl-C ends it earlier.",
)
@API_KEY_FILE
@JSON
@click.pass_context
def command(
    context: click.Context,
    url: str,
    picture: Path | None,
    expect: str | None,
    wait_s: float,
    rate: float | None,
    seconds: float,
    api_key_file: Path | None,
    as_json: bool,
) -> None:
    """Check a running service from end to end, a line for each promise; exit code 1 where one is not kept.

    With --load it asks on while a deployment changes: exit code 1 too where a request was lost, failed, or was answered
    otherwise than before by the same model. A refusal (429 or 503) with Retry-After is none of these.

    Example: tapetum smoke http://localhost:8000 --picture cat.jpg --expect cat --wait 60

    Example: tapetum smoke https://pets.example --load 20 --seconds 120
    """
    from dataclasses import asdict

    import httpx

    from tapetum.delivery import losses, smoke, target
    from tapetum.errors import ConfigError

    target.address_of(url)
    if expect is not None and picture is None:
        raise ConfigError("--expect needs --picture: nobody knows what the built-in picture shows")
    headers = authorisation(api_key_file)
    content = picture.read_bytes() if picture else None
    found = []
    with httpx.Client(base_url=url, headers=headers, timeout=smoke.TIMEOUT_S) as client:
        for check in smoke.checks(client, content or smoke.example(), expect, wait_s):
            found.append(check)
            if not as_json:
                click.echo(_line(check.is_kept, check.name, check.found))
    document = [asdict(check) for check in found]
    is_kept = all(check.is_kept for check in found)
    if rate is not None and found[0].is_kept:
        if not as_json:
            click.echo(f"      {rate:g} predictions a second for {seconds:g} s; Ctrl-C ends them earlier")
        counted = losses.count(url, [content] if content else target.generated(), headers, rate, seconds)
        is_kept = is_kept and counted.is_kept
        document.append({"name": _LOAD, "is_kept": counted.is_kept, "found": counted.found} | asdict(counted))
        if not as_json:
            click.echo(_line(counted.is_kept, _LOAD, counted.found))
            for model, number in counted.models.items():
                click.echo(f"      by {model}: {number}")
            for trouble in counted.troubles[:_MOST_TROUBLES]:
                click.echo(f"      {trouble.at} {trouble.request_id} {trouble.fate}: {trouble.found}")
    if as_json:
        echo_json(document)
    context.exit(0 if is_kept else 1)


def _line(is_kept: bool, name: str, found: str) -> str:
    return f"{'ok  ' if is_kept else 'FAIL'}  {name}: {found}"
