"""How a challenger's answers compare with those that were given, of the same pictures."""

from collections import Counter, deque
from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from pydantic import Field

from tapetum.scores import wilson
from tapetum.watch.figures import Figures, Number
from tapetum.watch.record import Record
from tapetum.watch.sketch import MAGNITUDES, Sketch

MOST_SHOWN = 50
_MOST_BYTES = 16_000_000


class Said(Figures):
    """What a model says of a picture."""

    prediction: str
    probability: Number


class Disagreement(Figures):
    """A picture of which champion and challenger say different things."""

    request_id: str
    picture: int = Field(description="Which of the request's, counted from 0.")
    time: datetime
    champion: Said
    challenger: Said


class Times(Figures):
    """How a time in milliseconds is spread, within 2 %."""

    p50: Number
    p95: Number


class PairedTimes(Figures):
    """Time to decode and compute, of the same pictures."""

    champion: Times
    challenger: Times


class Shown(NamedTuple):
    """A disagreement, and its picture where that is held."""

    facts: Disagreement
    picture: bytes | None


class Comparison:
    """One champion beside one challenger; belongs to one thread.

    The newest MOST_SHOWN disagreements are held, with their pictures if it `keeps_pictures`, of 16 MB in all.
    """

    def __init__(self, clock: Callable[[], datetime], keeps_pictures: bool) -> None:
        self.compared = self.agreed = self.skipped = 0
        self.confusions: Counter[tuple[str, str]] = Counter()  # what the champion said, and then the challenger
        self._clock = clock
        self._keeps_pictures = keeps_pictures
        self._champion_ms, self._challenger_ms = Sketch(MAGNITUDES), Sketch(MAGNITUDES)
        self._shown: deque[Shown] = deque(maxlen=MOST_SHOWN)

    def add(self, record: Record, number: int, said: Said, compute_s: float, content: bytes) -> bool:
        """Count what the challenger says of the `number`th picture of a request that was answered; whether they agree.

        `compute_s` is the challenger's time.
        """
        assert record.label is not None
        assert record.confidence is not None
        self.compared += 1
        self._champion_ms.add(compute_s_of(record) * 1000)
        self._challenger_ms.add(compute_s * 1000)
        if said.prediction == record.label:
            self.agreed += 1
            return True
        self.confusions[record.label, said.prediction] += 1
        facts = Disagreement(
            request_id=record.request_id,
            picture=number,
            time=self._clock(),
            champion=Said(prediction=record.label, probability=record.confidence),
            challenger=said,
        )
        self._shown.appendleft(Shown(facts, content if self._keeps_pictures else None))
        self._let_go()
        return False

    @property
    def agreement(self) -> float | None:
        """Share of the same class among what was compared; None before anything was."""
        return self.agreed / self.compared if self.compared else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Its 95 % interval (Wilson 1927), as if pictures came independently."""
        if not self.compared:
            return None
        share = wilson(self.agreed, self.compared)
        return share.low, share.high

    @property
    def times(self) -> PairedTimes | None:
        """None before anything was compared."""
        if not self.compared:
            return None
        return PairedTimes(champion=_times(self._champion_ms), challenger=_times(self._challenger_ms))

    @property
    def shown(self) -> list[Shown]:
        """The newest disagreements, newest first."""
        return list(self._shown)

    def _let_go(self) -> None:
        """Keep no more bytes of pictures than may be: the oldest go first."""
        free = _MOST_BYTES
        for place, (facts, picture) in enumerate(self._shown):
            size = len(picture or b"")
            if size > free:
                self._shown[place] = Shown(facts, None)
            else:
                free -= size


def compute_s_of(record: Record) -> float:
    """Seconds that the served model took to decode and compute a picture."""
    assert record.decode_s is not None
    assert record.inference_s is not None
    return record.decode_s + record.inference_s


def _times(sketch: Sketch) -> Times:
    return Times(p50=sketch.quantile(0.5), p95=sketch.quantile(0.95))
