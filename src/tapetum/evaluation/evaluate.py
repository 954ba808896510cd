"""What a bundle is worth: measured on pictures it never saw, through the Predictor that serves."""

import json
from functools import partial

import numpy as np

from tapetum import bundle as bundles
from tapetum import files, machine
from tapetum.bundle import CARD, PREDICTIONS, REPORT, Bundle, Precision
from tapetum.data.manifest import Manifest
from tapetum.errors import BundleError, DataError
from tapetum.evaluation import history
from tapetum.evaluation.card import card
from tapetum.evaluation.gate import decide, held_to
from tapetum.evaluation.measure import measure, measure_in
from tapetum.evaluation.page import page, regated
from tapetum.inference import golden
from tapetum.inference.engine import open_engine
from tapetum.inference.explain import explain
from tapetum.inference.predictor import Predictor
from tapetum.profile import axes, reference
from tapetum.progress import Advance, silent
from tapetum.quantised import compare
from tapetum.recipe import Gate
from tapetum.scores import Scores, fit_temperature, score, softmax

_COMPARED: tuple[Precision, ...] = ("fp32", "int8")


def evaluate(draft: Bundle, manifest: Manifest, engine: str = "openvino", advance: Advance = silent) -> Bundle:
    """Calibrate on the validation part, score on the test part, and write both into the draft.

    Scores are taken in fp32, in bf16 too where this processor has it and the
    golden pictures hold in it, and in int8 where the draft has a graph for it,
    with how far that agrees with fp32; nothing else is ever served. The reference
    profile is that of the validation part, on axes of the test part; there is
    none where they have fewer than 100 pictures and 50. The report shows all
    else with plots and pictures. Raises DataError where the draft was
    made from other pictures or parts, BundleError where its history is damaged.
    """
    bundles.require_draft(draft)
    if manifest.fingerprint != draft.facts.fingerprint:
        raise DataError(
            f"{draft.path} was made from other pictures than the manifest of {manifest.root}: "
            "evaluate it with the manifest of its own training run"
        )
    epochs = history.load(draft)
    val = measure(draft, manifest, "val", engine, "fp32", advance)
    temperature = fit_temperature(val.logits, val.truth)
    precisions: list[Precision] = ["fp32"]
    if engine == "openvino" and machine.has_bf16() and _holds(draft, "bf16"):
        precisions.append("bf16")
    quantised = draft.facts.quantised
    if engine != "torch" and quantised is not None:
        precisions.append("int8")
    scores: dict[Precision, Scores] = {}
    measured = measure_in(draft, manifest, "test", engine, precisions, advance)
    answers: dict[str, list[list[float]]] = {}
    for precision, test in measured.items():
        probabilities = softmax(test.logits, temperature)
        scores[precision] = score(probabilities, test.truth, draft.facts.labels)
        answers[precision] = probabilities.round(6).tolist()
    predictions = {
        "pictures": measured["fp32"].digests,
        "truth": measured["fp32"].truth.tolist(),
        "probabilities": answers,
    }
    files.write_text(draft.path / PREDICTIONS, json.dumps(predictions) + "\n")
    if "int8" in measured and quantised is not None:
        before, after = (softmax(measured[name].logits, temperature) for name in _COMPARED)
        agreement = compare(before, after, test.truth, draft.facts.labels)
        quantised = quantised.model_copy(update={"agreement": agreement})
    evaluated = bundles.amend(draft, temperature=temperature, scores=scores, quantised=quantised)
    # In the precision that is served here, since rounding moves what a model sees as well.
    _write_reference(evaluated, manifest, engine, precision, test.features, advance)
    files.write_text(draft.path / CARD, card(evaluated.facts, manifest))
    environment = {"engine": engine} | machine.description()
    why = partial(explain, Predictor(evaluated, open_engine(engine, evaluated, "fp32")))
    report = page(evaluated.facts, manifest, measured["fp32"], decide(evaluated), epochs, environment, why)
    files.write_text(draft.path / REPORT, report)
    return evaluated


def regate(evaluated: Bundle, rules: Gate) -> Bundle:
    """Give an evaluated draft another gate: its facts and its report say so. Raises BundleError."""
    changed = held_to(evaluated, rules)
    if changed == evaluated:
        return evaluated
    before, after = ((bundle.facts, decide(bundle)) for bundle in (evaluated, changed))
    report = regated((evaluated.path / REPORT).read_text(encoding="utf-8"), before, after)
    files.write_text(evaluated.path / REPORT, report)
    return bundles.amend(evaluated, recipe=changed.facts.recipe)


def _write_reference(
    draft: Bundle, manifest: Manifest, engine: str, precision: Precision, features: np.ndarray, advance: Advance
) -> None:
    """The profile that the service compares with, where there are pictures enough; `features` (N, C) of test."""
    if len(features) < axes.LEAST or len(manifest.part("val")) < reference.LEAST:
        (draft.path / reference.REFERENCE).unlink(missing_ok=True)  # of a bundle that this draft may be a copy of
        return
    on = axes.fit(features)
    val = measure(draft, manifest, "val", engine, precision, advance, on)
    probabilities = softmax(val.logits, draft.facts.temperature)
    profile = reference.make(on, val.sights, probabilities, val.truth)
    files.write_bytes(draft.path / reference.REFERENCE, reference.to_bytes(profile))


def _holds(draft: Bundle, precision: Precision) -> bool:
    try:
        golden.check(draft, open_engine("openvino", draft, precision))
    except BundleError:
        return False
    return True
