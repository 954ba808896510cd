"""The model that every peer serves: as its users write it, or with Tapetum's decoder and engine."""

import io
import os
from collections.abc import Callable
from pathlib import Path

from tapetum import bundle as bundles

# What compare.py tells a server that it starts.
WAY = os.environ["PEER_WAY"]
BUNDLE = Path(os.environ["PEER_BUNDLE"])
PORT = int(os.environ["PEER_PORT"])
CORES = int(os.environ["PEER_CORES"])

Answer = dict[str, str | float]
Classify = Callable[[bytes], Answer]


def open_model() -> Classify:
    """From the bytes of a picture to its class."""
    return usual() if WAY == "usual" else ours()


def usual() -> Classify:
    """PyTorch, Pillow and torchvision, as tutorials have it."""
    import torch
    from PIL import Image
    from safetensors.torch import load_file
    from torchvision import transforms

    from tapetum.models.catalog import build
    from tapetum.recipe import Model

    bundle = bundles.load_sealed(BUNDLE)
    facts, spec = bundle.facts, bundle.facts.preprocess
    choices = {**facts.recipe.get("model", {}), "architecture": facts.architecture, "pretrained": False}
    network = build(Model.model_validate(choices), len(facts.labels), spec).eval()
    network.named.load_state_dict(load_file(bundle.weights))
    transform = transforms.Compose(
        [
            transforms.Resize((spec.height, spec.width)),
            transforms.ToTensor(),
            transforms.Normalize(spec.mean, spec.std),
        ]
    )

    def classify(content: bytes) -> Answer:
        picture = Image.open(io.BytesIO(content)).convert("RGB")
        with torch.no_grad():
            images = transform(picture).unsqueeze(0)
            logits = network.forward_head(network.pool(network.forward_features(images)))
            shares = torch.softmax(logits / facts.temperature, dim=1)[0]
        best = int(shares.argmax())
        return {"prediction": facts.labels[best], "probability": float(shares[best])}

    return classify


def ours() -> Classify:
    """The path of Tapetum's own workers."""
    from tapetum.containers import DEFAULT_MAX_PIXELS
    from tapetum.inference.worker import Plan, open_predictor

    predictor, _ = open_predictor(Plan(BUNDLE, "openvino", "auto", DEFAULT_MAX_PIXELS))

    def classify(content: bytes) -> Answer:
        result = predictor.predict([content])[0]
        if isinstance(result, Exception):
            raise result
        return {"prediction": result.label, "probability": result.confidence}

    return classify
