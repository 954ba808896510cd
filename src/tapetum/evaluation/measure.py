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
    return measure_in(bundle, manifest, part, engine, (precision,), advance)[precision]


def measure_in(
    bundle: Bundle,
    manifest: Manifest,
    part: Part,
    engine: str,
    precisions: Sequence[Precision],
    advance: Advance = silent,
) -> dict[Precision, Measured]:
    """The same in several precisions, with each picture decoded once, as for one answer."""
    labels = bundle.facts.labels
    strangers = sorted(set(manifest.labels) - set(labels))
    if strangers:
        raise DataError(f"{manifest.root} has the class {strangers[0]!r}: {bundle.path} knows {', '.join(labels)}")
    samples = manifest.part(part)
    predictors = [
        Predictor(bundle, open_engine(engine, bundle, precision, machine.cores())) for precision in precisions
    ]

    def answers(sample: Sample) -> list[np.ndarray]:
        pixels, _ = predictors[0].read(read(manifest.root, sample))
        results = [predictor.predict([pixels])[0] for predictor in predictors]
        # What was scanned and is unchanged can be decoded.
        return [result.logits for result in results if isinstance(result, Prediction)]

    logits = []
    with ThreadPoolExecutor(machine.cores()) as pool:
        for found in pool.map(answers, samples):
            logits.append(found)
            advance(f"evaluate {part} in {' and '.join(precisions)}", len(logits), len(samples))
    truth = np.array([labels.index(sample.label) for sample in samples])
    digests = [sample.digest for sample in samples]
    return {
        precision: Measured(digests, values, truth)
        for precision, values in zip(precisions, np.array(logits).swapaxes(0, 1), strict=True)
    }
