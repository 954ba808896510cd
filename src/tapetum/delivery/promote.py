"""The champion of a registered model: who may become it, and how one gets back to whom it was before."""

import getpass
import os
import socket
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tapetum.bundle import Bundle
from tapetum.data.manifest import Manifest
from tapetum.delivery import costs, ledger, shadowed
from tapetum.delivery.ledger import Action, Move
from tapetum.delivery.promotion import CHALLENGER, CHAMPION, PROMOTION, ROLLBACK, Moved, Version
from tapetum.delivery.registry import Registry
from tapetum.errors import BundleError, Overtaken, RegistryError
from tapetum.evaluation import gate
from tapetum.evaluation.gate import Check, Incumbent
from tapetum.progress import Advance, silent
from tapetum.recipe import Gate


@dataclass(frozen=True)
class Demands:
    """What else than its own record a challenger is held to.

    `manifest` has the pictures to measure the champion on, where it was tested on others; `shadow` is what a service
    says in /model-stats; `rules` take the place of the gate of the challenger's recipe; `again` lets a version come
    back that was rolled back.
    """

    manifest: Manifest | None = None
    shadow: Mapping[str, Any] | None = None
    rules: Gate | None = None
    again: bool = False


@dataclass(frozen=True)
class Contest:
    """A challenger, whom it was held against, and what came of it; without a champion there are floors only."""

    challenger: Version
    champion: Version | None
    checks: list[Check]

    @property
    def passed(self) -> bool:
        """Whether nothing said no."""
        return all(check.passed for check in self.checks)


def settle(registry: Registry) -> list[Move]:
    """Have the alias stand where the last move put it; the moves that count.

    A process that ended between its move and its alias is made good here, by whoever comes next. One that was only
    slow may set the alias after others have moved on: so each looks again after it has set it. To a version that was
    deleted since it cannot be set, and stays.
    """
    pointed: int | None = None
    while moves := registry.moves():
        last = moves[-1]
        if last.is_done and pointed in (None, last.number):
            break
        if last.to.version in registry.versions():
            registry.point(CHAMPION, last.to.version)
        registry.finish(last)
        pointed = last.number
    return moves


def contest(registry: Registry, demands: Demands, place: Path, advance: Advance = silent) -> Contest:
    """Hold the challenger against the present champion; both bundles are fetched into the folder `place`.

    Raises RegistryError where there is no challenger, or where it was rolled back; BundleError, DataError, and
    EngineError where one cannot be measured.
    """
    moves = settle(registry)
    challenger, champion = registry.at(CHALLENGER), registry.at(CHAMPION)
    if challenger is None:
        raise RegistryError(
            f"{registry.name} has no challenger: `tapetum train` registers what passed its gate and gives it the alias"
        )
    if champion is not None and champion.version == challenger.version:
        return Contest(challenger, champion, [])
    if not demands.again and (down := ledger.was_rolled_back(moves, challenger.version)):
        raise RegistryError(
            f"version {challenger.version} of {registry.name} was champion, and {down.to_text()}: train another one, "
            "or say --again"
        )
    advance("fetch", 0, 1)
    candidate = registry.fetch(challenger, place / CHALLENGER)
    incumbent = None if champion is None else registry.fetch(champion, place / CHAMPION)
    advance("fetch", 1, 1)
    return Contest(challenger, champion, _checks(candidate, incumbent, demands, advance))


def _checks(candidate: Bundle, incumbent: Bundle | None, demands: Demands, advance: Advance) -> list[Check]:
    if demands.rules is not None:
        candidate = gate.held_to(candidate, demands.rules)
    rules = Gate.model_validate(candidate.facts.recipe.get("gate", {}))
    rival = None
    if incumbent is not None:
        rival = replace(_rival(incumbent, demands.manifest), name=CHAMPION)
    checks = gate.decide(candidate, rival).checks
    if incumbent is not None and rival is not None:
        advance("measure", 0, 1)
        ours, theirs = costs.measure([candidate, incumbent], list(candidate.golden().pictures.values()))
        checks += costs.checks(ours, theirs, rival.name, rules)
        advance("measure", 1, 1)
    if demands.shadow is not None:
        checks += shadowed.checks(demands.shadow, candidate, incumbent, rules)
    return checks


