"""A training run that ends before its end is not lost: it goes on, to the same weights."""

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

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
ENVIRONMENT = os.environ | {"MLFLOW_TRACKING_URI": "none", "PYTHONUNBUFFERED": "1"}


def command(folder: Path, *more: object) -> list[str]:
    return [sys.executable, "-m", "tapetum", "train", str(folder), *CHOICES, *map(str, more)]


@contextmanager
def training(folder: Path, *more: object) -> Iterator[subprocess.Popen[str]]:
    """A run going on, its progress to be read."""
    with subprocess.Popen(
        command(folder, *more), env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def await_epochs(process: subprocess.Popen[str], count: int) -> None:
    assert process.stdout is not None
    for _ in range(count):
        while not (line := process.stdout.readline()).startswith("train"):
            assert line, process.communicate()


def finish(folder: Path, out: Path, *more: object) -> bytes:
    """The weights that a run ends with."""
    ran = subprocess.run(
        command(folder, "--out", out, *more), env=ENVIRONMENT, capture_output=True, text=True, timeout=300
    )
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
        with training(pictures, "--out", tmp_path / "run", "--resume") as process:
            await_epochs(process, moments.randint(1, 6))
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=moments.uniform(0, 0.1))
            process.kill()

    weights = finish(pictures, tmp_path / "run", "--resume")

    assert weights == (whole / "bundle" / WEIGHTS).read_bytes()
    histories = [json.loads((out / "history.json").read_text()) for out in (whole, tmp_path / "run")]
    for one, two in zip(*histories, strict=True):
        assert one | {"seconds": 0} == two | {"seconds": 0}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_asked_to_stop_saves_the_step_it_is_in_and_says_how_to_go_on(pictures, whole, tmp_path, number):
    with training(pictures, "--out", tmp_path / "run") as process:
        await_epochs(process, 3)
        process.send_signal(number)
        _, errors = process.communicate(timeout=60)

    assert process.returncode == 130
    (line,) = errors.splitlines()
    assert line.startswith("tapetum: interrupted in epoch ")
    assert line.endswith("the same command with --resume goes on")
    assert finish(pictures, tmp_path / "run", "--resume") == (whole / "bundle" / WEIGHTS).read_bytes()


def test_an_interrupted_run_is_neither_overwritten_nor_mixed_with_another(pictures, tmp_path):
    with training(pictures, "--out", tmp_path / "run") as process:
        await_epochs(process, 1)
    checkpoint = (tmp_path / "run" / "checkpoint.pt").read_bytes()

    refusals = {
        (): "add --resume to go on with it",
        ("--resume", "train.lr=0.5"): "is of a run with train.lr=0.003, and this one has train.lr=0.5",
    }
    for more, words in refusals.items():
        ran = subprocess.run(
            command(pictures, "--out", tmp_path / "run", *more), env=ENVIRONMENT, capture_output=True, text=True
        )
        assert ran.returncode == 2
        assert words in ran.stderr
    assert (tmp_path / "run" / "checkpoint.pt").read_bytes() == checkpoint


def test_a_damaged_checkpoint_is_named(pictures, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "checkpoint.pt").write_bytes(b"PK\3\4 half of it")

    ran = subprocess.run(
        command(pictures, "--out", tmp_path / "run", "--resume"), env=ENVIRONMENT, capture_output=True, text=True
    )

    assert ran.returncode == 2
    assert "checkpoint.pt is damaged" in ran.stderr
    assert "delete it to begin anew" in ran.stderr


def test_two_processes_learn_what_one_does(pictures, tmp_path):
    """Dropout draws by process and is off; what remains is the order of floating-point sums."""
    choices = ("model.dropout=0", "train.epochs=4", "train.precision=fp32")
    one = json.loads(_history(finish_path := tmp_path / "one", command(pictures, "--out", finish_path, *choices)))
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    beside = command(pictures, "--out", tmp_path / "two", *choices)[1:]
    two = json.loads(_history(tmp_path / "two", [*torchrun, *beside]))

    assert [epoch["train_loss"] for epoch in two] == pytest.approx([epoch["train_loss"] for epoch in one], rel=1e-3)
    assert [epoch["val_accuracy"] for epoch in two] == [epoch["val_accuracy"] for epoch in one]
    assert (tmp_path / "two" / "bundle").is_dir()


def _history(out: Path, arguments: list[str]) -> str:
    ran = subprocess.run(arguments, env=ENVIRONMENT, capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.count("epoch   4") == 1, "one process speaks"
    return (out / "history.json").read_text()
