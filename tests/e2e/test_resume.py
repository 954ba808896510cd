"""A training run that ends before its end is not lost: it goes on, to the same weights."""

import json
import os
import random
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import IO

import commands
import pytest

from tapetum.bundle import WEIGHTS

CHOICES = (
    "image.height=16",
    "image.width=16",
    "augment.flip=true",
    "augment.mixup=0.2",
    "train.ema=0.9",
    "train.epochs=40",
    "train.batch_size=8",
)
UNTRACKED = {"MLFLOW_TRACKING_URI": "none"}


def train(folder: Path, *more: object) -> tuple[object, ...]:
    return ("train", folder, *CHOICES, *more)


def await_epochs(printed: IO[str], count: int) -> None:
    for _ in range(count):
        while not (line := printed.readline()).startswith("train"):
            assert line, "it ended before"


def finish(folder: Path, out: Path, *more: object) -> bytes:
    """The weights that a run ends with."""
    ran = commands.run(*train(folder, "--out", out, *more), **UNTRACKED)
    assert ran.returncode == 0, ran.stderr
    assert not (out / "checkpoint.pt").exists()
    return (out / "bundle" / WEIGHTS).read_bytes()


@pytest.fixture(scope="module")
def pictures(trained: Path) -> Path:
    return trained / "pictures"


@pytest.fixture(scope="module")
def whole(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that nothing interrupted."""
    out = tmp_path_factory.mktemp("whole") / "run"
    finish(pictures, out)
    return out


def test_a_run_killed_at_random_moments_ends_with_the_weights_of_one_that_was_not(pictures, whole, tmp_path):
    moments = random.Random(5)  # noqa: S311, no secret
    for _ in range(4):
        going_on = train(pictures, "--out", tmp_path / "run", "--resume")
        with commands.started(*going_on, **UNTRACKED) as (command, printed, _):
            await_epochs(printed, moments.randint(1, 6))
            with suppress(subprocess.TimeoutExpired):
                command.wait(timeout=moments.uniform(0, 0.1))

    weights = finish(pictures, tmp_path / "run", "--resume")

    assert weights == (whole / "bundle" / WEIGHTS).read_bytes()
    histories = [json.loads((out / "history.json").read_text()) for out in (whole, tmp_path / "run")]
    for one, two in zip(*histories, strict=True):
        assert one | {"seconds": 0} == two | {"seconds": 0}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_asked_to_stop_saves_the_step_it_is_in_and_says_how_to_go_on(pictures, whole, tmp_path, number):
    with commands.started(*train(pictures, "--out", tmp_path / "run"), **UNTRACKED) as (command, printed, errors):
        await_epochs(printed, 3)
        command.send_signal(number)
        assert command.wait(timeout=60) == 130
        errors.seek(0)
        (line,) = errors.read().splitlines()

    assert line.startswith("tapetum: interrupted in epoch ")
    assert line.endswith("the same command with --resume goes on")
    assert finish(pictures, tmp_path / "run", "--resume") == (whole / "bundle" / WEIGHTS).read_bytes()


def test_an_interrupted_run_is_neither_overwritten_nor_mixed_with_another(pictures, tmp_path):
    with commands.started(*train(pictures, "--out", tmp_path / "run"), **UNTRACKED) as (_, printed, _):
        await_epochs(printed, 1)
    checkpoint = (tmp_path / "run" / "checkpoint.pt").read_bytes()

    refusals = {
        (): "add --resume to go on with it",
        ("--resume", "train.lr=0.5"): "is of a run with train.lr=0.003, and this one has train.lr=0.5",
    }
    for more, words in refusals.items():
        ran = commands.run(*train(pictures, "--out", tmp_path / "run", *more), **UNTRACKED)
        assert ran.returncode == 2
        assert words in ran.stderr
        assert more or "split" not in ran.stdout  # nothing is written anew
    assert (tmp_path / "run" / "checkpoint.pt").read_bytes() == checkpoint


def test_a_damaged_checkpoint_is_named(pictures, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "checkpoint.pt").write_bytes(b"PK\3\4 half of it")

    ran = commands.run(*train(pictures, "--out", tmp_path / "run", "--resume"), **UNTRACKED)

    assert ran.returncode == 2
    assert "checkpoint.pt is damaged" in ran.stderr
    assert "delete it to begin anew" in ran.stderr


def test_two_processes_learn_what_one_does(pictures, tmp_path):
    """Dropout draws by process and is off; what remains is the order of floating-point sums."""
    choices = ("model.dropout=0", "train.epochs=4", "train.precision=fp32")
    alone = commands.run(*train(pictures, "--out", tmp_path / "one", *choices), **UNTRACKED)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "tapetum"]
    command = [*torchrun, *map(str, train(pictures, "--out", tmp_path / "two", *choices))]
    together = subprocess.run(command, env=os.environ | UNTRACKED, capture_output=True, text=True, timeout=300)
    one, two = _history(alone, tmp_path / "one"), _history(together, tmp_path / "two")

    assert [epoch["train_loss"] for epoch in two] == pytest.approx([epoch["train_loss"] for epoch in one], rel=1e-3)
    assert [epoch["val_accuracy"] for epoch in two] == [epoch["val_accuracy"] for epoch in one]
    assert (tmp_path / "two" / "bundle").is_dir()


def _history(ran: "subprocess.CompletedProcess[str]", out: Path) -> list[dict[str, float]]:
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.count("epoch   4") == 1, "one process speaks"
    return json.loads((out / "history.json").read_text())
