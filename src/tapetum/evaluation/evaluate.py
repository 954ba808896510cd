"""What a bundle is worth: measured on pictures it never saw, through the Predictor that serves."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from tapetum import bundle as bundles
from tapetum import files, machine
from tapetum.bundle import CARD, PREDICTIONS, Bundle, Precision
from tapetum.data.manifest import Manifest
from tapetum.data.sample import Part
from tapetum.data.scan import read
from tapetum.errors import BundleError, DataError
from tapetum.evaluation.card import card
from tapetum.inference import golden
from tapetum.inference.engine import open_engine
from tapetum.inference.predictor import Prediction, Predictor
from tapetum.progress import Advance, silent
from tapetum.scores import Scores, fit_temperature, score, softmax


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


def evaluate(draft: Bundle, manifest: Manifest, engine: str = "openvino", advance: Advance = silent) -> Bundle:
    """Calibrate on the validation part, score on the test part, and write both into the draft.

    Scores are taken in fp32, and in bf16 too where this processor has it and the
    golden pictures hold in it; nothing else is ever served. Raises DataError
    where the draft was made from other pictures or parts.
    """
    bundles.require_draft(draft)
    if manifest.fingerprint != draft.facts.fingerprint:
        raise DataError(
            f"{draft.path} was made from other pictures than the manifest of {manifest.root}: "
            "evaluate it with the manifest of its own training run"
        )
    val = measure(draft, manifest, "val", engine, "fp32", advance)
    temperature = fit_temperature(val.logits, val.truth)
    precisions: list[Precision] = ["fp32"]
    if engine == "openvino" and machine.has_bf16() and _holds(draft, "bf16"):
        precisions.append("bf16")
    scores: dict[Precision, Scores] = {}
    answers: dict[str, list[list[float]]] = {}
    for precision in precisions:
        test = measure(draft, manifest, "test", engine, precision, advance)
        probabilities = softmax(test.logits, temperature)
        scores[precision] = score(probabilities, test.truth, draft.facts.labels)
        answers[precision] = probabilities.round(6).tolist()
    predictions = {"pictures": test.digests, "truth": test.truth.tolist(), "probabilities": answers}
    files.write_text(draft.path / PREDICTIONS, json.dumps(predictions) + "\n")
    evaluated = bundles.amend(draft, temperature=temperature, scores=scores)
    files.write_text(draft.path / CARD, card(evaluated.facts, manifest))
    return evaluated


def _holds(draft: Bundle, precision: Precision) -> bool:
    try:
        golden.check(draft, open_engine("openvino", draft, precision))
    except BundleError:
        return False
    return True
