"""The training loop, as a generator of epoch results."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from time import perf_counter
from typing import NamedTuple

import numpy as np
import torch

from tapetum import machine
from tapetum.data import loader
from tapetum.data.cache import Rows
from tapetum.errors import TrainingError
from tapetum.models.network import Network
from tapetum.progress import Advance, silent
from tapetum.recipe import Augment, Train
from tapetum.scores import confusion, log_loss, precision_recall_f1, softmax
from tapetum.training.step import infer, train_step


class Pictures(NamedTuple):
    """`pixels` uint8 (N, H, W, 3), or rows of a cache of such, and `labels` int64 (N,)."""

    pixels: np.ndarray | Rows
    labels: np.ndarray


@dataclass(frozen=True)
class EpochResult:
    """What one epoch brought; the training figures are of augmented pictures while learning."""

    epoch: int
    lr: float
    train_loss: float
    train_accuracy: float
    val_loss: float
    val_accuracy: float
    val_precision: float
    val_recall: float
    val_f1: float
    seconds: float


def fit(
    network: Network,
    train: Pictures,
    val: Pictures,
    choices: Train,
    augment: Augment,
    advance: Advance = silent,
) -> Iterator[EpochResult]:
    """Train in place, yielding after each epoch; `advance` counts the pictures of the whole run.

    The same seed, machine and library versions give the same weights. Raises
    TrainingError when the loss is no longer finite.
    """
    network.to(memory_format=torch.channels_last)
    bf16 = choices.precision == "bf16" or (choices.precision == "auto" and machine.has_bf16())
    optimiser = torch.optim.AdamW(network.parameters(), lr=choices.lr, weight_decay=choices.weight_decay)
    usable = loader.usable(len(train.pixels), choices.batch_size)
    total = choices.epochs * math.ceil(usable / choices.batch_size)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: lr_factor(step, total, choices.warmup_share))
    seen = 0
    for epoch in range(1, choices.epochs + 1):
        start = perf_counter()
        lr = optimiser.param_groups[0]["lr"]
        losses, hits, counted = 0.0, 0, 0
        network.train()
        rng = np.random.default_rng((choices.seed, epoch))
        for images, labels in loader.shuffled(*train, choices.batch_size, augment, rng):
            loss, right = train_step(network, images, labels, optimiser, choices.label_smoothing, bf16)
            if not math.isfinite(loss):
                raise TrainingError(f"the loss is {loss} in epoch {epoch}: lower train.lr, which is {choices.lr}")
            schedule.step()
            losses, hits, counted = losses + loss * len(labels), hits + right, counted + len(labels)
            seen += len(labels)
            advance("train", seen, choices.epochs * usable)
        network.eval()
        batches = loader.in_order(*val, choices.batch_size)
        logits = np.concatenate([infer(network, images, bf16) for images, _ in batches])
        if not np.isfinite(logits).all():
            raise TrainingError(f"the answers are not finite in epoch {epoch}: lower train.lr, which is {choices.lr}")
        counts = confusion(logits.argmax(axis=1), val.labels, logits.shape[1])
        precision, recall, f1 = (float(values.mean()) for values in precision_recall_f1(counts))
        yield EpochResult(
            epoch=epoch,
            lr=lr,
            train_loss=losses / counted,
            train_accuracy=hits / counted,
            val_loss=log_loss(softmax(logits), val.labels),
            val_accuracy=float(np.trace(counts) / counts.sum()),
            val_precision=precision,
            val_recall=recall,
            val_f1=f1,
            seconds=perf_counter() - start,
        )


def lr_factor(step: int, total: int, warmup_share: float) -> float:
    """The learning rate's share of its peak: a linear warm-up, then half a cosine down to zero."""
    warmup = max(1, round(total * warmup_share))
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warmup) / max(1, total - warmup))))
