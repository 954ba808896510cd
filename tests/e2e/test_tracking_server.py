"""Training while a real MLflow server records it, promotion there, and training while that server dies."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import chdir
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner, Result
from conftest import fill
from structlog.testing import capture_logs
from tracking import Server, mlflow_ui

from tapetum import bundle as bundles
from tapetum import pipeline, recipe
from tapetum.cli.main import tapetum
from tapetum.delivery import ledger, promote, registry
from tapetum.delivery.ledger import Move
from tapetum.delivery.promote import Contest, Demands
from tapetum.delivery.promotion import VERDICT_PATH, Moved, Version
from tapetum.delivery.registry import Registry
from tapetum.errors import Overtaken, RegistryError
from tapetum.pipeline import Outcome
from tapetum.progress import silent
from tapetum.training.fit import EpochResult
from tapetum.training.mlflow_tracking import MlflowTracker

# What MLflow itself makes of SQLAlchemy, pandas and type hints: nothing in our hands.
pytestmark = pytest.mark.filterwarnings("ignore:::mlflow")

REFERENCE = {
    *("train_loss", "train_accuracy"),
    *("val_loss", "val_accuracy", "val_precision", "val_recall", "val_f1"),
}


ROUNDS = 4
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
# Holds who is challenger against who is champion, says so, and promotes when it is told to; again and again.
RACER = """
import sys
from datetime import UTC, datetime
from tapetum.delivery import promote, registry
from tapetum.errors import Overtaken
with registry.opened(*sys.argv[1:]) as registered:
    for line in sys.stdin:
        won = promote.Contest(registered.at("challenger"), registered.at("champion"), [])
        print("ready", flush=True)
        sys.stdin.readline()
        try:
            promote.promote(registered, won, datetime.now(UTC))
            print("won", flush=True)
        except Overtaken as error:
            print(error, flush=True)
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for the tests of the module; the last of them kills it."""
    with mlflow_ui(tmp_path_factory.mktemp("server")) as started:
        yield started


def train(
    out: Path, uri: str, *overrides: str, on_epoch: Callable[[EpochResult], None] = lambda result: None
) -> Outcome:
    """Train on a folder of pictures that are told apart at once."""
    pictures = fill(out / "pictures")
    choices = ["image.height=16", "image.width=16", "train.epochs=3", "augment.flip=false", *overrides]
    chosen = recipe.for_pictures(pictures, {"bright": 40, "dark": 40}, 24, choices)
    manifest, _ = pipeline.divide(pictures, chosen.parts, out, silent)
    with chdir(out):
        return pipeline.train(chosen, manifest, out, out / "cache", MlflowTracker(uri), on_epoch, silent)


def test_a_server_keeps_figures_files_and_a_model_that_passed(server, tmp_path):
    from mlflow import MlflowClient

    outcome = train(tmp_path, server.address, "gate.accuracy=0.5", "gate.class_recall=0", "gate.calibration_error=1")

    client = MlflowClient(server.address)
    challenger = client.get_model_version_by_alias("pictures", "challenger")
    run = client.get_run(challenger.run_id)
    assert outcome.tracked.endswith("models:/pictures@challenger is version 1")
    assert run.data.metrics.keys() >= REFERENCE
    assert [entry.step for entry in client.get_metric_history(run.info.run_id, "val_f1")] == [1, 2, 3]
    assert run.data.params["train.epochs"] == "3"
    assert run.data.params["fingerprint"] == challenger.tags["fingerprint"] == outcome.bundle.facts.fingerprint
    assert run.data.tags["bundle.version"] == challenger.tags["bundle.version"] == outcome.bundle.facts.version
    assert challenger.tags["gate.accuracy in fp32"].endswith("demanded ≥ 0.5000")
    kept = {entry.path for entry in client.list_artifacts(run.info.run_id)}
    assert kept == {*pipeline.KEPT, "MODEL_CARD.md"}
    model_id = challenger.source.removeprefix("models:/")
    assert "artifacts" in {entry.path for entry in client.list_logged_model_artifacts(model_id)}


def test_a_model_that_failed_its_gate_is_kept_as_a_draft_and_not_registered(server, tmp_path):
    from mlflow import MlflowClient

    outcome = train(tmp_path, server.address, "name=refused", "gate.calibration_error=0")

    client = MlflowClient(server.address)
    run_id = outcome.tracked.split()[1]
    assert not outcome.verdict.passed
    assert client.get_run(run_id).data.tags["gate"] == "failed"
    assert "draft/bundle.json" in {entry.path for entry in client.list_artifacts(run_id, "draft")}
    assert client.search_model_versions("name='refused'") == []


def test_the_page_of_the_runs_opens(server):
    answer = httpx.get(server.address)

    assert answer.status_code == httpx.codes.OK
    assert "<title>MLflow</title>" in answer.text


def enlist(server: Server, name: str, versions: int, bundle: Path | None = None) -> None:
    """Register a model with versions that are names only: they have tags and a run, and no bundle; or all the same."""
    from mlflow import MlflowClient

    client = MlflowClient(server.address)
    client.create_registered_model(name)
    run_id = client.create_run(client.create_experiment(name)).info.run_id
    if bundle is not None:
        client.log_artifacts(run_id, str(bundle), "model/artifacts/bundle")
    for number in range(1, versions + 1):
        digest = f"digest {number}" if bundle is None else bundles.digest(bundles.load(bundle))
        client.create_model_version(name, f"runs:/{run_id}/model", run_id, {"bundle.digest": digest})
    client.set_registered_model_alias(name, "challenger", "1")


def won(registered: Registry, challenger: str) -> Contest:
    """A version that is made challenger, after a contest with the champion."""
    registered.point("challenger", challenger)
    version = registered.at("challenger")
    assert version is not None
    return Contest(version, registered.at("champion"), [])


def test_a_challenger_takes_the_place_of_a_champion_and_gives_it_back(server, bundle_path, own_bundle, tmp_path):
    """As it is typed, from the first promotion to a rollback with nothing before it."""
    from mlflow import MlflowClient

    client = MlflowClient(server.address)

    def register(path: Path) -> dict[str, str]:
        digest = bundles.digest(bundles.load(path))
        with MlflowTracker(server.address).run("pets", {}) as run:
            run.challenger("pets", bundles.load(path), {"bundle.digest": digest})
        return {"version": client.get_model_version_by_alias("pets", "challenger").version, "digest": digest}

    def say(*words: object) -> Result:
        environment = {"MLFLOW_TRACKING_URI": server.address}
        return CliRunner().invoke(tapetum, [*map(str, words)], env=environment)

    first = register(bundle_path)
    said = say("promote", "pets")
    assert said.exit_code == 0, said.output
    assert "against" not in said.stdout
    assert said.stdout.splitlines()[-1] == f"champion  pets is version 1, digest {first['digest']}"

    facts = json.loads((own_bundle / "bundle.json").read_text())
    (own_bundle / "bundle.json").write_text(json.dumps(facts | {"title": "Better pictures", "files": None}, indent=4))
    second = register(bundles.seal(bundles.load(own_bundle)).path)
    strict, mild = tmp_path / "strict.yaml", tmp_path / "mild.yaml"
    for rules, growth in ((strict, 0), (mild, 1)):
        gate = f"{{accuracy: 0.5, latency_growth: 1000, size_growth: {growth}}}"
        rules.write_text(f"{{name: pets, title: Pets, image: {{height: 16, width: 16}}, gate: {gate}}}")
    said = say("promote", "pets", "--recipe", strict, "--json")
    assert said.exit_code == 1
    assert [check["name"] for check in json.loads(said.stdout)["checks"] if not check["passed"]] == [
        "size against champion"
    ]
    assert client.get_model_version_by_alias("pets", "champion").version == "1"

    said = say("promote", "pets", "--recipe", mild, "--json")
    assert said.exit_code == 0, said.output
    moved = json.loads(said.stdout)
    assert moved == {"name": "pets", **second, "previous": first, "checks": moved["checks"]}
    assert {check["name"] for check in moved["checks"]} >= {
        *("accuracy in fp32", "accuracy against champion", "recall of each class against champion"),
        *("calibration error against champion", "p95 latency against champion"),
        *("memory of a worker against champion", "size against champion"),
    }
    champion = client.get_model_version_by_alias("pets", "champion")
    assert champion.version == "2"
    assert " promoted version 2 after version 1 at " in champion.tags["promotion"]
    assert champion.tags["promotion.accuracy against champion"].startswith("+0.0000 [+0.0000, +0.0000], demanded ")
    kept = json.loads(Path(client.download_artifacts(champion.run_id, VERDICT_PATH, str(tmp_path))).read_text())
    assert kept == {"name": "pets", "challenger": second, "champion": first, "checks": moved["checks"]}
    assert json.loads(say("promote", "pets", "--json").stdout) == moved | {"checks": []}

    said = say("rollback", "pets", "--from", "1")
    assert isinstance(said.exception, Overtaken)
    assert str(said.exception) == "the champion of pets is version 2, not 1: nothing was changed"
    assert json.loads(say("rollback", "pets", "--from", "2", "--json").stdout) == {
        "name": "pets", **first, "previous": second, "checks": []
    }  # fmt: skip
    assert client.get_model_version_by_alias("pets", "champion").version == "1"
    assert " rolled back from version 2 to 1 at " in client.get_model_version("pets", "2").tags["rollback"]
    said = say("rollback", "pets")
    assert isinstance(said.exception, RegistryError)
    assert str(said.exception) == "there is nothing before version 1, the first champion of pets"
    said = say("promote", "pets", "--recipe", mild)
    assert isinstance(said.exception, RegistryError)
    assert "train another one, or say --again" in str(said.exception)
    assert say("promote", "pets", "--recipe", mild, "--again").exit_code == 0


def test_of_two_promotions_at_once_one_wins_and_the_other_is_told_who(server):
    """Two processes, several times: whoever loses changes nothing, and the alias stands where the winner put it."""
    from mlflow import MlflowClient

    enlist(server, "race", 2)
    client = MlflowClient(server.address)
    command = [sys.executable, "-c", RACER, server.address, "race"]
    racers = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    try:
        for number in range(ROUNDS):
            challenger = str(1 + number % 2)
            client.set_registered_model_alias("race", "challenger", challenger)
            assert told(racers, "begin") == ["ready", "ready"]
            lost, victory = sorted(told(racers, "go"), key=lambda word: word == "won")
            assert victory == "won"
            assert f" promoted version {challenger} " in lost
            assert client.get_model_version_by_alias("race", "champion").version == challenger
    finally:
        for racer in racers:
            racer.communicate()
    with registry.opened(server.address, "race") as registered:
        assert [move.to.version for move in registered.moves()] == ["1", "2", "1", "2"]
    assert [racer.returncode for racer in racers] == [0, 0]


def told(racers: list["subprocess.Popen[str]"], word: str) -> list[str]:
    """What each says after it was told a word."""
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write(f"{word}\n")
        racer.stdin.flush()
    return [racer.stdout.readline().strip() for racer in racers if racer.stdout is not None]


class Interrupted(Registry):
    """A registry where others come between: they promote version 2 just before a move is written or the alias set."""

    def between(self, method: str) -> None:
        """Have them come before this method, once."""
        self.awaited = method

    def _others(self, method: str) -> None:
        if getattr(self, "awaited", "") == method:
            self.awaited = ""
            promote.settle(self)  # as a contest begins
            promote.promote(self, won(self, "2"), NOW)

    def append(self, move: Move) -> list[Move]:
        self._others("append")
        return super().append(move)

    def point(self, alias: str, version: str) -> None:
        if alias == "champion":
            self._others("point")
        super().point(alias, version)


def test_who_is_overtaken_at_the_last_moment_is_told(server):
    from mlflow import MlflowClient

    enlist(server, "overtaken", 3)
    registered = Interrupted(MlflowClient(server.address), server.address, "overtaken")
    registered.between("append")

    with pytest.raises(Overtaken, match=r"promoted version 2 at 2026-01-02T03:04:05\+00:00, before this could"):
        promote.promote(registered, won(registered, "1"), NOW)

    assert registered.at("champion") == Version("2", "digest 2")
    assert registered.at("challenger") == Version("2", "digest 2")


def test_who_is_slow_to_set_the_alias_does_not_undo_what_others_did_since(server):
    from mlflow import MlflowClient

    enlist(server, "slow", 3)
    registered = Interrupted(MlflowClient(server.address), server.address, "slow")
    registered.between("point")

    promote.promote(registered, won(registered, "1"), NOW)

    assert [move.to.version for move in registered.moves()] == ["1", "2"]
    assert registered.at("champion") == Version("2", "digest 2")


def die_before_the_alias(registered: Registry, version: str) -> Move:
    """Write a promotion down as one that ended there."""
    (first,) = registered.moves()
    died = replace(first, to=replace(first.to, version=version), before=first.to, after=1, token="other")  # noqa: S106 - a name, no secret
    registered.append(died)
    assert registered.at("champion") == first.to
    return died


def test_a_move_whose_process_died_before_it_set_the_alias_is_finished_by_the_next(server, bundle_path):
    enlist(server, "died", 3, bundle_path)
    with registry.opened(server.address, "died") as registered:
        first = promote.promote(registered, won(registered, "1"), NOW)
        died = die_before_the_alias(registered, "2")

        moved = promote.rollback(registered, NOW)

        assert moved == Moved("died", "1", first.digest, died.to, [])
        assert [entry.version for entry in ledger.line(registered.moves(), None)] == ["1"]


def test_a_version_that_is_deleted_holds_nobody_up(server, bundle_path):
    """One whose move was never finished, and then one that was champion: whom its alias went with."""
    from mlflow import MlflowClient

    client = MlflowClient(server.address)
    enlist(server, "deleted", 4, bundle_path)
    with registry.opened(server.address, "deleted") as registered:
        promote.promote(registered, won(registered, "1"), NOW)
        die_before_the_alias(registered, "2")
        client.delete_model_version("deleted", "2")
        with pytest.raises(RegistryError, match="nothing before version 1, the first champion of deleted"):
            promote.rollback(registered, NOW)

        promote.promote(registered, won(registered, "3"), NOW)
        promote.promote(registered, won(registered, "4"), NOW)
        client.delete_model_version("deleted", "4")
        registered.point("champion", "3")
        assert promote.rollback(registered, NOW).version == "1"


def test_a_rollback_goes_to_no_version_whose_bundle_is_gone(server):
    enlist(server, "gone", 2)
    with registry.opened(server.address, "gone") as registered:
        promote.promote(registered, won(registered, "1"), NOW)
        promote.promote(registered, won(registered, "2"), NOW)

        with pytest.raises(RegistryError, match=r"models:/gone/1/.* cannot be fetched.*delete version 1 of gone"):
            promote.rollback(registered, NOW)

        assert registered.at("champion") == Version("2", "digest 2")


def test_a_contest_counts_only_while_both_are_who_they_were(server):
    enlist(server, "changed", 3)
    with registry.opened(server.address, "changed") as registered:
        held = won(registered, "1")
        registered.point("challenger", "2")
        with pytest.raises(Overtaken, match="the challenger of changed is version 2 now, not 1 as was gated"):
            promote.promote(registered, held, NOW)
        held = won(registered, "1")
        registered.point("champion", "3")
        with pytest.raises(Overtaken, match="the champion of changed was moved meanwhile: by hand"):
            promote.promote(registered, held, NOW)


def test_what_the_registry_does_not_hold_is_told_with_the_remedy(server, tmp_path):
    enlist(server, "empty", 1)
    with registry.opened(server.address, "empty") as registered:
        with pytest.raises(RegistryError, match="empty has no champion: there is nothing to roll back"):
            promote.rollback(registered, NOW)
        with pytest.raises(RegistryError, match=r"models:/empty/1/artifacts/bundle cannot be fetched at http"):
            promote.contest(registered, Demands(), tmp_path)
    with pytest.raises(
        RegistryError, match=r"no model 'nobody' is registered .*: there are .*empty.*; `tapetum train`"
    ):
        registry.opened(server.address, "nobody").__enter__()


def test_a_server_that_dies_in_the_middle_costs_one_warning(server, tmp_path):
    """Everything else is made and written as if nobody had looked on."""
    seen = []

    def kill(result: EpochResult) -> None:
        seen.append(result.epoch)
        if result.epoch == 1:
            os.killpg(server.group, signal.SIGKILL)

    choices = ["gate.accuracy=0.5", "gate.class_recall=0", "gate.calibration_error=1"]
    with capture_logs() as logs:
        outcome = train(tmp_path, server.address, *choices, on_epoch=kill)

    assert seen == [1, 2, 3]
    assert outcome.bundle.is_sealed
    assert [entry["event"] for entry in logs] == [
        "tracking stopped, training goes on and keeps all files in its folder"
    ]
    assert outcome.tracked.startswith("in part: run ")
    assert {path.name for path in tmp_path.iterdir()} >= {*pipeline.KEPT, "bundle"}
