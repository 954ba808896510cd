"""One step of the optimiser, and one look at the validation part."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from tapetum.models.network import Network


def train_step(
    network: Network,
    images: np.ndarray,
    labels: np.ndarray,
    optimiser: torch.optim.Optimizer,
    smoothing: float,
    bf16: bool,
) -> tuple[float, int]:
    """Learn from uint8 (N, H, W, 3) and int64 (N,); the mean loss, and how many it had right."""
    truth = torch.from_numpy(labels)
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        logits = network(torch.from_numpy(images)).logits
    loss = functional.cross_entropy(logits.float(), truth, label_smoothing=smoothing)
    optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimiser.step()
    return loss.item(), int((logits.argmax(dim=1) == truth).sum())


@torch.inference_mode()
def infer(network: nn.Module, images: np.ndarray, bf16: bool) -> np.ndarray:
    """uint8 (N, H, W, 3) -> float32 logits (N, K)."""
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        logits: torch.Tensor = network(torch.from_numpy(images.copy())).logits
    return logits.float().numpy()
