"""The stages in order: from a folder of labelled pictures to a sealed bundle."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from tapetum import bundle as bundles
from tapetum import files
from tapetum.bundle import CARD, Bundle, Imported
from tapetum.data import listing
from tapetum.data import manifest as manifests
from tapetum.data.checks import check
from tapetum.data.finding import Finding
from tapetum.data.manifest import Manifest
from tapetum.data.scan import scan
from tapetum.errors import DataError
from tapetum.evaluation.card import unmeasured_card
from tapetum.evaluation.evaluate import evaluate
from tapetum.evaluation.gate import Verdict, decide
from tapetum.evaluation.report import report
from tapetum.inference import golden
from tapetum.models import checkpoint as checkpoints
from tapetum.models.network import Network
from tapetum.progress import Advance
from tapetum.recipe import Parts, Recipe
from tapetum.training import run as training
from tapetum.training.export import export_imported
from tapetum.training.fit import EpochResult
from tapetum.training.tracking import Tracker

MANIFEST, SCORES_TEXT, SCORES_JSON, VERDICT = "manifest.json", "scores.txt", "scores.json", "verdict.json"
DRAFT, BUNDLE = "draft", "bundle"


@dataclass(frozen=True)
class Outcome:
    """What a run left: a bundle, sealed where the gate let it pass, and where it was tracked."""

    bundle: Bundle
    verdict: Verdict
    tracked: str


def divide(pictures: Path, parts: Parts, out: Path, advance: Advance) -> tuple[Manifest, list[Finding]]:
    """The manifest of a folder or a listing, and what is wrong with the pictures; or a manifest as it was written.

    The manifest is written to `out`. Raises DataError.
    """
    if pictures.is_file() and not listing.is_listing(pictures):
        manifest, findings = manifests.load(pictures), []
    else:
        scanned = scan(pictures, advance)
        manifest, findings = manifests.build(scanned, parts, _previous(out)), check(scanned)
    manifests.save(manifest, out / MANIFEST)
    return manifest, findings


def _previous(out: Path) -> Manifest | None:
    """What the last run here left; one that another Tapetum wrote is written anew."""
    try:
        return manifests.load(out / MANIFEST)
    except DataError:
        return None


def train(
    recipe: Recipe,
    manifest: Manifest,
    out: Path,
    cache_folder: Path,
    tracker: Tracker,
    on_epoch: Callable[[EpochResult], None],
    advance: Advance,
) -> Outcome:
    """Train, evaluate, decide, and seal what passed; everything is written below `out`.

    A sealed bundle takes the place of the one before it; a draft that failed leaves that one alone.
    """
    choices = {key: str(value) for key, value in _flat(recipe.model_dump(mode="json"))}
    with tracker.run(recipe.name, choices | {"fingerprint": manifest.fingerprint}) as tracked:
        draft = training.train(recipe, manifest, out, cache_folder, tracked, on_epoch, advance)
        bundle, verdict = _judge(draft, manifest, out, advance)
        accuracy = {f"test_accuracy_{name}": entry.accuracy.value for name, entry in bundle.facts.scores.items()}
        tracked.metrics(accuracy, step=recipe.train.epochs)
        for path in (out / MANIFEST, out / SCORES_TEXT, out / SCORES_JSON, out / VERDICT, bundle.path):
            tracked.file(path)
    return Outcome(bundle, verdict, tracked.address)


def import_model(
    checkpoint: Path,
    choices: Recipe,
    labels: tuple[str, ...],
    manifest: Manifest | None,
    out: Path,
    advance: Advance,
) -> tuple[Bundle, Verdict | None]:
    """Turn weights that others made into a bundle below `out`, sealed unless the gate says no.

    `choices` give its architecture and the preprocessing it was trained
    behind, `labels` its classes in order. With a manifest it is evaluated and
    held to the gate; without one there is no verdict, and it is sealed
    unmeasured. Raises CheckpointError, ConfigError, DataError.
    """
    if manifest and set(manifest.labels) != set(labels):
        raise DataError(
            f"{manifest.root} has the classes {', '.join(manifest.labels)}, and the model's labels are "
            f"{', '.join(labels)}: they must be the same"
        )
    network = Network(choices.model, len(labels), choices.image)
    weights = checkpoints.read(checkpoint)
    checkpoints.fill(network.backbone.named, weights, len(labels), checkpoint)
    origin = Imported(file=checkpoint.name, sha256=files.sha256(checkpoint))
    draft = export_imported(network, choices, labels, origin, manifest, out / DRAFT)
    if manifest:
        return _judge(draft, manifest, out, advance)
    files.write_text(draft.path / CARD, unmeasured_card(draft.facts))
    return bundles.move(golden.seal_unmeasured(draft), out / BUNDLE), None


def _judge(draft: Bundle, manifest: Manifest, out: Path, advance: Advance) -> tuple[Bundle, Verdict]:
    """Evaluate, decide, and seal what passed."""
    evaluated = evaluate(draft, manifest, advance=advance)
    _write_scores(evaluated, out)
    verdict = decide(evaluated)
    files.write_text(out / VERDICT, json.dumps(asdict(verdict), indent=1, ensure_ascii=False) + "\n")
    return bundles.move(golden.seal(evaluated), out / BUNDLE) if verdict.passed else evaluated, verdict


def _write_scores(evaluated: Bundle, out: Path) -> None:
    """Write the scores of a bundle as text and as JSON."""
    scores = {name: asdict(entry) for name, entry in evaluated.facts.scores.items()}
    files.write_text(out / SCORES_JSON, json.dumps(scores, indent=1, ensure_ascii=False) + "\n")
    files.write_text(out / SCORES_TEXT, report(evaluated.facts.scores))


def _flat(choices: dict[str, object], prefix: str = "") -> list[tuple[str, object]]:
    pairs: list[tuple[str, object]] = []
    for key, value in choices.items():
        pairs += _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else [(f"{prefix}{key}", value)]
    return pairs
