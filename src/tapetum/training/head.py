"""A linear layer learned as a whole: multinomial logistic regression with L2, as strong as is best."""

import itertools
import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch

from tapetum.training.lbfgs import lowest
from tapetum.training.step import loss_of

# Of the mean loss, from the strongest on: each begins where the one before it ended.
STRENGTHS = tuple(10 ** (1 - half / 2) for half in range(13))
_PATIENCE = 2  # strengths in a row that bring nothing, after which weaker ones are not tried
_FEW = 60  # validation pictures, below which they alone say too little
_FOLDS = 5
# Numbers of inputs, below which a second thread costs more than it brings, and many times that on a busy machine.
_FOR_ONE_THREAD = 10_000_000


class Seen(NamedTuple):
    """`inputs` float32 (n, D) of a linear layer, and what it shall say of them, `labels` int64 (n,)."""

    inputs: torch.Tensor
    labels: torch.Tensor

    def at(self, rows: torch.Tensor) -> "Seen":
        """Some of them."""
        return Seen(self.inputs[rows], self.labels[rows])


class Head(NamedTuple):
    """A linear layer, `weight` (K, D) and `bias` (K,), and the strength of the L2 that it was learned with."""

    weight: torch.Tensor
    bias: torch.Tensor
    l2: float

    def logits(self, inputs: torch.Tensor) -> torch.Tensor:
        """(n, D) -> (n, K)."""
        return inputs @ self.weight.T + self.bias


class Loss(NamedTuple):
    """Cross-entropy as a recipe wants it; `weights` of classes are (K,)."""

    weights: torch.Tensor | None = None
    smoothing: float = 0.0

    def of(self, head: Head, seen: Seen) -> torch.Tensor:
        """Its mean."""
        return loss_of(head.logits(seen.inputs), seen.labels, self.weights, self.smoothing) / len(seen.labels)


def learn(train: Seen, val: Seen, n_classes: int, loss: Loss) -> Head:
    """The head that `train` teaches with the strength that suits `val` best.

    Where `val` has few pictures, it does not decide alone: of both parts
    together each fifth is judged by what the other four teach.
    """
    threads = torch.get_num_threads()
    if train.inputs.numel() < _FOR_ONE_THREAD:
        torch.set_num_threads(1)
    try:
        return _learn(train, val, n_classes, loss)
    finally:
        torch.set_num_threads(threads)


def _learn(train: Seen, val: Seen, n_classes: int, loss: Loss) -> Head:
    mean = train.inputs.mean(dim=0)
    scale = (train.inputs - mean).square().mean().sqrt()
    train, val = (Seen((part.inputs - mean) / scale, part.labels) for part in (train, val))
    if len(val.labels) < _FEW:
        losses = _by_folds(Seen(*map(torch.cat, zip(train, val, strict=True))), n_classes, loss)
        chosen = int(np.argmin(losses))
        weight, bias, l2 = next(itertools.islice(_path(train, n_classes, loss), chosen, None))
    else:
        weight, bias, l2 = _best(_path(train, n_classes, loss), val, loss)
    return Head(weight / scale, bias - weight @ mean / scale, l2)


def _best(path: Iterator[Head], val: Seen, loss: Loss) -> Head:
    """The head with the lowest loss on `val`, which along the path falls and then rises."""
    best, least, waited = next(path), math.inf, 0
    for head in itertools.chain([best], path):
        found = float(loss.of(head, val))
        best, least, waited = (head, found, 0) if found < least else (best, least, waited + 1)
        if waited == _PATIENCE:
            break
    return best


def _by_folds(seen: Seen, n_classes: int, loss: Loss) -> list[float]:
    """The summed loss of each strength; a class is spread over the folds as evenly as can be."""
    order = torch.argsort(seen.labels, stable=True)
    fold = torch.empty_like(order)
    fold[order] = torch.arange(len(order)) % _FOLDS
    losses = [0.0] * len(STRENGTHS)
    for number in range(min(_FOLDS, len(order))):
        judged, taught = seen.at(fold == number), seen.at(fold != number)
        for place, head in enumerate(_path(taught, n_classes, loss)):
            losses[place] += float(loss.of(head, judged)) * len(judged.labels)
    return losses


def _path(seen: Seen, n_classes: int, loss: Loss) -> Iterator[Head]:
    """A head for each strength."""
    point = torch.zeros(n_classes * (seen.inputs.shape[1] + 1))
    for l2 in STRENGTHS:

        def penalised(point: torch.Tensor, l2: float = l2) -> tuple[float, torch.Tensor]:
            point = point.detach().requires_grad_()
            head = _unfolded(point, n_classes, l2)
            total = loss.of(head, seen) + l2 / 2 * head.weight.square().sum()
            (slope,) = torch.autograd.grad(total, point)
            return float(total.detach()), slope

        point = lowest(penalised, point)
        yield _unfolded(point, n_classes, l2)


def _unfolded(point: torch.Tensor, n_classes: int, l2: float) -> Head:
    """The head that stands in a row of numbers, biases last."""
    return Head(point[:-n_classes].view(n_classes, -1), point[-n_classes:], l2)
