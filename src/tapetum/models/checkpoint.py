"""Weights from a foreign .pt or .pth file, read without running what it may hold."""

import re
import warnings
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import nn

from tapetum.errors import CheckpointError

Weights = dict[str, torch.Tensor]

_KEYS = ("model_state_dict", "state_dict")
_WRAPPED = "module."  # before every name, where DataParallel trained
_COUNTER = "num_batches_tracked"  # files of old versions of torch lack it; in use nothing reads it
_SHOWN = 8
_REMEDY = "write one with torch.save(model.state_dict(), FILE)"


def read(path: Path) -> Weights:
    """A bare state dict, or the one under `model_state_dict` or `state_dict` -> tensors by name.

    Raises CheckpointError where the file holds something else, code among it,
    or a weight that is not finite.
    """
    content = _load(path)
    if not isinstance(content, Mapping):
        raise CheckpointError(f"{path} holds a {type(content).__name__}: expected a state dict; {_REMEDY}")
    state = next((content[key] for key in _KEYS if isinstance(content.get(key), Mapping)), content)
    strangers = [str(name) for name, value in state.items() if not isinstance(value, torch.Tensor)]
    if strangers or not state:
        raise CheckpointError(
            f"{path} holds {_listed(strangers) or 'nothing'} where tensors were expected, and neither "
            f"{' nor '.join(_KEYS)}: {_REMEDY}"
        )
    weights = {str(name): value for name, value in state.items()}
    if all(name.startswith(_WRAPPED) for name in weights):
        weights = {name.removeprefix(_WRAPPED): value for name, value in weights.items()}
    damaged = [name for name, value in weights.items() if not bool(torch.isfinite(value).all())]
    if damaged:
        raise CheckpointError(
            f"{path} has values that are not finite in {_listed(damaged)}: take an earlier checkpoint"
        )
    return weights


def _load(path: Path) -> object:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of torch, about old formats that it reads all the same
            return torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror or error}") from error
    except Exception as error:  # of a file that is none torch raises whatever it stumbles over
        if named := re.search(r"GLOBAL (\S+)", str(error)):
            raise CheckpointError(
                f"{path} holds more than weights: to read {named[1]} would run code, so it was not read; {_REMEDY}"
            ) from error
        said = str(error).partition("\n")[0].partition(". ")[0]
        raise CheckpointError(
            f"{path} is damaged, or no checkpoint of PyTorch ({type(error).__name__}: {said}): "
            f"copy it again, or {_REMEDY}"
        ) from error


def fill(module: nn.Module, weights: Weights, n_classes: int, path: Path) -> None:
    """Put weights into a module of `n_classes`. Raises CheckpointError that lists what does not fit."""
    expected = module.state_dict()
    missing = [name for name in expected if name not in weights and not name.endswith(_COUNTER)]
    unexpected = [name for name in weights if name not in expected]
    shapes = {
        name: (tuple(weights[name].shape), tuple(value.shape))
        for name, value in expected.items()
        if name in weights and weights[name].shape != value.shape
    }
    answered = {found[0] for found, wanted in shapes.values() if found[1:] == wanted[1:] and wanted[0] == n_classes}
    if shapes and not missing and not unexpected and len(answered) == 1:
        raise CheckpointError(
            f"{path} answers with {answered.pop()} classes ({_listed(list(shapes))}) and {n_classes} labels are given: "
            "give as many, in its order"
        )
    problems = [
        f"{kind}: {_listed(names)}"
        for kind, names in (
            ("missing", missing),
            ("unexpected", unexpected),
            ("of another shape", [f"{name} {found}, expected {wanted}" for name, (found, wanted) in shapes.items()]),
        )
        if names
    ]
    if problems:
        raise CheckpointError(f"{path} does not fit; {'; '.join(problems)}. Name its architecture with --arch")
    module.load_state_dict(weights, strict=False)


def _listed(names: list[str]) -> str:
    rest = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {rest} more" if rest > 0 else "")