def _rival(champion: Bundle, manifest: Manifest | None) -> Incumbent:
    if manifest is not None:
        return gate.measured(champion, manifest)
    if not champion.facts.scores:
        raise BundleError(
            f"the champion {champion.facts.name} {champion.facts.version} was never tested: name the challenger's "
            "manifest with --data, and it is measured on it"
        )
    return gate.recorded(champion)


def promote(registry: Registry, won: Contest, now: datetime) -> Moved:
    """Make a challenger champion that won its contest, unless it is that already.

    Raises Overtaken where challenger or champion are not any more who they were.
    """
    assert won.passed, "only who won is promoted"
    challenger, champion = won.challenger, won.champion
    moves = settle(registry)
    if champion == challenger:
        line = ledger.line(moves, champion)
        return Moved(registry.name, challenger.version, challenger.digest, line[-2] if len(line) > 1 else None, [])
    if (present := registry.at(CHALLENGER)) != challenger:
        who = f"is version {present.version} now" if present else "is gone"
        raise Overtaken(
            f"the challenger of {registry.name} {who}, not {challenger.version} as was gated: promote again"
        )
    evidence = {"name": registry.name, "challenger": asdict(challenger), "champion": champion and asdict(champion)}
    registry.keep(challenger.version, evidence | {"checks": [asdict(check) for check in won.checks]})
    found = {f"{PROMOTION}.{check.name}": f"{check.found}, demanded {check.demanded}" for check in won.checks}
    registry.tag(challenger.version, found)
    move = _move(registry, _next("promote", challenger, champion, moves, now))
    registry.tag(challenger.version, {PROMOTION: move.to_text()})
    return Moved(registry.name, challenger.version, challenger.digest, champion, won.checks)


def rollback(registry: Registry, now: datetime, only_from: str | None = None) -> Moved:
    """Make that one champion again which was before the present one; the ones that are gone are passed over.

    Where `only_from` is given, that version must be champion by now. Raises
    RegistryError where there is none before, or its bundle cannot be fetched,
    BundleError where that is not the one that was registered, Overtaken where
    another move came first.
    """
    moves = settle(registry)
    champion = registry.at(CHAMPION)
    if champion is None:
        raise RegistryError(f"{registry.name} has no champion: there is nothing to roll back")
    if only_from not in (None, champion.version):
        raise Overtaken(
            f"the champion of {registry.name} is version {champion.version}, not {only_from}: nothing was changed"
        )
    there = registry.versions() - {champion.version}
    before = [entry for entry in ledger.line(moves, champion)[:-1] if entry.version in there]
    if not before:
        raise RegistryError(
            f"there is nothing before version {champion.version}, the first champion of {registry.name}"
        )
    _require_whole(registry, before[-1])
    move = _move(registry, _next("rollback", before[-1], champion, moves, now))
    registry.tag(champion.version, {ROLLBACK: move.to_text()})
    return Moved(registry.name, move.to.version, move.to.digest, champion, [])


def _require_whole(registry: Registry, version: Version) -> None:
    """A champion that nobody can fetch would hold up every deployment that follows."""
    with TemporaryDirectory() as place:
        try:
            registry.fetch(version, Path(place))
        except BundleError as error:
            raise BundleError(
                f"{error}; nothing was changed: delete version {version.version} of {registry.name} in MLflow, and it "
                "is passed over"
            ) from error
        except RegistryError as error:  # which may pass
            raise RegistryError(
                f"{error}; nothing was changed: try again, and only where the bundle is gone for good delete version "
                f"{version.version} of {registry.name} in MLflow, which is then passed over"
            ) from error


def _next(action: Action, to: Version, before: Version | None, moves: list[Move], now: datetime) -> Move:
    after = moves[-1].number if moves else 0
    return Move(action, to, before, _who(), now.isoformat(timespec="seconds"), after, uuid.uuid4().hex)


def _move(registry: Registry, move: Move) -> Move:
    """Write a move down and carry it out. Raises Overtaken where another one counts in its place."""
    if registry.at(CHAMPION) != move.before:
        raise Overtaken(f"the champion of {registry.name} was moved meanwhile: {_last(registry)}; look, and try again")
    counted = registry.append(move)
    if move.token not in (entry.token for entry in counted):
        winner = next(entry for entry in counted if entry.after == move.after)
        raise Overtaken(f"{winner.to_text()}, before this could: nothing was changed; look, and try again")
    settle(registry)
    return move


def _last(registry: Registry) -> str:
    moves = registry.moves()
    return moves[-1].to_text() if moves else "by hand"


def _who() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container may run as a number that has no name
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"
