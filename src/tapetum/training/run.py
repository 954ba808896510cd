"""One training run: pictures and recipe in, draft bundle out, everything written to one folder."""

import copy
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
import yaml

from tapetum import files
from tapetum.bundle import Bundle
from tapetum.data import cache
from tapetum.data.cache import Rows
from tapetum.data.manifest import Manifest
from tapetum.data.sample import Part
from tapetum.errors import ConfigError
from tapetum.models.network import Network
from tapetum.progress import Advance
from tapetum.recipe import Recipe
from tapetum.training.export import export
from tapetum.training.fit import EpochResult, Pictures, fit
from tapetum.training.step import infer
from tapetum.training.tracking import Run

RECIPE, HISTORY, DRAFT = "recipe.yaml", "history.json", "draft"


def train(
    recipe: Recipe,
    manifest: Manifest,
    out: Path,
    cache_folder: Path,
    tracked: Run,
    on_epoch: Callable[[EpochResult], None],
    advance: Advance,
) -> Bundle:
    """Decode, fit, keep the weights of the best epoch, and export them to `out`/draft.

    The best epoch has the highest validation accuracy, of equals the lowest
    loss. Raises ConfigError, ResourceError, DataError or TrainingError.
    """
    files.write_text(out / RECIPE, yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True))
    pixels = cache.build(manifest, recipe.image, cache_folder, advance)
    torch.manual_seed(recipe.train.seed)
    network = Network(recipe.model, len(manifest.labels), recipe.image)
    _require_room(network, recipe)
    best: EpochResult | None = None
    weights = network.state_dict()
    history = []
    epochs = fit(
        network,
        _pictures(manifest, pixels, "train"),
        _pictures(manifest, pixels, "val"),
        recipe.train,
        recipe.augment,
        advance,
    )
    for result in epochs:
        history.append(asdict(result))
        tracked.metrics({name: value for name, value in asdict(result).items() if name != "epoch"}, result.epoch)
        on_epoch(result)
        if best is None or (result.val_accuracy, -result.val_loss) > (best.val_accuracy, -best.val_loss):
            best, weights = result, copy.deepcopy(network.state_dict())
    files.write_text(out / HISTORY, json.dumps(history, indent=1) + "\n")
    network.load_state_dict(weights)
    return export(network, recipe, manifest, out / DRAFT)


def _require_room(network: Network, recipe: Recipe) -> None:
    """Raise ConfigError where the architecture pools so small a picture away."""
    height, width = recipe.image.height, recipe.image.width
    try:
        infer(network.eval(), np.zeros((1, height, width, 3), np.uint8), bf16=False)
    except RuntimeError as error:
        raise ConfigError(
            f"image.height and image.width are {height} and {width}, too small for {recipe.model.architecture}: "
            f"try 32 ({error})"
        ) from error


def _pictures(manifest: Manifest, pixels: np.ndarray, part: Part) -> Pictures:
    rows = [row for row, sample in enumerate(manifest.samples) if sample.part == part]
    labels = np.array([manifest.labels.index(manifest.samples[row].label) for row in rows], np.int64)
    return Pictures(Rows(pixels, np.array(rows)), labels)
