"""The training loop, as a generator of epoch results that can be left and taken up at any step."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter
from typing import NamedTuple

import numpy as np
import torch

from tapetum.data import loader
from tapetum.data.loader import Pictures, Shuffle
from tapetum.errors import ResourceError, TrainingError
from tapetum.progress import Advance, silent
from tapetum.recipe import Augment, Train
from tapetum.scores import confusion, log_loss, precision_recall_f1, softmax
from tapetum.training.distributed import ALONE, Group
from tapetum.training.learner import Learner


@dataclass(frozen=True)
class EpochResult:
    """What one epoch brought; the training figures are of augmented pictures while learning.

    Of two pictures mixed into one, the right answer is the class of the larger share.
    """

    epoch: int
    size: int
    lr: float
    train_loss: float
    train_accuracy: float
    val_loss: float
    val_accuracy: float
    val_precision: float
    val_recall: float
    val_f1: float
    seconds: float

    def beats(self, other: "EpochResult") -> bool:
        """Whether its validation accuracy is higher, or of equals its loss lower."""
        return (self.val_accuracy, -self.val_loss) > (other.val_accuracy, -other.val_loss)


class Stage(NamedTuple):
    """What an epoch learns from: pictures, and the height and width at which they are learned."""

    pictures: Pictures
    size: tuple[int, int]


@dataclass
class Position:
    """Where a run is: so many batches into an epoch, with that epoch's sums, and the epochs before it."""

    epoch: int = 1
    batch: int = 0
    lr: float = 0.0
    loss: float = 0.0
    right: int = 0
    seen: int = 0
    seconds: float = 0.0
    history: list[EpochResult] = field(default_factory=list)

    @property
    def best(self) -> EpochResult:
        """The best epoch so far."""
        best = self.history[0]
        for result in self.history[1:]:
            best = result if result.beats(best) else best
        return best

    def is_over(self, choices: Train) -> bool:
        """Whether all epochs are done, or the last ones brought nothing."""
        waited = len(self.history) - self.best.epoch if self.history else 0
        return self.epoch > choices.epochs or 0 < choices.patience <= waited

    def finish_epoch(self, result: EpochResult) -> None:
        """Go to the start of the next epoch."""
        self.history.append(result)
        self.epoch, self.batch = self.epoch + 1, 0
        self.lr, self.loss, self.right, self.seen, self.seconds = 0.0, 0.0, 0, 0, 0.0


def fit(
    learner: Learner,
    stages: Sequence[Stage],
    val: Pictures,
    choices: Train,
    augment: Augment,
    position: Position,
    stop: Callable[[], bool] = lambda: False,
    between_steps: Callable[[], None] = lambda: None,
    group: Group = ALONE,
    advance: Advance = silent,
) -> Iterator[EpochResult]:
    """Train from `position` on, yielding after each epoch; `stages` holds one entry for each, but may lack the first.

    Learner and position are whole when `between_steps` is called, when a result
    is yielded, and when `stop` ended the loop early. The same seed, machine and
    library versions give the same weights, in however many pieces. Raises
    TrainingError when the loss is no longer finite, with the names of the
    pictures it was computed from.
    """
    while not position.is_over(choices):
        epoch = position.epoch
        pictures, size = stages[epoch - 1 - choices.epochs]  # from the end, for the first may be lacking
        shuffle = Shuffle(choices.batch_size, choices.seed, epoch, position.batch, group.rank, group.size)
        total = loader.steps_of(len(pictures.labels), choices.batch_size, group.size)
        position.lr = position.lr or learner.lr
        start = perf_counter()
        with _memory_of(learner, choices):
            for batch in loader.shuffled(pictures, shuffle, augment, size):
                torch.manual_seed(_seed_of(choices.seed, epoch, position.batch, group.rank))
                loss, hits = learner.step(batch)
                if not math.isfinite(loss):
                    names = ", ".join(pictures.names[row] for row in batch.rows)
                    raise TrainingError(
                        f"the loss is {loss} in epoch {epoch}: lower train.lr, which is {choices.lr}, or look at the "
                        f"pictures of its batch: {names}"
                    )
                loss, right, seen, stops = group.total(loss, hits, len(batch.rows), stop())
                position.batch += 1
                position.loss, position.right = position.loss + loss, position.right + int(right)
                position.seen += int(seen)
                position.seconds, start = position.seconds + perf_counter() - start, perf_counter()
                advance("train", (epoch - 1) * total + position.batch, choices.epochs * total)
                if stops:
                    return
                between_steps()
        judged = group.from_first(lambda: _judge(learner, val, choices.batch_size))
        if not math.isfinite(judged["val_loss"]):
            raise TrainingError(f"the answers are not finite in epoch {epoch}: lower train.lr, which is {choices.lr}")
        result = EpochResult(
            epoch=epoch,
            size=size[0],
            lr=position.lr,
            train_loss=position.loss / position.seen,
            train_accuracy=position.right / position.seen,
            seconds=position.seconds + perf_counter() - start,
            **judged,
        )
        position.finish_epoch(result)
        yield result


@contextmanager
def _memory_of(learner: Learner, choices: Train) -> Iterator[None]:
    """Raise ResourceError where memory ends, naming the batch size to try."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError | torch.OutOfMemoryError) and "allocate memory" not in str(error):
            raise
        size = choices.batch_size
        raise ResourceError(
            f"the memory of {learner.device} ends in an epoch of train.batch_size={size}: "
            f"try train.batch_size={max(1, size // 2)}"
        ) from error


def _judge(learner: Learner, val: Pictures, size: int) -> dict[str, float]:
    logits = np.concatenate([learner.answers(images) for images in loader.in_order(val, size)])
    return figures_of(logits, val.labels)


def figures_of(logits: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """What an epoch's result says of answers (N, K) to the validation part, by name; a loss of NaN where one is."""
    if not np.isfinite(logits).all():
        return {"val_loss": math.nan}
    counts = confusion(logits.argmax(axis=1), truth, logits.shape[1])
    precision, recall, f1 = (float(values.mean()) for values in precision_recall_f1(counts))
    return {
        "val_loss": log_loss(softmax(logits), truth),
        "val_accuracy": float(np.trace(counts) / counts.sum()),
        "val_precision": precision,
        "val_recall": recall,
        "val_f1": f1,
    }


def _seed_of(*place: int) -> int:
    """For dropout: a mask that depends on seed, epoch, step and process alone."""
    return int(np.random.default_rng(place).integers(2**63))
