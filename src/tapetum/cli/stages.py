"""What commands of several stages say on the way, and of the bundle that they end with."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from tapetum.cli.tables import printable, show

if TYPE_CHECKING:
    from tapetum.bundle import Bundle
    from tapetum.evaluation.gate import Verdict


def say_verdict(bundle: "Bundle", verdict: "Verdict", out: Path) -> None:
    """What was measured, what the gate says of it, and where the bundle is."""
    from tapetum import pipeline
    from tapetum.bundle import REPORT

    say("evaluate", f"{out / REPORT}, {out / pipeline.SCORES_TEXT}, {out / pipeline.SCORES_JSON}")
    show(f"\n{(out / pipeline.SCORES_TEXT).read_text(encoding='utf-8')}")
    for check in verdict.checks:
        say("gate", check.to_text())
    if bundle.is_sealed:
        say("seal", f"{bundle.path}, version {bundle.facts.version}")
    else:
        say("seal", f"no: {bundle.path} stays a draft, which can be evaluated but not served")


def to_summary(bundle: "Bundle", verdict: "Verdict | None") -> dict[str, object]:
    """What --json prints of a bundle that was made: where it is, what it scored, what the gate said."""
    from tapetum.evaluation.report import values

    facts = bundle.facts
    return {
        "bundle": str(bundle.path),
        "version": facts.version,
        "sealed": bundle.is_sealed,
        "scores": values(facts.scores),
        "passed": verdict and verdict.passed,
        "checks": [asdict(check) for check in verdict.checks] if verdict else [],
    }


def say(stage: str, message: str) -> None:
    """One line of a stage."""
    # Not click.echo, which would write past the progress bars and tear them.
    sys.stdout.write(f"{stage:8}  {printable(message)}\n")
    sys.stdout.flush()
