"""`tapetum doctor`: what of this machine Tapetum can use."""

from collections import Counter
from dataclasses import asdict

import click

from tapetum.cli.tables import show_rows
from tapetum.cli.terminal import JSON, echo_json


@click.command("doctor")
@JSON
@click.pass_context
def command(context: click.Context, as_json: bool) -> None:
    """Check what Tapetum can use on this machine, and what to do about the rest; exit code 1 if the base is broken.

    It looks at Python and what is installed, engines, processor, GPUs, cores,
    memory and disk as this process may use them, programs, ports, settings, and
    whether credentials are there and kept from others. It changes nothing,
    prints no secret and asks no other machine.

    States are ok, missing (something optional), warning, and broken.

    Example: tapetum doctor
    """
    from tapetum.doctor.examine import examine

    findings = [*examine()]
    is_broken = any(finding.state == "broken" for finding in findings)
    if as_json:
        echo_json({"ok": not is_broken, "findings": [asdict(finding) for finding in findings]})
    else:
        rows = [(each.state, each.name, each.found, each.meaning) for each in findings]
        show_rows(("state", "what", "found", "what it means"), rows)
        counts = Counter(each.state for each in findings)
        told = [f"{counts[state]} {state}" for state in ("ok", "missing", "warning", "broken") if counts[state]]
        click.echo(f"{', '.join(told)}: " + ("see what is broken" if is_broken else "Tapetum serves and predicts here"))
    context.exit(1 if is_broken else 0)
