"""What a bundle answers to the pictures of a part, through the Predictor that serves."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from tapetum import machine
from tapetum.bundle import Bundle, Precision
from tapetum.data.manifest import Manifest
from tapetum.data.sample import Part
from tapetum.data.scan import read
from tapetum.errors import DataError
from tapetum.inference.engine import open_engine
from tapetum.inference.predictor import Prediction, Predictor
from tapetum.profile.axes import Axes
from tapetum.progress import Advance, silent


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
    axes: Axes | None = None,
) -> Measured:
    """Answer every picture of a part. Raises DataError where labels or pictures do not fit the bundle."""
    labels = bundle.facts.labels
    strangers = sorted(set(manifest.labels) - set(labels))
    if strangers:
        raise DataError(f"{manifest.root} has the class {strangers[0]!r}: {bundle.path} knows {', '.join(labels)}")
    samples = manifest.part(part)
    predictor = Predictor(bundle, open_engine(engine, bundle, precision, machine.cores()), axes=axes)
    logits, features, sights = [], [], []
    with ThreadPoolExecutor(machine.cores()) as pool:
        for result in pool.map(lambda sample: predictor.predict([read(manifest.root, sample)])[0], samples):
            assert isinstance(result, Prediction), result  # what was scanned and is unchanged can be decoded
            logits.append(result.logits)
            features.append(result.features)
            sights.append(np.zeros(0) if result.sight is None else result.sight.to_row())
            advance(f"evaluate {part} in {precision}", len(logits), len(samples))
    truth = np.array([labels.index(sample.label) for sample in samples])
    digests = [sample.digest for sample in samples]
    return Measured(digests, np.stack(logits), truth, np.stack(features), np.stack(sights))
