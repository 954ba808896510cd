"""From a trained network to a draft bundle."""

import hashlib
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save

from tapetum import __version__, bundle, image
from tapetum.bundle import GRAPH, WEIGHTS, Bundle, Facts, Golden
from tapetum.data.manifest import Manifest
from tapetum.data.sample import Sample
from tapetum.errors import TrainingError
from tapetum.image import Preprocess
from tapetum.inference.engine import open_engine
from tapetum.models.network import Network
from tapetum.recipe import Recipe
from tapetum.scores import softmax
from tapetum.training.step import infer

GOLDEN_PICTURES = 16
PARITY_BOUND = 1e-4


def export(network: Network, recipe: Recipe, manifest: Manifest, path: Path) -> Bundle:
    """Write the draft at `path`, in place of a bundle that is there.

    Raises TrainingError where the exported graph and torch disagree on a
    probability of the golden pictures by more than 1e-4 in fp32.
    """
    network.eval().to(memory_format=torch.contiguous_format)
    weights = save({name: value.contiguous() for name, value in network.backbone.state_dict().items()})
    golden = _golden(network, recipe.image, manifest)
    graph, feature_map = _graph(network, recipe.image)
    facts = Facts(
        name=recipe.name,
        title=recipe.title,
        version=hashlib.sha256(weights).hexdigest()[:12],
        labels=manifest.labels,
        preprocess=recipe.image,
        architecture=recipe.model.architecture,
        feature_map=feature_map,
        fingerprint=manifest.fingerprint,
        recipe=recipe.model_dump(mode="json"),
        code_version=__version__,
    )
    draft = bundle.write_draft(path, facts, {GRAPH: graph, WEIGHTS: weights, **golden.to_files()})
    exported = softmax(open_engine("openvino", draft, "fp32").infer(golden.arrays).logits)
    parity = float(np.abs(exported - golden.probabilities).max())
    if not parity <= PARITY_BOUND:
        raise TrainingError(
            f"the exported graph answers otherwise than torch: a probability is off by {parity:.2g}, "
            f"the bound is {PARITY_BOUND:g}; the draft {path} must not be used"
        )
    return bundle.amend(draft, parity=parity)


def _graph(network: Network, spec: Preprocess) -> tuple[bytes, str]:
    """ONNX bytes, and the name of the tensor that global average pooling reads."""
    example = torch.zeros(2, spec.height, spec.width, 3, dtype=torch.uint8)
    program = torch.onnx.export(
        network,
        (example,),
        input_names=["images"],
        output_names=["logits", "features"],
        dynamic_shapes=({0: torch.export.Dim("N")},),
        verbose=False,
    )
    assert program is not None
    pooling = next(node for node in program.model_proto.graph.node if "features" in node.output)
    return program.model_proto.SerializeToString(), pooling.input[0]


def _golden(network: Network, spec: Preprocess, manifest: Manifest) -> Golden:
    chosen = _across_classes(manifest.part("val"), manifest.labels)
    pictures = {
        f"{number:02}-{sample.label}{Path(sample.path).suffix.lower()}": (manifest.root / sample.path).read_bytes()
        for number, sample in enumerate(chosen)
    }
    arrays = np.stack([image.to_array(image.decode(content), spec) for content in pictures.values()])
    return Golden(pictures, arrays, softmax(infer(network, arrays, bf16=False)).astype(np.float32))


def _across_classes(samples: list[Sample], labels: tuple[str, ...]) -> list[Sample]:
    """A few samples, class by class in turn, the same ones whatever else the folder holds."""
    rank = dict.fromkeys(labels, 0)
    turns = []
    for sample in sorted(samples, key=lambda sample: sample.digest):
        turns.append((rank[sample.label], sample.label, sample))
        rank[sample.label] += 1
    return [sample for _, _, sample in sorted(turns, key=lambda turn: turn[:2])[:GOLDEN_PICTURES]]
