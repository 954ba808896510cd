"""A network while it learns: its optimiser, its schedule, its averaged weights."""

import math
import os
from typing import Any, cast

import numpy as np
import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel

from tapetum import machine
from tapetum.data.loader import Batch
from tapetum.errors import ConfigError
from tapetum.models.network import Network
from tapetum.recipe import Train
from tapetum.training.distributed import ALONE, Group, share_batch_norm
from tapetum.training.step import infer, loss_of


class Learner:
    """Takes steps with batches; everything that a later step depends on is in its state."""

    def __init__(
        self,
        network: Network,
        choices: Train,
        steps: int,
        class_weights: np.ndarray | None = None,
        group: Group = ALONE,
    ) -> None:
        """For a run of `steps`; `class_weights` are (K,). Raises ConfigError for a device that is not there."""
        self.device = _device(choices.device)
        self.bf16 = choices.precision == "bf16" or (choices.precision == "auto" and _has_bf16(self.device))
        self._choices = choices
        self._group = group
        self._weights = None if class_weights is None else torch.tensor(class_weights).float().to(self.device)
        if group.size > 1:
            share_batch_norm(network)
        self.network = network.to(self.device).to(memory_format=torch.channels_last)
        self._model: nn.Module = network if group.size == 1 else DistributedDataParallel(network)
        self._optimiser = _optimiser(network, choices)
        self._schedule = torch.optim.lr_scheduler.LambdaLR(
            self._optimiser, lambda step: lr_factor(step, steps, choices.warmup_share)
        )
        self._average: AveragedModel | None = None
        if choices.ema:
            self._average = AveragedModel(network, multi_avg_fn=_towards(choices.ema), use_buffers=True)

    @property
    def lr(self) -> float:
        """The learning rate of the next step."""
        return float(self._optimiser.param_groups[0]["lr"])

    @property
    def learned(self) -> Network:
        """The network to evaluate and keep: the averaged one where the recipe asks for that."""
        return self.network if self._average is None else cast("Network", self._average.module)

    def step(self, batch: Batch) -> tuple[float, int]:
        """Learn from a batch; the summed loss, and how many pictures it had right, of this process' share.

        A loss that is not finite is answered, not learned from.
        """
        self._model.train()
        images, truth, others = (
            torch.from_numpy(values).to(self.device) for values in (batch.images, batch.labels, batch.others)
        )
        smoothing = self._choices.label_smoothing
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            logits = self._model(images).logits
        logits = logits.float()
        loss = loss_of(logits, truth, self._weights, smoothing)
        if batch.share < 1:
            loss = batch.share * loss + (1 - batch.share) * loss_of(logits, others, self._weights, smoothing)
        found = loss.item()
        if not math.isfinite(found):
            return found, 0
        self._optimiser.zero_grad()
        # Gradients are averaged over the processes, so their sum is what a whole batch would have given.
        (loss * self._group.size / batch.counted).backward()  # type: ignore[no-untyped-call]  # without types
        if self._choices.clip_norm:
            nn.utils.clip_grad_norm_(self.network.parameters(), self._choices.clip_norm)
        self._optimiser.step()
        self._schedule.step()
        if self._average:
            self._average.update_parameters(self.network)
        leading = truth if batch.share >= 0.5 else others
        return found, int((logits.argmax(dim=1) == leading).sum())

    def answers(self, images: np.ndarray) -> np.ndarray:
        """uint8 (N, H, W, 3) -> logits (N, K) as `learned` gives them."""
        return infer(self.learned.eval(), images, self.bf16)

    def state(self) -> dict[str, Any]:
        """Tensors and numbers that a later `restore` goes on from, bit for bit."""
        return {
            "network": self.network.state_dict(),
            "average": self._average.state_dict() if self._average else {},
            "optimiser": self._optimiser.state_dict(),
            "schedule": self._schedule.state_dict(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a `state` of a learner of the same network and choices."""
        self.network.load_state_dict(state["network"])
        if self._average:
            self._average.load_state_dict(state["average"])
        self._optimiser.load_state_dict(state["optimiser"])
        self._schedule.load_state_dict(state["schedule"])


def lr_factor(step: int, total: int, warmup_share: float) -> float:
    """The learning rate's share of its peak: a linear warm-up, then half a cosine down to zero."""
    warmup = max(1, round(total * warmup_share))
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warmup) / max(1, total - warmup))))


def class_weights(labels: np.ndarray, n_classes: int) -> np.ndarray:
    """Weights (K,) that give each class the same say, and a picture a mean weight of one."""
    counts = np.bincount(labels, minlength=n_classes)
    return len(labels) / (np.count_nonzero(counts) * np.maximum(counts, 1))


def _device(wanted: str) -> torch.device:
    if wanted == "cuda" and not torch.cuda.is_available():
        raise ConfigError(
            "train.device is cuda, and torch finds no CUDA device here: set train.device=auto, or install the driver"
        )
    if wanted == "cpu" or not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))


def _has_bf16(device: torch.device) -> bool:
    return torch.cuda.is_bf16_supported() if device.type == "cuda" else machine.has_bf16()


def _optimiser(network: Network, choices: Train) -> torch.optim.Optimizer:
    parameters = list(network.parameters())
    groups: list[dict[str, Any]] = [
        {"params": [parameter for parameter in parameters if parameter.ndim > 1]},
        {"params": [parameter for parameter in parameters if parameter.ndim <= 1], "weight_decay": 0.0},
    ]
    if choices.optimiser == "sgd":
        return torch.optim.SGD(
            groups,
            choices.lr,
            choices.momentum,
            weight_decay=choices.weight_decay,
            nesterov=choices.momentum > 0,
            fused=True,
        )
    return torch.optim.AdamW(groups, choices.lr, weight_decay=choices.weight_decay, fused=True)


def _towards(decay: float) -> Any:
    """How averaged weights follow, faster at first, when what they average is still random."""

    @torch.no_grad()
    def follow(averages: list[torch.Tensor], values: list[torch.Tensor], updates: torch.Tensor) -> None:
        kept = min(decay, (1 + int(updates)) / (10 + int(updates)))
        for average, value in zip(averages, values, strict=True):
            if average.is_floating_point():
                average.lerp_(value, 1 - kept)
            else:
                average.copy_(value)

    return follow
