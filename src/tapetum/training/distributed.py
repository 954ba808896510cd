"""One run on several processes, as torchrun starts them: each learns from its share of every batch.

The result is that of one process with the same batches: gradients are summed,
and batch norm takes its statistics over the whole batch. Only the first
process writes files and speaks.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import distributed, nn
from torch.distributed.nn import functional as gathered

T = TypeVar("T")


@dataclass(frozen=True)
class Group:
    """The processes of a run: this one is number `rank` of `size`."""

    rank: int = 0
    size: int = 1

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    def from_first(self, find: Callable[[], T]) -> T:
        """What the first process finds, at all processes."""
        if self.size == 1:
            return find()
        found: list[Any] = [find() if self.is_first else None]
        distributed.broadcast_object_list(found)
        answer: T = found[0]
        return answer

    def wait(self) -> None:
        """Until all processes are here."""
        if self.size > 1:
            distributed.barrier()

    def total(self, *values: float) -> list[float]:
        """Each value summed over all processes."""
        if self.size == 1:
            return list(values)
        sums = torch.tensor(values, dtype=torch.float64)
        distributed.all_reduce(sums)
        return [float(value) for value in sums]


ALONE = Group()


@contextmanager
def joined() -> Iterator[Group]:
    """The group that torchrun started, or this process alone."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield ALONE
        return
    distributed.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield Group(int(os.environ["RANK"]), size)
    finally:
        distributed.destroy_process_group()


def share_batch_norm(network: nn.Module) -> None:
    """Let every batch norm of a network take its statistics over the batches of all processes."""
    for parent in list(network.modules()):
        for name, child in parent.named_children():
            if type(child) is nn.BatchNorm2d:
                shared = _SharedBatchNorm(child.num_features, child.eps, child.momentum)
                shared.load_state_dict(child.state_dict())
                setattr(parent, name, shared)


class _SharedBatchNorm(nn.BatchNorm2d):
    """torch's own exists for CUDA alone; this one is for every device."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:  # noqa: A002, torch's own name
        """(n, C, h, w) -> the same shape."""
        if not self.training:
            return super().forward(input)
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.momentum is not None
        values = input.float()
        size = torch.tensor([values.numel() / values.shape[1]], device=values.device)
        own = torch.cat((values.sum((0, 2, 3)), values.square().sum((0, 2, 3)), size))
        whole: torch.Tensor = gathered.all_reduce(own)  # type: ignore[no-untyped-call]  # without types
        sums, squares, count = torch.tensor_split(whole, (self.num_features, 2 * self.num_features))
        mean = sums / count
        variance = (squares / count - mean.square()).clamp(min=0)
        with torch.no_grad():
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * count / (count - 1), self.momentum)
            if self.num_batches_tracked is not None:
                self.num_batches_tracked.add_(1)
        scale: torch.Tensor = self.weight * (variance + self.eps).rsqrt()
        changed: torch.Tensor = values * scale.view(1, -1, 1, 1) + (self.bias - mean * scale).view(1, -1, 1, 1)
        return changed.to(input.dtype)
