"""A sealed bundle in, one that also computes in int8 out, unless that costs too much."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tapetum import bundle as bundles
from tapetum import files, image, machine
from tapetum.bundle import INT8_GRAPH, Bundle, Precision
from tapetum.data.examples import across_classes
from tapetum.data.manifest import Manifest
from tapetum.data.sample import Part
from tapetum.data.scan import read
from tapetum.errors import BundleError, DataError
from tapetum.evaluation.evaluate import evaluate
from tapetum.evaluation.gate import Verdict, decide
from tapetum.evaluation.measure import Measured, measure
from tapetum.evaluation.speed import throughput
from tapetum.inference import golden
from tapetum.inference.engine import Engine, open_engine
from tapetum.progress import Advance, silent
from tapetum.quantised import Agreement, Bounds, Quantised, compare
from tapetum.scores import softmax
from tapetum.training.quantise import METHOD, Quantiser

PICTURES = 300  # that give the ranges of values
_RANKING = 32  # of those, pictures that tell which layers int8 harms most
_MOST_KEPT = 0.5  # of the layers; with more of them in fp32 nothing is gained any more


@dataclass(frozen=True)
class Try:
    """What int8 changed on a part of the pictures while the layers `kept` stayed in fp32."""

    kept: tuple[str, ...]
    part: Part
    agreement: Agreement
    passed: bool


@dataclass(frozen=True)
class Outcome:
    """A sealed bundle where int8 costs little enough, else None; every try; the gate's verdict where it was asked."""

    bundle: Bundle | None
    tries: list[Try]
    verdict: Verdict | None


def quantise(source: Bundle, manifest: Manifest, out: Path, bounds: Bounds, advance: Advance = silent) -> Outcome:
    """Write a copy of `source` with a graph in int8 to `out`, sealed; nothing where a bound or the gate says no.

    Ranges come from pictures of the training part. Where int8 changes too
    much, the layers that it harms most stay in fp32: first one, then twice as
    many each time. What the validation part lets pass is asked of the test
    part. Raises BundleError where the source is a draft, DataError where it
    was made from other pictures or parts.
    """
    _require(source, manifest)
    samples = across_classes(manifest.part("train"), manifest.labels, PICTURES)
    spec = source.facts.preprocess
    images = np.stack([image.read(read(manifest.root, sample), spec)[0] for sample in samples])
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as place:
        quantiser = Quantiser(source.graph, images, Path(tempfile.mkdtemp(dir=place)))
        draft = _draft(source, Path(place) / out.name, quantiser, len(images), bounds)
        tries = list(_search(source, draft, manifest, quantiser, images[:_RANKING], bounds, advance))
        if not tries[-1].passed:
            return Outcome(None, tries, None)
        evaluated = evaluate(_measured(draft, images, tries[-1].kept), manifest, advance=advance)
        verdict = decide(evaluated)
        sealed = bundles.move(golden.seal(evaluated), out) if verdict.passed else None
        return Outcome(sealed, tries, verdict)


def _require(source: Bundle, manifest: Manifest) -> None:
    if not source.is_sealed:
        raise BundleError(f"{source.path} is a draft: only what passed its gate is quantised; seal it first")
    if source.facts.fingerprint is None:
        raise DataError(f"nobody measured {source.path}: import it once more with --data, and with those pictures here")
    if source.facts.fingerprint != manifest.fingerprint:
        raise DataError(
            f"{source.path} was made from other pictures or parts than those of {manifest.root}: name the manifest of "
            "its own training run"
        )


def _draft(source: Bundle, path: Path, quantiser: Quantiser, pictures: int, bounds: Bounds) -> Bundle:
    """A draft of the same files, with a graph in int8 that nobody measured."""
    graph = quantiser.graph()
    contents = {name: (source.path / name).read_bytes() for name in source.facts.files or ()}
    quantised = Quantised(
        method=METHOD,
        pictures=pictures,
        layers=len(quantiser.layers),
        bounds=bounds,
        golden_bound=0.0,
        graph_bytes={},
        pictures_per_s={},
        processor=machine.processor(),
    )
    facts = source.facts.model_copy(update={"files": None, "scores": {}, "quantised": quantised})
    return bundles.write_draft(path, facts, contents | {INT8_GRAPH: graph})


def _search(
    source: Bundle,
    draft: Bundle,
    manifest: Manifest,
    quantiser: Quantiser,
    images: np.ndarray,
    bounds: Bounds,
    advance: Advance,
) -> Iterator[Try]:
    """Tries with more and more layers in fp32, until one is allowed or too many are kept; the draft has the last."""
    parts: tuple[Part, ...] = ("val", "test")
    references: dict[Part, Measured] = {}
    order: list[str] = []
    count = 0
    while count <= _MOST_KEPT * len(quantiser.layers):
        kept = tuple(order[:count])
        files.write_bytes(draft.int8_graph, quantiser.graph(kept))
        for part in parts:
            if part not in references:
                references[part] = measure(source, manifest, part, "openvino", "fp32", advance)
            found = _agreement(draft, references[part], measure(draft, manifest, part, "openvino", "int8", advance))
            yield Try(kept, part, found, passed=bounds.allow(found))
            if not bounds.allow(found):
                break
        else:
            return
        order = order or _ranked(draft, quantiser, images, advance)
        count = 2 * count or 1


def _agreement(draft: Bundle, reference: Measured, found: Measured) -> Agreement:
    before, after = (softmax(measured.logits, draft.facts.temperature) for measured in (reference, found))
    return compare(before, after, reference.truth, draft.facts.labels)


def _ranked(draft: Bundle, quantiser: Quantiser, images: np.ndarray, advance: Advance) -> list[str]:
    """The layers, first the one that moves logits most where it alone is in int8."""
    reference = open_engine("openvino", draft, "fp32").infer(images).logits
    shifts = {}
    for number, layer in enumerate(quantiser.layers, start=1):
        files.write_bytes(draft.int8_graph, quantiser.graph([other for other in quantiser.layers if other != layer]))
        found = open_engine("openvino", draft, "int8").infer(images).logits
        shifts[layer] = float(np.square(found - reference).mean())
        advance("rank layers by what int8 does to them", number, len(quantiser.layers))
    return sorted(shifts, key=lambda layer: shifts[layer], reverse=True)


def _measured(draft: Bundle, images: np.ndarray, kept: tuple[str, ...]) -> Bundle:
    """The draft with what its graph in int8 may do to the golden pictures, its size and its speed."""
    assert draft.facts.quantised is not None
    names: list[Precision] = ["fp32", "bf16", "int8"] if machine.has_bf16() else ["fp32", "int8"]
    engines: dict[str, Engine] = {name: open_engine("openvino", draft, name) for name in names}
    in_int8 = (engines["int8"], open_engine("onnxruntime", draft, "int8"))
    quantised = draft.facts.quantised.model_copy(
        update={
            "kept": kept,
            # Each engine rounds otherwise, and so do other processors, as much as they may in bf16.
            "golden_bound": max(golden.shift(draft.golden(), engine) for engine in in_int8)
            + golden.PROBABILITY["bf16"],
            "graph_bytes": {"fp32": draft.graph.stat().st_size, "int8": draft.int8_graph.stat().st_size},
            "pictures_per_s": throughput(engines, images),
        }
    )
    return bundles.amend(draft, quantised=quantised)
