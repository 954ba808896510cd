"""The last predictions beside the bundle's reference profile: watched on a thread, so that no answer waits."""

from collections.abc import Sequence
from threading import Lock
from time import perf_counter
from typing import Literal

import numpy as np
from pydantic import Field

from tapetum.profile.reference import Reference, to_seen
from tapetum.profile.statistics import Seen
from tapetum.profile.traits import Traits
from tapetum.profile.verdict import LEAST_WINDOW, Verdict, compare
from tapetum.watch.figures import Figures
from tapetum.watch.record import Exchange, Record

# Comparing 1,000 predictions takes 5 ms of processor time where the mix has changed: 0.05 % of a core.
EVERY_S = 10.0

State = Literal["no profile", "filling", "watched"]


class DriftFigures(Figures):
    """Where drift stands."""

    state: State = Field(
        description="no profile: the bundle has none, evaluate or train it again; filling: fewer than 500 predictions "
        "since this model is served; watched: verdict is of the last TAPETUM_DRIFT_WINDOW of them."
    )
    predictions: int = Field(description="Predictions in the window now.")
    unlike_training: int = Field(description="Predictions of pictures unlike the training data, since the start.")
    verdict: Verdict | None = Field(description="As of some seconds ago; null until the window has 500 predictions.")


class _Ring:
    """The last predictions, row by row: sight, class number, confidence, margin."""

    def __init__(self, size: int, width: int) -> None:
        self._rows = np.zeros((size, width + 3), np.float32)
        self._seen = 0

    @property
    def added(self) -> int:
        """How many were ever added."""
        return self._seen

    def __len__(self) -> int:
        return min(self._seen, len(self._rows))

    def add(self, row: np.ndarray, answer: int, confidence: float, margin: float) -> None:
        place = self._rows[self._seen % len(self._rows)]
        place[:-3] = row
        place[-3:] = answer, confidence, margin
        self._seen += 1

    def copy(self) -> np.ndarray:
        return self._rows[: len(self)].copy()


class Drift:
    """A window of the last `size` predictions of the model that is served, and the verdict on it.

    `observe` belongs to the event loop and copies some forty numbers; `look` to
    a thread that compares. Between them is a lock that is held for copying alone.
    """

    def __init__(self, size: int) -> None:
        self.unlike = 0
        self.comparison_s: float | None = None
        self.verdict: Verdict | None = None
        self._size = size
        self._lock = Lock()
        self._reference: Reference | None = None
        self._version: str | None = None
        self._numbers: dict[str, int] = {}
        self._ring = _Ring(1, 0)
        self._compared = self._depth = 0

    def expect(self, labels: Sequence[str], version: str, reference: Reference | None) -> None:
        """Begin a new window, of this model and its profile, which may be absent."""
        with self._lock:
            self._reference, self._version = reference, version
            self._numbers = {label: number for number, label in enumerate(labels)}
            self._depth = 0 if reference is None else reference.seen.places.shape[1]
            width = len(Traits._fields) + 1 + self._depth
            self._ring, self._compared, self.verdict = _Ring(self._size, width), 0, None

    def observe(self, exchange: Exchange) -> None:
        """Take the predictions of a request into the window."""
        for record in exchange.records:
            if record.unlike is not None and record.version == self._version:
                self._take(record)

    def look(self) -> Verdict | None:
        """Compare the window, if a tenth of it is new. To be called on one thread alone."""
        with self._lock:
            reference, ring, labels = self._reference, self._ring, tuple(self._numbers)
            fresh = ring.added - self._compared
            if reference is None or len(ring) < LEAST_WINDOW or fresh < min(self._size, len(ring)) / 10:
                return self.verdict
            self._compared, rows = ring.added, ring.copy()
        start = perf_counter()
        verdict = compare(reference, _seen(rows), labels)
        with self._lock:
            if ring is self._ring:  # else another model came meanwhile
                self.verdict, self.comparison_s = verdict, perf_counter() - start
            return self.verdict

    def figures(self) -> DriftFigures:
        """For people."""
        state: State = "no profile" if self._reference is None else "filling" if self.verdict is None else "watched"
        predictions = 0 if self._reference is None else len(self._ring)
        return DriftFigures(state=state, predictions=predictions, unlike_training=self.unlike, verdict=self.verdict)

    def _take(self, record: Record) -> None:
        assert record.sight is not None
        place, number = record.sight.place, self._numbers.get(record.label or "")
        self.unlike += record.sight.is_unlike
        # A worker that a picture has taken over may send any numbers, and a single one that is none would hide drift.
        if number is not None and len(place) == self._depth and bool(np.isfinite(place).all()):
            assert record.confidence is not None
            assert record.margin is not None
            with self._lock:
                self._ring.add(record.sight.row, number, min(max(record.confidence, 0.0), 1.0), record.margin)


def _seen(rows: np.ndarray) -> Seen:
    return to_seen(rows[:, :-3], rows[:, -3].astype(int), rows[:, -2], rows[:, -1])
