"""The model card: what the model is, what it was measured to do, and what nobody measured (Mitchell et al. 2019)."""

from collections import Counter

from tapetum.bundle import Facts
from tapetum.data.manifest import Manifest
from tapetum.data.sample import PARTS
from tapetum.evaluation import in_int8
from tapetum.evaluation.report import report, table
from tapetum.scores import RESAMPLES

UNMEASURED = "Nobody measured this model: it was imported without pictures, so its scores and calibration are unknown."


def card(facts: Facts, manifest: Manifest) -> str:
    """The card of an evaluated model as Markdown."""
    counts = Counter((sample.label, sample.part) for sample in manifest.samples)
    pictures = [[label, *(str(counts[label, part]) for part in PARTS)] for label in facts.labels]
    seen = "whether its training saw them is not known" if facts.imported else "which training never saw"
    return f"""{_head(facts)}
## Scores

On the test part, {seen}. In brackets stands the 95 % interval over {RESAMPLES:,} bootstrap samples;
classes are averaged with equal weight; confidence is scaled by a temperature of {facts.temperature:.3f}, found on the
validation part.

{report(facts.scores)}
{_int8(facts)}## Pictures

{table(["class", *PARTS], pictures)}

Left out as broken, copied or labelled twice: {len(manifest.excluded)}.
Fingerprint of pictures, labels and parts: `{facts.fingerprint}`.

## Limits

The model answers with one of its classes whatever a picture shows. Its scores hold for pictures like those of the
test part; other cameras, places and times were not measured.
"""


def unmeasured_card(facts: Facts) -> str:
    """The card of a model that was imported without pictures to measure it on, as Markdown."""
    return f"""{_head(facts)}
## Scores

{UNMEASURED}

## Limits

The model answers with one of its classes whatever a picture shows: {", ".join(facts.labels)}.
"""


def _int8(facts: Facts) -> str:
    if facts.quantised is None or "int8" not in facts.scores:
        return ""
    return f"""## In int8

The service answers in int8 unless it is told another precision. This is what that changes on the test part.

{in_int8.text(facts.quantised)}
"""


def _head(facts: Facts) -> str:
    spec, origin = facts.preprocess, facts.imported
    imported = f"\nImported from `{origin.file}` with the SHA-256 `{origin.sha256}`.\n" if origin else ""
    return f"""# {facts.title}

`{facts.name}` {facts.version}: {facts.architecture}, {spec.width}×{spec.height} pixels, {len(facts.labels)} classes.
{imported}"""
