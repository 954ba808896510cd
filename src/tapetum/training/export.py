"""From a network to a draft bundle."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import torch
from safetensors.torch import save

from tapetum import __version__, bundle, image
from tapetum.bundle import GRAPH, WEIGHTS, Bundle, Facts, Golden, Imported
from tapetum.data import examples
from tapetum.data.manifest import Manifest
from tapetum.errors import TrainingError
from tapetum.inference.engine import open_engine
from tapetum.models.network import Network
from tapetum.recipe import Recipe
from tapetum.scores import softmax
from tapetum.training import writing
from tapetum.training.step import infer

PARITY_BOUND = 1e-4
_KNOWN_OF_IMPORTED = {"name", "title", "image", "model", "gate"}


class Graph(NamedTuple):
    """ONNX bytes, and the name of the tensor that global average pooling reads, if any."""

    content: bytes
    feature_map: str | None


def export(network: Network, recipe: Recipe, manifest: Manifest, path: Path, graph: Graph | None = None) -> Bundle:
    """Write what was trained as the draft at `path`, in place of a bundle that is there.

    A `graph` that was made of the network spares making one. Raises
    TrainingError where the exported graph and torch disagree on a probability
    of the golden pictures by more than 1e-4 in fp32.
    """
    origin = {"fingerprint": manifest.fingerprint, "recipe": recipe.model_dump(mode="json")}
    return _write(network, recipe, manifest.labels, examples.chosen(manifest), path, origin, graph)


def export_imported(
    network: Network,
    recipe: Recipe,
    labels: tuple[str, ...],
    imported: Imported,
    manifest: Manifest | None,
    path: Path,
) -> Bundle:
    """The same of weights that others made; without a manifest, generated pictures become the golden ones."""
    origin = {
        "fingerprint": manifest.fingerprint if manifest else None,
        "imported": imported,
        # How it was trained is not known, and the recipe's defaults are not how.
        "recipe": recipe.model_dump(mode="json", include=_KNOWN_OF_IMPORTED),
    }
    pictures = examples.chosen(manifest) if manifest else examples.generated()
    return _write(network, recipe, labels, pictures, path, origin)


def _write(
    network: Network,
    recipe: Recipe,
    labels: tuple[str, ...],
    pictures: Mapping[str, bytes],
    path: Path,
    origin: Mapping[str, Any],
    graph: Graph | None = None,
) -> Bundle:
    network.eval().to(memory_format=torch.contiguous_format)
    weights = save({name: value.contiguous() for name, value in network.backbone.named.state_dict().items()})
    arrays = np.stack([image.read(content, recipe.image)[0] for content in pictures.values()])
    probabilities = softmax(infer(network, arrays, bf16=False)).astype(np.float32)
    golden = Golden(dict(pictures), arrays, probabilities)
    graph = graph or to_graph(network, arrays.shape[1:3])
    facts = Facts(
        name=recipe.name,
        title=recipe.title,
        version=hashlib.sha256(weights).hexdigest()[:12],
        labels=labels,
        preprocess=recipe.image,
        architecture=recipe.model.architecture,
        feature_map=graph.feature_map,
        code_version=__version__,
        **origin,
    )
    draft = bundle.write_draft(path, facts, {GRAPH: graph.content, WEIGHTS: weights, **golden.to_files()})
    exported = softmax(open_engine("openvino", draft, "fp32").infer(golden.arrays).logits)
    parity = float(np.abs(exported - golden.probabilities).max())
    if not parity <= PARITY_BOUND:
        raise TrainingError(
            f"the exported graph answers otherwise than torch: a probability is off by {parity:.2g}, "
            f"the bound is {PARITY_BOUND:g}; the draft {path} must not be used"
        )
    return bundle.amend(draft, parity=parity)


def to_graph(network: Network, size: tuple[int, ...]) -> Graph:
    """The graph of a network that does not learn, for pictures of height and width `size`."""
    written = writing.write(network, size)
    if written is not None:
        return read_graph(written.SerializeToString(), network)
    example = torch.zeros(2, *size, 3, dtype=torch.uint8)
    program = torch.onnx.export(
        network,
        (example,),
        input_names=["images"],
        output_names=["logits", "features"],
        dynamic_shapes=({0: torch.export.Dim("N")},),
        verbose=False,
    )
    assert program is not None
    return read_graph(program.model_proto.SerializeToString(), network)


def read_graph(content: bytes, network: Network) -> Graph:
    """ONNX bytes that `to_graph` made of such a network, as it gave them."""
    if not network.backbone.has_feature_map:
        return Graph(content, None)
    pooling = next(node for node in onnx.load_from_string(content).graph.node if "features" in node.output)
    return Graph(content, pooling.input[0])


def with_last_layer(graph: Graph, network: Network) -> Graph | None:
    """A graph of a network whose last layer has learned since; None where the graph does not hold that by name."""
    model = onnx.load_from_string(graph.content)
    held = {tensor.name: tensor for tensor in model.graph.initializer}
    last = set(map(id, network.backbone.last.parameters()))
    for name, value in network.named_parameters():
        if id(value) in last:
            if name not in held or tuple(held[name].dims) != value.shape:
                return None
            held[name].CopyFrom(onnx.numpy_helper.from_array(value.detach().numpy(), name))
    return Graph(model.SerializeToString(), graph.feature_map)
