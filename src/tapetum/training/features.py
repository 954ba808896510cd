"""What a model that stands still sees in pictures: pooled features, computed once by the fast engine and kept."""

import hashlib
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch

from tapetum import __version__, bundle, files, image, machine
from tapetum.bundle import GRAPH, Facts, Precision
from tapetum.data import cache
from tapetum.data.feature_store import FeatureStore
from tapetum.data.manifest import Manifest
from tapetum.data.sample import Sample
from tapetum.errors import ConfigError
from tapetum.inference.engine import Engine, open_engine
from tapetum.models.network import Network
from tapetum.progress import Advance, silent
from tapetum.recipe import Recipe
from tapetum.training.export import Graph, read_graph, to_graph

_BATCH = 4  # 610 pictures/s of 224 by 224 pixels; batches of 8 leave the processor's caches, and it is 550
_CHUNK = 512  # pictures between two writes, which is what a run that ends early loses


def of_recipe(
    recipe: Recipe, manifest: Manifest, samples: Sequence[Sample], folder: Path, advance: Advance = silent
) -> np.ndarray:
    """Float32 (n, C): what the model that a recipe names sees in samples of a manifest, in their order.

    `folder` is that of caches. Raises ConfigError where the recipe does not
    begin with learned weights, DataError where a picture has changed,
    ResourceError where the disk is too full.
    """
    network = Network(recipe.model, len(manifest.labels), recipe.image)
    return Extractor(network, recipe, folder).features(manifest, samples, advance)


class Extractor:
    """A network of which only the last layer may change, and the features that are kept of it."""

    def __init__(self, network: Network, recipe: Recipe, folder: Path) -> None:
        """Raises ConfigError where the network is made of random weights."""
        if not recipe.model.pretrained:
            raise ConfigError(
                f"model.pretrained is false, and what {recipe.model.architecture} sees before it has learned means "
                "nothing: set model.pretrained=true, and model.architecture=efficientnet_lite0 or another with weights"
            )
        self._network = network.eval()
        self._recipe = recipe
        self._folder = folder
        self._precision: Precision = "bf16" if machine.has_bf16() else "fp32"
        with torch.inference_mode():
            blank = torch.zeros(1, recipe.image.height, recipe.image.width, 3, dtype=torch.uint8)
            logits, features = self._network(blank)
        self._n_classes, self._width = logits.shape[1], features.shape[1]

    def features(self, manifest: Manifest, samples: Sequence[Sample], advance: Advance = silent) -> np.ndarray:
        """Float32 (n, C) of samples of a manifest, in their order; what is kept already is not computed again."""
        store = FeatureStore(self._folder / f"features-{self._version()}.bin", self._width)
        digests = [sample.digest for sample in samples]
        lacking = store.lacking(digests)
        if lacking:
            store.require_space(len(lacking))
            rows = [row for row, sample in enumerate(manifest.samples) if sample.digest in lacking]
            with tempfile.TemporaryDirectory() as place, ThreadPoolExecutor(2 * machine.cores()) as pool:
                engine = self._engine(Path(place))
                pixels = self._pixels(manifest)
                for start in range(0, len(rows), _CHUNK):
                    chunk = rows[start : start + _CHUNK]
                    batches = [chunk[first : first + _BATCH] for first in range(0, len(chunk), _BATCH)]
                    found = list(pool.map(lambda batch: engine.infer(pixels(batch)).features, batches))
                    store.add([manifest.samples[row].digest for row in chunk], np.concatenate(found))
                    advance("compute features", start + len(chunk), len(rows))
        return store.read(digests)

    def _pixels(self, manifest: Manifest) -> Callable[[list[int]], np.ndarray]:
        """From rows of a manifest to uint8 (n, H, W, 3): as they are cached, or else decoded, and not kept."""
        # Keeping what is looked at once gains nothing, and takes several times the room of the pictures' files.
        spec = self._recipe.image
        cached = cache.find(manifest, spec, self._folder)
        if cached is not None:
            return cached.__getitem__
        return lambda rows: np.stack([cache.decoded(manifest.root, manifest.samples[row], spec) for row in rows])

    def graph(self) -> Graph:
        """That of the network with some last layer; kept too, since making it takes longer than learning that layer."""
        spec = self._recipe.image
        path = self._folder / f"graph-{self._version()}-{self._n_classes}-torch-{torch.__version__}.onnx"
        if path.exists():
            return read_graph(path.read_bytes(), self._network)
        bias = getattr(self._network.backbone.last, "bias", None)
        if bias is not None:
            # The zeros that it begins with would be left out, and what it learns would have no place in the graph.
            torch.nn.init.ones_(bias)
        graph = to_graph(self._network, (spec.height, spec.width))
        files.write_bytes(path, graph.content)
        return graph

    def _engine(self, place: Path) -> Engine:
        """The network in the engine that answers fastest here, on as many threads as there are cores."""
        spec, graph = self._recipe.image, self.graph()
        facts = Facts(
            name=self._recipe.name,
            title=self._recipe.title,
            version=self._version(),
            labels=(),
            preprocess=spec,
            architecture=self._recipe.model.architecture,
            feature_map=graph.feature_map,
            fingerprint=None,
            recipe={},
            code_version=__version__,
        )
        draft = bundle.write_draft(place / "draft", facts, {GRAPH: graph.content})
        return open_engine("openvino", draft, self._precision, machine.cores())

    def _version(self) -> str:
        """What features depend on besides the picture: pixels, weights but for those of the last layer, arithmetic."""
        backbone = self._network.backbone
        head = set(map(id, backbone.last.parameters()))
        digest = hashlib.sha256("\n".join((self._recipe.image.model_dump_json(), image.decoder_version())).encode())
        digest.update(f"{self._recipe.model.architecture} {self._recipe.model.stem} {self._precision}".encode())
        for value in backbone.state_dict(keep_vars=True).values():
            if id(value) not in head:
                digest.update(value.detach().contiguous().numpy().tobytes())
        return digest.hexdigest()[:16]
