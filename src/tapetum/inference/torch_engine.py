"""PyTorch: the reference that the other engines are held against."""

import numpy as np
import torch
from safetensors.torch import load_file

from tapetum.bundle import Bundle, Precision
from tapetum.errors import EngineError
from tapetum.image import Preprocess
from tapetum.inference.engine import Outputs, Wanted, require_input
from tapetum.models.network import Network
from tapetum.recipe import Model


class TorchEngine:
    """A network in evaluation mode; computing changes nothing in it, so threads may share it."""

    name = "torch"
    device = "cpu"
    precision: Precision = "fp32"

    def __init__(self, network: Network, spec: Preprocess) -> None:
        self._network = network.eval()
        self._spec = spec

    @torch.inference_mode()
    def infer(self, images: np.ndarray) -> Outputs:
        """uint8 (N, H, W, 3) -> Outputs."""
        require_input(images, self._spec)
        # A copy, since torch warns of arrays that it may not write to.
        answer = self._network(torch.from_numpy(images.copy()))
        return Outputs(answer.logits.numpy(), answer.features.numpy())


def open_engine(bundle: Bundle, precision: Wanted, streams: int) -> TorchEngine:
    """Build a bundle's architecture with its weights. Raises EngineError where they do not fit."""
    if precision == "bf16":
        raise EngineError("the torch engine is the fp32 reference: set the precision to auto or fp32")
    facts = bundle.facts
    made = {**facts.recipe.get("model", {}), "architecture": facts.architecture, "pretrained": False}
    network = Network(Model.model_validate(made), len(facts.labels), facts.preprocess)
    try:
        network.backbone.named.load_state_dict(load_file(bundle.weights))
    except RuntimeError as error:
        raise EngineError(f"{bundle.weights} does not fit {facts.architecture}: {error}") from error
    return TorchEngine(network, facts.preprocess)
