"""What a bundle answers to the pictures of a part, through the Predictor that serves."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from tapetum import machine
from tapetum.bundle import Bundle, Precision
from tapetum.data.manifest import Manifest
from tapetum.data.sample import Part, Sample
from tapetum.data.scan import read
from tapetum.errors import DataError
from tapetum.inference.engine import Engine, Outputs, open_engine
from tapetum.inference.predictor import Prediction, Predictor
from tapetum.profile.axes import Axes
from tapetum.progress import Advance, silent

_BATCH = 4  # as features are computed: 300 pictures/s of EfficientNet-Lite0 in fp32 and 580 in bf16, not 240 and 440


@dataclass(frozen=True)
class Measured:
    """Answers to one part: `logits` (N, K), `features` (N, C), `truth` (N,), and the pictures' SHA-256.

    `sights` are rows (N, 9 + d) of how a profile sees the pictures, (N, 0) where no axes were given.
    """

    digests: list[str]
    logits: np.ndarray
    truth: np.ndarray
    features: np.ndarray
    sights: np.ndarray


def measure(
    bundle: Bundle,
    manifest: Manifest,
    part: Part,
    engine: str,
    precision: Precision,
    advance: Advance = silent,
) -> Measured:
    """Answer every picture of a part. Raises DataError where labels or pictures do not fit the bundle."""
    opened = open_engine(engine, bundle, precision, machine.cores())
    return measure_on(bundle, manifest, part, [opened], advance)[precision]


def measure_on(
    bundle: Bundle,
    manifest: Manifest,
    part: Part,
    engines: Sequence[Engine],
    advance: Advance = silent,
    axes: Axes | None = None,
) -> dict[Precision, Measured]:
    """The same on engines of several precisions, each for as many calls at a time as there are cores.

    Each picture is decoded once. With `axes` the last engine's answers have sights.
    """
    labels = bundle.facts.labels
    strangers = sorted(set(manifest.labels) - set(labels))
    if strangers:
        raise DataError(f"{manifest.root} has the class {strangers[0]!r}: {bundle.path} knows {', '.join(labels)}")
    samples = manifest.part(part)
    predictors = [*(Predictor(bundle, engine) for engine in engines[:-1]), Predictor(bundle, engines[-1], axes=axes)]
    precisions = [engine.precision for engine in engines]

    def answers(batch: Sequence[Sample]) -> list[list[Prediction]]:
        """Of each predictor, to each picture."""
        seen = [predictors[0].read(read(manifest.root, sample)) for sample in batch]
        # What was scanned and is unchanged can be decoded.
        return [[one for one in found.predict(seen) if isinstance(one, Prediction)] for found in predictors]

    answered: list[list[Prediction]] = [[] for _ in predictors]
    batches = [samples[start : start + _BATCH] for start in range(0, len(samples), _BATCH)]
    # Two threads a core, so that one decodes while another waits for its turn in an engine: 155 pictures/s, not 120.
    with ThreadPoolExecutor(2 * machine.cores()) as pool:
        for found in pool.map(answers, batches):
            for kept, results in zip(answered, found, strict=True):
                kept += results
            advance(f"evaluate {part} in {' and '.join(precisions)}", len(answered[0]), len(samples))
    truth = np.array([labels.index(sample.label) for sample in samples])
    digests = [sample.digest for sample in samples]
    return {
        precision: Measured(
            digests,
            np.stack([_outputs(result).logits for result in results]),
            truth,
            np.stack([_outputs(result).features for result in results]),
            np.stack([np.zeros(0) if result.sight is None else result.sight.row for result in results]),
        )
        for precision, results in zip(precisions, answered, strict=True)
    }


def _outputs(prediction: Prediction) -> Outputs:
    assert prediction.outputs is not None, "it was computed in this process"
    return prediction.outputs
