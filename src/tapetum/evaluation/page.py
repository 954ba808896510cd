"""The report of a run as one HTML file that asks no other host for anything."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from tapetum import curves
from tapetum.bundle import Facts
from tapetum.curves import Curve
from tapetum.data.manifest import Manifest
from tapetum.data.sample import PARTS
from tapetum.errors import BundleError
from tapetum.evaluation import history, in_int8, plots
from tapetum.evaluation.drawing import Plot
from tapetum.evaluation.gallery import Explain, examples_section, mistakes_section
from tapetum.evaluation.gate import Verdict
from tapetum.evaluation.history import Epoch
from tapetum.evaluation.measure import Measured
from tapetum.evaluation.report import SCORES
from tapetum.markup import counted, document, safe, table
from tapetum.quantised import Quantised
from tapetum.scores import RESAMPLES, Interval, Scores, reliability, softmax

MOST_CONFUSIONS = 10


def page(
    facts: Facts,
    manifest: Manifest,
    test: Measured,
    verdict: Verdict,
    epochs: Sequence[Epoch],
    environment: Mapping[str, str],
    explain: Explain,
) -> str:
    """The report; `test` holds the answers to the test part that everything but the table of scores is drawn from.

    `explain` says of a picture why the model answers what it does.
    """
    scores = next(iter(facts.scores.values()))
    probabilities = softmax(test.logits, facts.temperature)
    shown = (manifest.root, manifest.part("test"), facts.labels, probabilities, test.truth)
    sections = {
        "Gate": _gate(verdict),
        "Scores": _scores(facts),
        **({"In int8": _int8(facts.quantised)} if facts.quantised and "int8" in facts.scores else {}),
        "Confusions": _plots([plots.confusion(scores)]) + _confusions(scores),
        "Worst mistakes": mistakes_section(*shown, explain),
        "Classes": _classes(facts, manifest, scores, probabilities, test.truth),
        "Confidence": _confidence(facts, test),
        "Learning": _learning(epochs),
        "Examples": examples_section(*shown),
        "Recipe": _recipe(facts),
        "Environment": table(
            ("of the evaluation", "value"), [(safe(key), safe(value)) for key, value in environment.items()], ""
        ),
    }
    places = {name: name.lower().replace(" ", "-") for name in sections}
    links = "\n".join(f'<a href="#{place}">{name}</a>' for name, place in places.items())
    main = "\n".join(
        f'<section aria-labelledby="{places[name]}">\n<h2 id="{places[name]}">{name}</h2>\n{content}\n</section>'
        for name, content in sections.items()
    )
    return document(facts.title, f"{_header(facts, manifest, scores, verdict)}\n<nav>{links}</nav>", main)


def regated(report: str, before: tuple[Facts, Verdict], after: tuple[Facts, Verdict]) -> str:
    """The report of a model that is held to another gate than before; what was measured stays.

    Raises BundleError where the report does not show what was decided before.
    """
    fragments = [[_result(verdict), _gate(verdict), _recipe(facts)] for facts, verdict in (before, after)]
    for old, new in zip(*fragments, strict=True):
        if old not in report:
            raise BundleError(f"the report of {before[0].name} is of another Tapetum: evaluate the draft again")
        report = report.replace(old, new, 1)
    return report


def _header(facts: Facts, manifest: Manifest, scores: Scores, verdict: Verdict) -> str:
    spec = facts.preprocess
    sizes = ", ".join(f"{len(manifest.part(part)):,} {part}" for part in PARTS)
    return f"""<p class="soft">{safe(facts.name)} {safe(facts.version)}: {safe(facts.architecture)},
{spec.width}×{spec.height} pixels, {len(facts.labels)} classes</p>
<p>{_result(verdict)}, with an accuracy of
{scores.accuracy.value:.2%} [{scores.accuracy.low:.2%}, {scores.accuracy.high:.2%}] on
{counted(scores.samples, "test picture")} that training never saw.</p>
<p class="soft">Pictures: {sizes}; {len(manifest.excluded):,} left out. Fingerprint of pictures, labels and parts:
{safe(manifest.fingerprint)}</p>"""


def _gate(verdict: Verdict) -> str:
    rows = [
        (safe(check.name), _passed(check.passed, "passed", "failed"), safe(check.found), safe(check.demanded))
        for check in verdict.checks
    ]
    return table(("check", "result", "found", "demanded"), rows, "") + (
        '\n<p class="soft">Floors of the recipe; <code>tapetum gate --against</code> compares with another bundle.</p>'
    )


def _result(verdict: Verdict) -> str:
    return _passed(verdict.passed, "Passed its gate", "Did not pass its gate")


def _recipe(facts: Facts) -> str:
    return table(("choice", "value"), [(safe(key), safe(value)) for key, value in _flat(facts.recipe)], "")


def _passed(passed: bool, yes: str, no: str) -> str:
    return f'<span class="good">✓ {yes}</span>' if passed else f'<span class="bad">✗ {no}</span>'


def _scores(facts: Facts) -> str:
    rows = [
        (name.replace("_", " "), *(_interval(getattr(entry, name)) for entry in facts.scores.values()))
        for name in SCORES
    ]
    return table(("score", *facts.scores), rows) + (
        f'\n<p class="soft">On the test part, by precision of the arithmetic. In brackets the 95 % interval of '
        f"{RESAMPLES:,} bootstrap samples. Precision, recall and F1 are means over the classes; log loss is in nats. "
        f"All that follows is measured in {next(iter(facts.scores))}.</p>"
    )


def _int8(quantised: Quantised) -> str:
    """What int8 changes, class by class."""
    rows = [[safe(cell) for cell in row] for row in in_int8.rows(in_int8.agreement(quantised))]
    return f"""<p>{safe(in_int8.cost(quantised))}</p>
{table(in_int8.HEAD, rows)}
<p>{safe(in_int8.making(quantised))}</p>"""


def _interval(interval: Interval) -> str:
    return f"{interval.value:.4f} [{interval.low:.4f}, {interval.high:.4f}]"


def _confusions(scores: Scores) -> str:
    """The cells beside the diagonal that hold most."""
    labels = list(scores.classes)
    counts = np.array(scores.confusion)
    beside = counts * (1 - np.eye(len(labels), dtype=int))
    rows = [
        (safe(labels[row]), safe(labels[column]), f"{counts[row, column]:,}", f"{counts[row, column] / total:.1%}")
        for row, column in np.column_stack(
            np.unravel_index(np.argsort(-beside, axis=None, kind="stable"), beside.shape)
        )
        if beside[row, column] and (total := counts[row].sum())
    ]
    if not rows:
        return ""
    head = ("true class", "answer", "pictures", "share of the class")
    return f"\n<h3>Most frequent</h3>\n{table(head, rows[:MOST_CONFUSIONS], '')}"


def _classes(facts: Facts, manifest: Manifest, scores: Scores, probabilities: np.ndarray, truth: np.ndarray) -> str:
    counts = Counter((sample.label, sample.part) for sample in manifest.samples)
    is_own = truth[:, None] == np.arange(len(facts.labels))
    roc: dict[str, Curve] = {}
    precision_recall: dict[str, Curve] = {}
    rows = []
    for column, label in enumerate(facts.labels):
        shares, own, entry = probabilities[:, column], is_own[:, column], scores.classes[label]
        areas = []
        for find, found in ((curves.roc, roc), (curves.precision_recall, precision_recall)):
            curve = find(shares, own)
            if curve is not None:
                found[label] = curve
            areas.append(f"{curve.area:.4f}" if curve is not None else "–")
        figures = map(_interval, (entry.precision, entry.recall, entry.f1)) if entry.samples else "–––"
        parts = (f"{counts[label, part]:,}" for part in PARTS)
        number = f"{column + 1}. " if len(facts.labels) > plots.MOST_NAMED else ""
        rows.append((number + safe(label), *parts, *figures, *areas))
    head = ("class", *PARTS, "precision", "recall", "F1", "ROC area", "average precision")
    worst = sorted(precision_recall, key=lambda label: precision_recall[label].area)[: plots.MOST_CURVES]
    drawn = [plots.recalls(scores), plots.precision_recall(precision_recall, worst)]
    if roc:
        drawn.append(plots.roc(roc, worst))
    return _plots(drawn) + "\n" + table(head, rows)


def _confidence(facts: Facts, test: Measured) -> str:
    raw, scaled = softmax(test.logits), softmax(test.logits, facts.temperature)
    note = (
        f'<p class="soft">Confidence is scaled by a temperature of {facts.temperature:.3f}, found on the validation '
        "part; no answer changes by it.</p>\n"
    )
    return note + _plots(
        [
            plots.reliability("Before temperature scaling", reliability(raw, test.truth)),
            plots.reliability("After temperature scaling", reliability(scaled, test.truth)),
            plots.confidence(scaled.max(axis=1), scaled.argmax(axis=1) == test.truth),
        ]
    )


def _learning(epochs: Sequence[Epoch]) -> str:
    if not epochs:
        return "<p>The bundle holds no history: its model was trained elsewhere.</p>"
    seconds = sum(epoch.seconds for epoch in epochs)
    told = f"{counted(len(epochs), 'epoch')} in {seconds:,.0f} s"
    if len(epochs) == 1:
        only = epochs[0]
        return (
            f"<p>{told}: {only.val_accuracy:.2%} right on the validation part with a loss of {only.val_loss:.4f}, and "
            f"{only.train_accuracy:.2%} with {only.train_loss:.4f} on the train part.</p>"
        )
    return f"<p>{told}.</p>\n" + _plots(history.plots(epochs))


def _plots(drawn: Sequence[Plot]) -> str:
    figures = "\n".join(
        f'<figure class="plot"><figcaption><strong>{safe(plot.title)}</strong> {safe(plot.caption)}</figcaption>\n'
        f"{plot.svg}</figure>"
        for plot in drawn
    )
    return f'<div class="plots">\n{figures}\n</div>'


def _flat(choices: Mapping[str, object], prefix: str = "") -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for key, value in choices.items():
        if isinstance(value, dict):
            pairs += _flat(value, f"{prefix}{key}.")
        else:
            pairs.append((f"{prefix}{key}", "–" if value is None else str(value)))
    return pairs
