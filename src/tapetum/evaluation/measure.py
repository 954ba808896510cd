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
from tapetum.progress import Advance, silent


@dataclass(frozen=True)
class Measured:
    """Answers to one part: `logits` (N, K), `truth` (N,), and the pictures' SHA-256."""

    digests: list[str]
    logits: np.ndarray
    truth: np.ndarray


def measure(
    bundle: Bundle, manifest: Manifest, part: Part, engine: str, precision: Precision, advance: Advance = silent
) -> Measured:
    """Answer every picture of a part. Raises DataError where labels or pictures do not fit the bundle."""
    labels = bundle.facts.labels
    strangers = sorted(set(manifest.labels) - set(labels))
    if strangers:
        raise DataError(f"{manifest.root} has the class {strangers[0]!r}: {bundle.path} knows {', '.join(labels)}")
    samples = manifest.part(part)
    predictor = Predictor(bundle, open_engine(engine, bundle, precision, machine.cores()))
    logits = []
    with ThreadPoolExecutor(machine.cores()) as pool:
        for result in pool.map(lambda sample: predictor.predict([read(manifest.root, sample)])[0], samples):
            assert isinstance(result, Prediction), result  # what was scanned and is unchanged can be decoded
            logits.append(result.logits)
            advance(f"evaluate {part} in {precision}", len(logits), len(samples))
    truth = np.array([labels.index(sample.label) for sample in samples])
    return Measured([sample.digest for sample in samples], np.stack(logits), truth)
