"""The reference profile of a bundle: how its validation part looks to the service, as one file without code."""

import io
import zipfile
from dataclasses import dataclass, fields, replace
from functools import cached_property

import numpy as np

from tapetum.bundle import Bundle
from tapetum.errors import BundleError
from tapetum.profile import null
from tapetum.profile.accuracy import Calibration, calibrate
from tapetum.profile.axes import Axes
from tapetum.profile.null import Null
from tapetum.profile.statistics import NAMES, Seen, Statistics
from tapetum.profile.traits import Traits

REFERENCE = "reference.npz"
LEAST, MOST = 100, 4000
UNLIKE_SHARE = 0.01
_SCHEMA = 1
_MOST_BYTES = 64_000_000
_DAMAGED = (OSError, ValueError, KeyError, EOFError, TypeError, zipfile.BadZipFile)


@dataclass(frozen=True)
class Reference:
    """What windows are compared with.

    `seen` are pictures of the validation part, `truth` (N,) their true class
    numbers; `null` is how far samples of them lie apart by chance.
    """

    axes: Axes
    seen: Seen
    truth: np.ndarray
    n_classes: int
    null: Null

    @cached_property
    def is_right(self) -> np.ndarray:
        """(N,): whether each was answered rightly."""
        return np.asarray(self.seen.answers == self.truth)

    @cached_property
    def statistics(self) -> Statistics:
        return Statistics(self.seen, self.n_classes)

    @cached_property
    def columns(self) -> np.ndarray:
        """(N, A): what `statistics` sees in each picture."""
        return self.statistics.of(self.seen)

    @cached_property
    def calibration(self) -> Calibration:
        return calibrate(self.seen.confidence, self.is_right)


def make(axes: Axes, rows: np.ndarray, probabilities: np.ndarray, truth: np.ndarray) -> Reference:
    """A reference from rows of sights (N, 9 + d) on `axes` without a limit, probabilities (N, K) and truth (N,).

    The limit of what is unlike the training data comes to lie where one in a
    hundred of these pictures is beyond it. Of more than 4,000 pictures so many
    are drawn.
    """
    chosen = np.sort(np.random.default_rng(0).permutation(len(rows))[:MOST])
    probabilities, truth = probabilities[chosen], truth[chosen]
    seen = seen_of(rows[chosen], probabilities)
    limit = max(float(np.quantile(seen.strangeness, 1 - UNLIKE_SHARE)), 1e-6)
    seen = replace(seen, strangeness=seen.strangeness / np.float32(limit))
    n_classes = probabilities.shape[1]
    statistics = Statistics(seen, n_classes)
    chance = null.draw(statistics, statistics.of(seen))
    return Reference(replace(axes, limit=limit), seen, truth, n_classes, chance)


def seen_of(rows: np.ndarray, probabilities: np.ndarray) -> Seen:
    """Rows of sights (N, 9 + d) with the answers to them, probabilities (N, K)."""
    ranked = np.sort(probabilities, axis=1)[:, ::-1]
    return to_seen(rows, probabilities.argmax(axis=1), ranked[:, 0], ranked[:, 0] - ranked[:, 1:2].sum(axis=1))


def to_seen(rows: np.ndarray, answers: np.ndarray, confidence: np.ndarray, margin: np.ndarray) -> Seen:
    """Rows of sights (N, 9 + d) with the class numbers, the confidences and the margins (N,) of their answers."""
    n_traits = len(Traits._fields)
    return Seen(rows[:, :n_traits], answers, confidence, margin, rows[:, n_traits + 1 :], rows[:, n_traits])


