"""One step of the optimiser, and one look at pictures without learning."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional


def loss_of(logits: torch.Tensor, truth: torch.Tensor, weights: torch.Tensor | None, smoothing: float) -> torch.Tensor:
    """The summed cross-entropy of logits (n, K) and classes (n,), each picture weighed by its class."""
    losses = functional.cross_entropy(logits, truth, reduction="none", label_smoothing=smoothing)
    return (losses if weights is None else losses * weights[truth]).sum()


@torch.inference_mode()
def infer(network: nn.Module, images: np.ndarray, bf16: bool) -> np.ndarray:
    """uint8 (N, H, W, 3) -> float32 logits (N, K), on the device of the network."""
    device = next(network.parameters()).device
    with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
        logits: torch.Tensor = network(torch.from_numpy(images.copy()).to(device)).logits
    return logits.float().cpu().numpy()
