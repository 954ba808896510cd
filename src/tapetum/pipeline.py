"""The stages in order: from a folder of labelled pictures to a sealed bundle."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from tapetum import bundle as bundles
from tapetum import files
from tapetum.bundle import CARD, HISTORY, REPORT, Bundle, Imported
from tapetum.data import listing, packing
from tapetum.data import manifest as manifests
from tapetum.data.checks import check
from tapetum.data.finding import Finding
from tapetum.data.manifest import Manifest
from tapetum.data.scan import Scan, scan
from tapetum.errors import ConfigError, DataError
from tapetum.evaluation.card import unmeasured_card
from tapetum.evaluation.evaluate import evaluate
from tapetum.evaluation.gate import Verdict, decide
from tapetum.evaluation.report import report
from tapetum.inference import golden
from tapetum.models import checkpoint as checkpoints
from tapetum.models.network import Network
from tapetum.progress import Advance, silent
from tapetum.recipe import TRANSFER, Parts, Recipe, build
from tapetum.training import features
from tapetum.training import run as training
from tapetum.training.distributed import ALONE, Group
from tapetum.training.export import export, export_imported
from tapetum.training.fit import EpochResult
from tapetum.training.run import RECIPE
from tapetum.training.tracking import NullRun, Run, Tracker

MANIFEST, SCORES_TEXT, SCORES_JSON, VERDICT = "manifest.json", "scores.txt", "scores.json", "verdict.json"
DRAFT, BUNDLE = "draft", "bundle"
_BACKBONE = build({"name": "backbone", "title": "Backbone", "image": {}}, TRANSFER)
# What a tracked run keeps, beside the bundle.
KEPT = (RECIPE, MANIFEST, HISTORY, SCORES_TEXT, SCORES_JSON, VERDICT, REPORT)


@dataclass(frozen=True)
class Outcome:
    """What a run left: a bundle, sealed where the gate let it pass, and where it was tracked."""

    bundle: Bundle
    verdict: Verdict | None  # none where it was to end with the draft
    tracked: str

    @property
    def passed(self) -> bool:
        """Whether nothing said no."""
        return self.verdict is None or self.verdict.passed


def divide(
    pictures: Path, parts: Parts, out: Path, advance: Advance, corrected: Path | None = None
) -> tuple[Manifest, list[Finding]]:
    """The manifest of pictures as `scan` takes them, and what is wrong with them; or a manifest as it was written.

    The manifest is written to `out`. Raises DataError, and ConfigError where corrections come too late.
    """
    if pictures.is_file() and not listing.is_listing(pictures) and not packing.is_packed(pictures):
        if corrected:
            raise ConfigError(f"{pictures} has its labels: give --corrections {corrected} to `tapetum data split`")
        manifest, findings = manifests.load(pictures), []
    else:
        scanned = scan(pictures, advance, corrected)
        manifest, findings = manifests.build(scanned, parts, _previous(out)), check(scanned)
    manifests.save(manifest, out / MANIFEST)
    return manifest, findings


def _previous(out: Path) -> Manifest | None:
    """What the last run here left; one that another Tapetum wrote is written anew."""
    try:
        return manifests.load(out / MANIFEST)
    except DataError:
        return None


def seen(scanned: Scan, cache_folder: Path, advance: Advance = silent) -> np.ndarray:
    """Float32 (n, C): what a backbone that knows ImageNet sees in the samples of a scan, in their order.

    Raises ConfigError, DataError, ResourceError.
    """
    return features.of_recipe(_BACKBONE, manifests.undivided(scanned), scanned.samples, cache_folder, advance)


def train(
    recipe: Recipe,
    manifest: Manifest,
    out: Path,
    cache_folder: Path,
    tracker: Tracker,
    on_epoch: Callable[[EpochResult], None],
    advance: Advance,
    resume: bool = False,
    group: Group = ALONE,
    is_draft: bool = False,
) -> Outcome:
    """Train, evaluate, decide, and seal what passed; everything is written below `out`.

    A sealed bundle takes the place of the one before it; a draft that failed leaves that one alone.
    `is_draft` ends with the draft, for those who take the other stages one by one.
    `resume` goes on with a run that was interrupted. Raises Interrupted when this one is.
    """
    choices = {key: str(value) for key, value in _flat(recipe.model_dump(mode="json"))}
    with tracker.run(recipe.name, choices | {"fingerprint": manifest.fingerprint}) as tracked:
        tracked.pictures(manifest)
        trained = training.train(
            recipe, manifest, out, cache_folder, tracked, on_epoch, advance, resume=resume, group=group
        )
        draft = export(trained.network, recipe, manifest, out / DRAFT, trained.graph)
        files.write_bytes(draft.path / HISTORY, (out / HISTORY).read_bytes())
        if is_draft:
            bundle, verdict = draft, None
            tracked.file(draft.path)
        else:
            bundle, verdict = _judge(draft, manifest, out, advance)
            _record(tracked, recipe, manifest, bundle, verdict, out)
    (out / training.CHECKPOINT).unlink(missing_ok=True)
    return Outcome(bundle, verdict, tracked.address)


def help_train(recipe: Recipe, out: Path, cache_folder: Path, resume: bool, group: Group) -> None:
    """Be one of the processes beside the first, which has divided the pictures and runs `train`."""
    manifest = manifests.load(out / MANIFEST)
    training.train(
        recipe, manifest, out, cache_folder, NullRun(), lambda result: None, silent, resume=resume, group=group
    )


def _record(tracked: Run, recipe: Recipe, manifest: Manifest, bundle: Bundle, verdict: Verdict, out: Path) -> None:
    """Keep what a run left: its files, its figures, and as a model what passed the gate."""
    facts = bundle.facts
    scores = {f"test_accuracy_{name}": entry.accuracy.value for name, entry in facts.scores.items()}
    tracked.metrics(scores, step=recipe.train.epochs)
    for path in [*(out / name for name in KEPT), bundle.path / CARD]:
        tracked.file(path)
    checks = {f"gate.{check.name}": f"{check.found}, demanded {check.demanded}" for check in verdict.checks}
    tags = {
        "bundle.version": facts.version,
        "bundle.digest": bundles.digest(bundle),
        "fingerprint": manifest.fingerprint,
        "gate": "passed" if verdict.passed else "failed",
    }
    tracked.tags(tags)
    if bundle.is_sealed:
        tracked.challenger(recipe.name, bundle, tags | checks)
    else:
        tracked.file(bundle.path)


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
    files.write_bytes(out / REPORT, (evaluated.path / REPORT).read_bytes())
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
