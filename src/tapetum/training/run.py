"""One training run: pictures and recipe in, draft bundle out, everything written to one folder."""

import copy
import json
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from time import monotonic
from types import FrameType
from typing import NamedTuple

import numpy as np
import torch
import yaml

from tapetum import files
from tapetum.bundle import HISTORY
from tapetum.data import cache
from tapetum.data.cache import Rows
from tapetum.data.loader import Pictures, steps_of
from tapetum.data.manifest import Manifest
from tapetum.data.sample import Part
from tapetum.errors import ConfigError, Interrupted
from tapetum.image import Preprocess
from tapetum.models.network import Network
from tapetum.progress import Advance
from tapetum.recipe import Recipe
from tapetum.training.checkpoint import Checkpoint
from tapetum.training.distributed import ALONE, Group
from tapetum.training.export import Graph
from tapetum.training.fit import EpochResult, Position, Stage, fit
from tapetum.training.learner import Learner, class_weights
from tapetum.training.step import infer
from tapetum.training.tracking import Run
from tapetum.training.transfer import learn_last_layer

RECIPE, CHECKPOINT = "recipe.yaml", "checkpoint.pt"
_SAVE_EVERY_S = 60


class Trained(NamedTuple):
    """What a run learned, and its graph where the run knows it already."""

    network: Network
    graph: Graph | None = None


def require_no_other(out: Path, resume: bool) -> None:
    """Raise ConfigError where a run in this folder was interrupted, unless that is to be resumed."""
    if (path := out / CHECKPOINT).exists() and not resume:
        raise ConfigError(
            f"{path} is of a run that was interrupted: add --resume to go on with it, "
            "delete it to begin anew, or name another folder with --out"
        )


def train(
    recipe: Recipe,
    manifest: Manifest,
    out: Path,
    cache_folder: Path,
    tracked: Run,
    on_epoch: Callable[[EpochResult], None],
    advance: Advance,
    resume: bool = False,
    group: Group = ALONE,
) -> Trained:
    """Decode, fit, and give the weights of the best epoch.

    Where the recipe wants a linear head, that is learned as the first epoch.
    A checkpoint in `out` is written after every other epoch, every minute, and
    when the run is interrupted; `resume` goes on from it where there is one.
    Raises ConfigError, ResourceError, DataError, TrainingError, or Interrupted.
    """
    require_no_other(out, resume)
    checkpoint = Checkpoint(out / CHECKPOINT, recipe, manifest.fingerprint)
    torch.manual_seed(recipe.train.seed)
    network = Network(recipe.model, len(manifest.labels), recipe.image)
    _require_room(network, recipe)
    if group.is_first:
        choices = yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
        files.write_text(out / RECIPE, choices)
    position = Position()
    if recipe.train.linear_head and not checkpoint.path.exists():
        result, l2, graph = group.from_first(lambda: learn_last_layer(network, recipe, manifest, cache_folder, advance))
        position.finish_epoch(result)
        tracked.tags({"l2": f"{l2:.3g}"})
        on_epoch(result)
        if position.is_over(recipe.train):
            tracked.metrics(_figures(result), result.epoch)
            _write_history(position, out, group)
            return Trained(network, graph)
    stages = _stages(recipe, manifest, cache_folder, group, advance)
    val = _pictures(manifest, _cached(manifest, recipe.image, cache_folder, group, advance), "val")
    labels = stages[0].pictures.labels
    weights = class_weights(labels, len(manifest.labels)) if recipe.train.class_weights else None
    steps = len(stages) * steps_of(len(labels), recipe.train.batch_size, group.size)
    learner = Learner(network, recipe.train, steps, weights, group)
    best = copy.deepcopy(learner.learned.state_dict())
    if checkpoint.path.exists():
        position, best = checkpoint.restore(learner)
    for result in position.history:
        tracked.metrics(_figures(result), result.epoch)
    last_save = monotonic()

    def save() -> None:
        nonlocal last_save
        if group.is_first:
            checkpoint.save(learner, position, best)
        last_save = monotonic()

    def save_now_and_then() -> None:
        if monotonic() - last_save > _SAVE_EVERY_S:
            save()

    with _interrupts() as stop:
        epochs = fit(
            learner,
            stages,
            val,
            recipe.train,
            recipe.augment,
            position,
            stop,
            save_now_and_then,
            group,
            advance,
        )
        for result in epochs:
            if position.best == result:
                best = copy.deepcopy(learner.learned.state_dict())
            save()
            tracked.metrics(_figures(result), result.epoch)
            on_epoch(result)
        if not position.is_over(recipe.train):
            save()
            raise Interrupted(
                f"interrupted in epoch {position.epoch} of {recipe.train.epochs}; the run so far is in "
                f"{checkpoint.path}: the same command with --resume goes on"
            )
    _write_history(position, out, group)
    learned = learner.learned
    learned.load_state_dict(best)
    return Trained(learned)


