"""Pictures as a profile sees them, drawn from distributions that a test knows."""

from pathlib import Path

import numpy as np
from conftest import blob, encode

from tapetum import bundle as bundles
from tapetum.inference.engine import open_engine
from tapetum.inference.predictor import Prediction, Predictor
from tapetum.profile import axes, reference
from tapetum.profile.axes import Axes
from tapetum.profile.reference import REFERENCE, Reference
from tapetum.profile.statistics import Seen
from tapetum.profile.traits import Traits

LABELS = ("cat", "dog")
WIDTH = 24


def features(rng: np.random.Generator, count: int, moved: float = 0.0) -> np.ndarray:
    """Float32 (count, 24) of pooled features."""
    return rng.normal(moved, np.linspace(2, 0.2, WIDTH), (count, WIDTH)).astype(np.float32)


def probabilities(rng: np.random.Generator, count: int, evidence: float = 2.0) -> np.ndarray:
    """(count, 2): as sure as `evidence` is great, in favour of either class."""
    odds = rng.normal(evidence, 1.5, count) * rng.choice([-1, 1], count)
    share = 1 / (1 + np.exp(-odds))
    return np.column_stack([share, 1 - share])


def truth(rng: np.random.Generator, shares: np.ndarray) -> np.ndarray:
    """(count,): classes as likely as they are said to be."""
    return (rng.random(len(shares)) > shares[:, 0]).astype(int)


def rows(rng: np.random.Generator, on: Axes, count: int, moved: float = 0.0, **shifts: float) -> np.ndarray:
    """Rows of sights, their traits shifted by so many standard deviations; `moved` shifts what the model sees."""
    traits = rng.normal(size=(count, len(Traits._fields)))
    traits[:, Traits._fields.index("is_blank")] = rng.random(count) < 0.01
    for name, shift in shifts.items():
        traits[:, Traits._fields.index(name)] += shift
    seen = features(rng, count, moved)
    return np.column_stack([traits, on.strangeness(seen), on.place(seen)]).astype(np.float32)


def made(count: int = 700, seed: int = 0) -> Reference:
    """A reference of a model whose confidence says how often it is right."""
    rng = np.random.default_rng(seed)
    on = axes.fit(features(rng, 500))
    shares = probabilities(rng, count)
    return reference.make(on, rows(rng, on, count), shares, truth(rng, shares))


def window(
    profile: Reference, rng: np.random.Generator, count: int = 1000, evidence: float = 2.0, **shifts: float
) -> Seen:
    """Pictures from the same distribution but for the shifts, on the profile's axes."""
    return reference.seen_of(rows(rng, profile.axes, count, **shifts), probabilities(rng, count, evidence))


def profiled(source: Path, out: Path, count: int = 500) -> Path:
    """A copy of the sealed bundle of bright and dark pictures, with a profile of so many that were never seen."""
    draft = bundles.write_draft(
        out,
        bundles.load(source).facts.model_copy(update={"files": None}),
        {name: (source / name).read_bytes() for name in bundles.load(source).facts.files or ()},
    )
    predictor = Predictor(draft, open_engine("openvino", draft))
    predictor.axes = axes.fit(np.array([answer.outputs.features for answer in _answers(predictor, 300, 1)]))
    answers = _answers(predictor, count, 2)
    sights = np.array([answer.sight.row for answer in answers])
    shares = np.array([answer.probabilities for answer in answers])
    profile = reference.make(predictor.axes, sights, shares, np.arange(count) % 2)
    (out / REFERENCE).write_bytes(reference.to_bytes(profile))
    return bundles.seal(draft).path


def _answers(predictor: Predictor, count: int, seed: int) -> list[Prediction]:
    return predictor.predict([encode(pixels, "PNG") for pixels in blobs(count, seed)])


def blobs(count: int, seed: int, side: int = 24) -> list[np.ndarray]:
    """Bright and dark pictures in turn."""
    rng = np.random.default_rng(seed)
    return [blob(rng, number % 2 == 0, side) for number in range(count)]
