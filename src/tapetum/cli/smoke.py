"""`tapetum smoke`: one look at a deployment from outside."""

from pathlib import Path

import click

from tapetum.cli.terminal import API_KEY_FILE, FILE, JSON, authorisation, echo_json


@click.command("smoke")
@click.argument("url")
@click.option("--picture", type=FILE, help="Picture to ask about, instead of a built-in one.")
@click.option("--expect", metavar="LABEL", help="The class that the picture must get; needs --picture.")
@click.option("--wait", "wait_s", type=click.FloatRange(0), default=0, help="Seconds to wait until it is ready.")
@API_KEY_FILE
@JSON
@click.pass_context
def command(
    context: click.Context,
    url: str,
    picture: Path | None,
    expect: str | None,
    wait_s: float,
    api_key_file: Path | None,
    as_json: bool,
) -> None:
    """Check a running service from end to end, a line for each promise; exit code 1 where one is not kept.

    Example: tapetum smoke http://localhost:8000 --picture cat.jpg --expect cat --wait 60
    """
    from dataclasses import asdict

    import httpx

    from tapetum.delivery import smoke
    from tapetum.errors import ConfigError

    if not url.startswith(("http://", "https://")):
        raise ConfigError(f"{url!r} is no address of a service: expected such as http://localhost:8000")
    if expect is not None and picture is None:
        raise ConfigError("--expect needs --picture: nobody knows what the built-in picture shows")
    headers = authorisation(api_key_file)
    content = picture.read_bytes() if picture else smoke.example()
    found = []
    with httpx.Client(base_url=url, headers=headers, timeout=smoke.TIMEOUT_S) as client:
        for check in smoke.checks(client, content, expect, wait_s):
            found.append(check)
            if not as_json:
                click.echo(f"{'ok  ' if check.is_kept else 'FAIL'}  {check.name}: {check.found}")
    if as_json:
        echo_json([asdict(check) for check in found])
    context.exit(0 if all(check.is_kept for check in found) else 1)
