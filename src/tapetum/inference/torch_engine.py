"""PyTorch: the reference that the other engines are held against."""

import numpy as np
import torch
from safetensors.torch import load_file

from tapetum.bundle import Bundle, Precision
from tapetum.errors import EngineError
from tapetum.image import Preprocess
from tapetum.inference.engine import Device, Outputs, Wanted, require_input
from tapetum.models.network import Network
from tapetum.recipe import Model


class TorchEngine:
    """A network in evaluation mode; computing changes nothing in it, so threads may share it."""

    name = "torch"
    precision: Precision = "fp32"

    def __init__(self, network: Network, spec: Preprocess, device: str) -> None:
        self.device = device
        self._network = network.eval().to(device).to(memory_format=torch.channels_last)  # ResNet-50: a fifth less
        self._spec = spec

    @torch.inference_mode()
    def infer(self, images: np.ndarray) -> Outputs:
        """uint8 (N, H, W, 3) -> Outputs."""
        require_input(images, self._spec)
        # A copy, since torch warns of arrays that it may not write to.
        answer = self._network(torch.from_numpy(images.copy()).to(self.device))
        return Outputs(answer.logits.cpu().numpy(), answer.features.cpu().numpy())


def open_engine(bundle: Bundle, precision: Wanted, streams: int, device: Device) -> TorchEngine:
    """Build a bundle's architecture with its weights. Raises EngineError where they do not fit."""
    if precision in ("bf16", "int8"):
        raise EngineError("the torch engine is the fp32 reference: set the precision to auto or fp32")
    has_cuda = torch.cuda.is_available()
    if device == "cuda" and not has_cuda:
        raise EngineError("torch finds no CUDA device: check the driver, or set the device to auto or cpu")
    facts = bundle.facts
    if not has_cuda or device == "cpu":
        # A call computes where it is made, as in the other engines: workers side by side would fight for the cores.
        torch.set_num_threads(1)
    made = {**facts.recipe.get("model", {}), "architecture": facts.architecture, "pretrained": False}
    network = Network(Model.model_validate(made), len(facts.labels), facts.preprocess)
    try:
        network.backbone.named.load_state_dict(load_file(bundle.weights))
    except RuntimeError as error:
        raise EngineError(f"{bundle.weights} does not fit {facts.architecture}: {error}") from error
    return TorchEngine(network, facts.preprocess, "cuda" if has_cuda and device != "cpu" else "cpu")
