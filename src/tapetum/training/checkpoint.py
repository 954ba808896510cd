"""A run's state on disk, so that it can be ended at any moment and taken up again."""

import os
import pickle
import zipfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from tapetum import files
from tapetum.errors import ConfigError, TrainingError
from tapetum.recipe import Recipe
from tapetum.training.fit import EpochResult, Position
from tapetum.training.learner import Learner

Weights = dict[str, torch.Tensor]


class Checkpoint:
    """The file of one run, which belongs to its recipe and its pictures."""

    def __init__(self, path: Path, recipe: Recipe, fingerprint: str) -> None:
        self.path = path
        choices = recipe.model_dump(mode="json", include={"image", "model", "augment", "train"})
        self._origin = {f"{section}.{key}": value for section, keys in choices.items() for key, value in keys.items()}
        self._origin["pictures"] = fingerprint

    def save(self, learner: Learner, position: Position, best: Weights) -> None:
        """Write everything; whoever reads the file sees this state or the one before, never a half."""
        content = {
            "origin": self._origin,
            "learner": learner.state(),
            "position": asdict(position),
            "best": best,
        }
        with files.replacing(self.path) as fresh, fresh.open("wb") as stream:
            torch.save(content, stream)
            stream.flush()
            os.fsync(stream.fileno())

    def restore(self, learner: Learner) -> tuple[Position, Weights]:
        """Put the state back. Raises TrainingError for a damaged file, ConfigError where it is of another run."""
        try:
            # No pickle that could execute anything: tensors, numbers and names only.
            content: dict[str, Any] = torch.load(self.path, map_location=learner.device, weights_only=True)
            self._require_same(content["origin"])
            learner.restore(content["learner"])
            position = content["position"]
            history = [EpochResult(**result) for result in position.pop("history")]
            return Position(**position, history=history), content["best"]
        except (
            OSError,
            EOFError,
            AttributeError,
            IndexError,
            KeyError,
            TypeError,
            ValueError,
            RuntimeError,
            pickle.UnpicklingError,
            zipfile.BadZipFile,
        ) as error:
            raise TrainingError(f"{self.path} is damaged ({error}): delete it to begin anew") from error

    def _require_same(self, origin: dict[str, Any]) -> None:
        for name in self._origin.keys() | origin.keys():
            was, now = origin.get(name), self._origin.get(name)
            if was != now:
                raise ConfigError(
                    f"{self.path} is of a run with {name}={was}, and this one has {name}={now}: "
                    "resume with what it was begun with, or name another folder with --out"
                )
