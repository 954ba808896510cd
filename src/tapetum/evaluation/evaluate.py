"""What a bundle is worth: measured on pictures it never saw, through the Predictor that serves."""

import json
from concurrent.futures import ThreadPoolExecutor
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
from tapetum.evaluation.measure import Measured, measure_on
from tapetum.evaluation.page import page, regated
from tapetum.inference import golden
from tapetum.inference.engine import Engine, open_engine
from tapetum.inference.explain import explain
from tapetum.inference.predictor import Predictor
from tapetum.profile import axes, reference
from tapetum.profile.axes import Axes
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
    engines = _engines(draft, engine)
    in_fp32, served = engines[0], engines[-1]
    measured = measure_on(draft, manifest, "test", engines, advance)
    # In the precision that is served here, since rounding moves what a model sees as well.
    on = _axes(manifest, measured[served.precision].features)
    val = measure_on(draft, manifest, "val", list(dict.fromkeys((in_fp32, served))), advance, on)
    temperature = fit_temperature(val["fp32"].logits, val["fp32"].truth)
    scores: dict[Precision, Scores] = {}
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
    quantised = draft.facts.quantised
    if "int8" in measured and quantised is not None:
        before, after = (softmax(measured[name].logits, temperature) for name in _COMPARED)
        agreement = compare(before, after, test.truth, draft.facts.labels)
        quantised = quantised.model_copy(update={"agreement": agreement})
    evaluated = bundles.amend(draft, temperature=temperature, scores=scores, quantised=quantised)
    with ThreadPoolExecutor(1) as aside:
        written = aside.submit(_write_reference, evaluated, on, val[served.precision])
        files.write_text(draft.path / CARD, card(evaluated.facts, manifest))
        environment = {"engine": engine} | machine.description()
        why = partial(explain, Predictor(evaluated, in_fp32))
        report = page(evaluated.facts, manifest, measured["fp32"], decide(evaluated), epochs, environment, why)
        files.write_text(draft.path / REPORT, report)
        written.result()
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


def _engines(draft: Bundle, name: str) -> list[Engine]:
    """The draft in every precision that is scored, fp32 first and what is served last."""
    precisions: list[Precision] = ["fp32"]
    if name == "openvino" and machine.has_bf16():
        precisions.append("bf16")
    if name != "torch" and draft.facts.quantised is not None:
        precisions.append("int8")
    opened = [open_engine(name, draft, precision, machine.cores()) for precision in precisions]
    return [engine for engine in opened if engine.precision != "bf16" or _holds(draft, engine)]


def _axes(manifest: Manifest, features: np.ndarray) -> Axes | None:
    """Those of a profile, from `features` (N, C) of the test part; None where there are too few pictures for one."""
    if len(features) < axes.LEAST or len(manifest.part("val")) < reference.LEAST:
        return None
    return axes.fit(features)


def _write_reference(draft: Bundle, on: Axes | None, val: Measured) -> None:
    """The profile that the service compares with, where there are axes for one."""
    path = draft.path / reference.REFERENCE
    if on is None:
        path.unlink(missing_ok=True)  # of a bundle that this draft may be a copy of
        return
    probabilities = softmax(val.logits, draft.facts.temperature)
    files.write_bytes(path, reference.to_bytes(reference.make(on, val.sights, probabilities, val.truth)))


def _holds(draft: Bundle, engine: Engine) -> bool:
    try:
        golden.check(draft, engine)
    except BundleError:
        return False
    return True
