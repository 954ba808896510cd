"""Foreign files of weights are read without running what they hold, and what does not fit is named."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from tapetum.errors import CheckpointError
from tapetum.models import checkpoint


@pytest.fixture
def state() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return model().state_dict()


def model(n_classes: int = 2) -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, n_classes))


def written(content: object, folder: Path, **options: object) -> Path:
    torch.save(content, folder / "model.pt", **options)
    return folder / "model.pt"


class Hostile:
    """Makes a file where its pickle is believed."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: state,
        lambda state: {"epoch": 3, "model_state_dict": state, "accuracy": 0.9},
        lambda state: {"state_dict": state},
        lambda state: {"model_state_dict": {f"module.{name}": value for name, value in state.items()}},
    ],
    ids=["bare", "model_state_dict", "state_dict", "DataParallel"],
)
@pytest.mark.parametrize("is_zip", [True, False], ids=["new format", "old format"])
def test_weights_are_found_wherever_people_put_them(state, wrap, is_zip, tmp_path):
    path = written(wrap(state), tmp_path, _use_new_zipfile_serialization=is_zip)

    weights = checkpoint.read(path)

    assert list(weights) == list(state)
    assert all(torch.equal(weights[name], state[name]) for name in state)


@pytest.mark.parametrize("is_zip", [True, False], ids=["new format", "old format"])
def test_code_is_named_and_never_run(is_zip, state, tmp_path):
    mark = tmp_path / "mark"
    path = written({"model_state_dict": state, "x": Hostile(mark)}, tmp_path, _use_new_zipfile_serialization=is_zip)

    with pytest.raises(
        CheckpointError, match=r"to read posix\.mkdir would run code, so it was not read; write one with"
    ):
        checkpoint.read(path)
    assert not mark.exists()


def test_a_pickle_by_itself_is_never_run(tmp_path):
    mark = tmp_path / "mark"
    (tmp_path / "model.pt").write_bytes(pickle.dumps(Hostile(mark)))

    with pytest.raises(CheckpointError, match="damaged, or no checkpoint of PyTorch"):
        checkpoint.read(tmp_path / "model.pt")
    assert not mark.exists()


def test_a_whole_model_is_refused_by_its_class(tmp_path):
    with pytest.raises(
        CheckpointError, match=r"torch\.nn\.modules\.container\.Sequential would run code.*state_dict\(\)"
    ):
        checkpoint.read(written(model(), tmp_path))


@pytest.mark.parametrize("content", [b"", b"hello world", b"\xff\xd8\xff\xe0" * 20, b"PK\x03\x04" + bytes(50)])
def test_a_file_of_another_kind_is_told(content, tmp_path):
    (tmp_path / "model.pt").write_bytes(content)

    with pytest.raises(CheckpointError, match=r"damaged, or no checkpoint of PyTorch .*: copy it again"):
        checkpoint.read(tmp_path / "model.pt")


@pytest.mark.parametrize("is_zip", [True, False], ids=["new format", "old format"])
def test_half_a_file_is_told(state, is_zip, tmp_path):
    path = written(state, tmp_path, _use_new_zipfile_serialization=is_zip)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    with pytest.raises(CheckpointError, match="damaged"):
        checkpoint.read(path)


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(CheckpointError, match=r"none\.pt cannot be read: No such file"):
        checkpoint.read(tmp_path / "none.pt")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ([1, 2], "holds a list: expected a state dict"),
        ({}, "holds nothing where tensors were expected"),
        ({"epoch": 3, "lr": 0.1}, "holds epoch, lr where tensors were expected, and neither model_state_dict nor"),
    ],
)
def test_a_file_without_weights_says_what_it_holds(content, complaint, tmp_path):
    with pytest.raises(CheckpointError, match=complaint):
        checkpoint.read(written(content, tmp_path))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_weight_that_is_no_number_is_named(state, value, tmp_path):
    state["2.weight"][1, 2] = value

    with pytest.raises(CheckpointError, match=r"not finite in 2\.weight: take an earlier"):
        checkpoint.read(written(state, tmp_path))


def test_weights_fill_a_module(state):
    filled = model()

    checkpoint.fill(filled, state, 2, Path("x.pt"))

    assert all(torch.equal(value, state[name]) for name, value in filled.state_dict().items())


def test_the_counter_of_batch_norm_may_be_missing_as_in_old_files(state):
    del state["1.num_batches_tracked"]

    checkpoint.fill(model(), state, 2, Path("x.pt"))


def test_what_is_missing_unexpected_and_of_another_shape_is_listed(state):
    state["extra"] = state.pop("1.bias")
    state["0.weight"] = torch.zeros(4, 3, 5, 5)

    with pytest.raises(CheckpointError) as caught:
        checkpoint.fill(model(), state, 2, Path("x.pt"))

    assert str(caught.value) == (
        "x.pt does not fit; missing: 1.bias; unexpected: extra; of another shape: "
        "0.weight (4, 3, 5, 5), expected (4, 3, 3, 3). Name its architecture with --arch"
    )


def test_of_many_names_the_first_are_shown_and_the_rest_counted(state):
    with pytest.raises(CheckpointError, match=r"unexpected: extra0, .*extra7 and 12 more\."):
        checkpoint.fill(model(), state | {f"extra{number}": torch.zeros(1) for number in range(20)}, 2, Path("x.pt"))


def test_another_number_of_classes_is_said_as_such(state):
    with pytest.raises(CheckpointError, match=r"answers with 2 classes \(2\.weight, 2\.bias\) and 5 labels are given"):
        checkpoint.fill(model(5), state, 5, Path("x.pt"))