def _write_history(position: Position, out: Path, group: Group) -> None:
    if group.is_first:
        history = [asdict(result) | {"is_kept": result == position.best} for result in position.history]
        files.write_text(out / HISTORY, json.dumps(history, indent=1) + "\n")


@contextmanager
def _interrupts() -> Iterator[Callable[[], bool]]:
    """Whether Ctrl-C or SIGTERM came: noted, so that the step it came in ends whole. A second one ends at once."""
    came = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield came.is_set
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def note(number: int, frame: FrameType | None) -> None:
        came.set()
        for known, handler in before.items():
            signal.signal(known, handler)

    for number in before:
        signal.signal(number, note)
    try:
        yield came.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _figures(result: EpochResult) -> dict[str, float]:
    return {name: value for name, value in asdict(result).items() if name != "epoch"}


def _require_room(network: Network, recipe: Recipe) -> None:
    """Raise ConfigError where the architecture pools so small a picture away."""
    for height, width in {(recipe.image.height, recipe.image.width), *_sizes(recipe)}:
        try:
            infer(network.eval(), np.zeros((1, height, width, 3), np.uint8), bf16=False)
        except RuntimeError as error:
            raise ConfigError(
                f"pictures of {width}×{height} are too small for {recipe.model.architecture}: "
                f"set image.height, image.width and train.sizes to 32 or more ({error})"
            ) from error


def _sizes(recipe: Recipe) -> list[tuple[int, int]]:
    """Height and width by epoch; the width keeps the proportion of the recipe's image."""
    image, choices = recipe.image, recipe.train
    heights = choices.sizes or (image.height,)
    turns = [heights[epoch * len(heights) // choices.epochs] for epoch in range(choices.epochs)]
    return [(height, max(1, round(height * image.width / image.height))) for height in turns]


def _stages(recipe: Recipe, manifest: Manifest, folder: Path, group: Group, advance: Advance) -> list[Stage]:
    """The training part at the size of each epoch but that of a linear head.

    It is decoded so large that cutting out a part need not enlarge it.
    """
    shrinks = (1 + recipe.augment.min_scale) / 2
    sizes = _sizes(recipe)[int(recipe.train.linear_head) :]
    pictures = {}
    for height, width in dict.fromkeys(sizes):
        decoded = {"height": round(height / shrinks), "width": round(width / shrinks)}
        spec = recipe.image.model_copy(update=decoded)
        pixels = _cached(manifest, spec, folder, group, advance)
        pictures[height, width] = _pictures(manifest, pixels, "train")
    return [Stage(pictures[size], size) for size in sizes]


def _cached(manifest: Manifest, spec: Preprocess, folder: Path, group: Group, advance: Advance) -> np.ndarray:
    """The decoded pictures; the first process makes the file, the others read it."""
    if group.is_first:
        cache.build(manifest, spec, folder, advance)
    group.wait()
    return cache.build(manifest, spec, folder, advance)


def _pictures(manifest: Manifest, pixels: np.ndarray, part: Part) -> Pictures:
    rows = [row for row, sample in enumerate(manifest.samples) if sample.part == part]
    samples = [manifest.samples[row] for row in rows]
    labels = np.array([manifest.labels.index(sample.label) for sample in samples], np.int64)
    return Pictures(Rows(pixels, np.array(rows)), labels, [sample.path for sample in samples])