def to_bytes(reference: Reference) -> bytes:
    """The content of reference.npz, the same bytes for the same pictures."""
    stream = io.BytesIO()
    arrays: dict[str, np.ndarray] = {"schema": np.array(_SCHEMA), "n_classes": np.array(reference.n_classes)}
    arrays |= {"truth": reference.truth}
    for part in (reference.axes, reference.seen, reference.null):
        arrays |= {
            f"{type(part).__name__.lower()}_{entry.name}": np.asarray(getattr(part, entry.name))
            for entry in fields(part)
        }
    np.savez(stream, allow_pickle=False, **{name: _in_short(values) for name, values in arrays.items()})
    return stream.getvalue()


def load(bundle: Bundle) -> Reference | None:
    """The reference of a bundle; None where it has none. Raises BundleError where it is damaged."""
    path = bundle.path / REFERENCE
    try:
        return from_bytes(path.read_bytes(), len(bundle.facts.labels))
    except FileNotFoundError:
        return None
    except _DAMAGED as error:
        raise BundleError(f"{path} is damaged ({error}): copy the bundle again, or make it anew") from error


def from_bytes(content: bytes, n_classes: int) -> Reference:
    """What `to_bytes` wrote. Raises ValueError, KeyError or BadZipFile where that is not what is there."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        unfolded = sum(entry.file_size for entry in archive.infolist())
    _require(unfolded <= _MOST_BYTES, f"{unfolded:,} bytes unfold from it, at most {_MOST_BYTES:,} are allowed")
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        found = {name: arrays[name] for name in arrays.files}
    schema = int(found["schema"])
    _require(schema == _SCHEMA, f"it has schema {schema}, and this Tapetum reads {_SCHEMA}: install a newer one")
    _require(int(found["n_classes"]) == n_classes, f"it knows {found['n_classes']} classes, the bundle {n_classes}")
    axes = Axes(
        *(found[f"axes_{name}"] for name in ("centre", "matrix", "back")),
        *(float(found[f"axes_{name}"]) for name in ("spread", "limit")),
    )
    seen = Seen(**{entry.name: found[f"seen_{entry.name}"] for entry in fields(Seen)})
    chance = Null(found["null_mean"], found["null_deviation"], float(found["null_limit"]))
    reference = Reference(axes, seen, found["truth"], n_classes, chance)
    _require_fit(reference)
    return reference


def _require_fit(reference: Reference) -> None:
    """Raise ValueError unless all shapes fit each other and all numbers are what they can be."""
    axes, seen, chance = reference.axes, reference.seen, reference.null
    count, depth, width = len(seen.answers), axes.matrix.shape[-1], len(axes.centre)
    shapes = {
        "axes": ((axes.centre, (width,)), (axes.matrix, (width, depth)), (axes.back, (depth, width))),
        "pictures": (
            (seen.traits, (count, len(Traits._fields))),
            (seen.places, (count, depth)),
            *((values, (count,)) for values in (seen.answers, seen.confidence, seen.margin, seen.strangeness)),
            (reference.truth, (count,)),
        ),
        "chance": ((chance.mean, (len(NAMES),)), (chance.deviation, (len(NAMES),))),
    }
    for name, pairs in shapes.items():
        for values, shape in pairs:
            _require(values.shape == shape, f"its {name} have the shape {values.shape}, expected {shape}")
            _require(bool(np.isfinite(values).all()), f"its {name} hold what is no number")
    _require(LEAST <= count <= MOST, f"it has {count} pictures, expected {LEAST} to {MOST}")
    for classes in (seen.answers, reference.truth):
        _require(classes.dtype.kind == "i", "its classes are no whole numbers")
        _require(classes.min() >= 0 and classes.max() < reference.n_classes, "it has unknown classes")
    _require(seen.confidence.min() >= 0 and seen.confidence.max() <= 1, "its confidences are no shares")
    _require(min(axes.spread, axes.limit, float(chance.deviation.min()), chance.limit) > 0, "a spread is not above 0")


def _require(is_so: bool, otherwise: str) -> None:
    if not is_so:
        raise ValueError(otherwise)


def _in_short(values: np.ndarray) -> np.ndarray:
    return values.astype(np.float32) if values.dtype == np.float64 and values.ndim else values
