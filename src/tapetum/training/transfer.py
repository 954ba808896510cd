"""The first epoch of a run that begins with learned weights: a new last layer, and nothing else, is learned."""

from pathlib import Path
from time import perf_counter
from typing import NamedTuple

import torch
from torch import nn

from tapetum.data.manifest import Manifest
from tapetum.errors import ConfigError
from tapetum.models.network import Network
from tapetum.progress import Advance
from tapetum.recipe import Recipe
from tapetum.training.export import Graph, with_last_layer
from tapetum.training.features import Extractor
from tapetum.training.fit import EpochResult, figures_of
from tapetum.training.head import Loss, Seen, learn
from tapetum.training.learner import class_weights

_CHUNK = 4096


class Transferred(NamedTuple):
    """What the epoch brought, the strength of L2 that was chosen, and the network's graph where it has its layer."""

    result: EpochResult
    l2: float
    graph: Graph | None


def learn_last_layer(
    network: Network, recipe: Recipe, manifest: Manifest, folder: Path, advance: Advance
) -> Transferred:
    """Put into `network` the last layer that suits the pictures; what it sees of them is kept in `folder`.

    Raises ConfigError where the weights before it are random, or where it is not linear.
    """
    start = perf_counter()
    last = network.backbone.last
    if not isinstance(last, nn.Linear) or last.bias is None:
        raise ConfigError(
            f"train.linear_head is true, and {recipe.model.architecture} does not end in a linear layer with a bias: "
            "set it to false, or choose another architecture"
        )
    extractor = Extractor(network, recipe, folder)
    train, val = _seen(extractor, network, manifest, advance)
    loss = Loss(smoothing=recipe.train.label_smoothing)
    if recipe.train.class_weights:
        loss = loss._replace(weights=torch.tensor(class_weights(train.labels.numpy(), len(manifest.labels))).float())
    head = learn(train, val, len(manifest.labels), loss)
    with torch.no_grad():
        last.weight.copy_(head.weight)
        last.bias.copy_(head.bias)
        right = (head.logits(train.inputs).argmax(dim=1) == train.labels).float().mean()
        result = EpochResult(
            epoch=1,
            size=recipe.image.height,
            lr=0.0,
            train_loss=float(loss.of(head, train)),
            train_accuracy=float(right),
            seconds=perf_counter() - start,
            **figures_of(head.logits(val.inputs).numpy(), val.labels.numpy()),
        )
    return Transferred(result, head.l2, with_last_layer(extractor.graph(), network))


@torch.no_grad()
def _seen(extractor: Extractor, network: Network, manifest: Manifest, advance: Advance) -> tuple[Seen, Seen]:
    """What the last layer reads of the training and of the validation part."""
    train, val = manifest.part("train"), manifest.part("val")
    features = torch.from_numpy(extractor.features(manifest, [*train, *val], advance))
    inputs = torch.cat([network.backbone.before_last(chunk) for chunk in torch.split(features, _CHUNK)])
    labels = torch.tensor([manifest.labels.index(sample.label) for sample in [*train, *val]])
    return Seen(inputs[: len(train)], labels[: len(train)]), Seen(inputs[len(train) :], labels[len(train) :])
