"""What people say of answers: which answers they can speak of, and how many of those that they judged were right."""

from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import NamedTuple

from pydantic import Field

from tapetum.errors import UnknownAnswer, UnknownLabel
from tapetum.scores import wilson
from tapetum.watch.figures import Figures, Number
from tapetum.watch.record import Exchange

WINDOW = 1000
RIGHT, WRONG = "right", "wrong"
OUTCOMES = (RIGHT, WRONG)
_FORGOTTEN_AT_ONCE = 2
_LABELS_SHOWN = 20


class Realised(Figures):
    """How many answers were right, of those that somebody judged."""

    answers: int = Field(description="Answers that somebody judged.")
    right: int
    accuracy: Number | None = Field(description="Right by answers, 0 to 1.")
    low: Number | None = Field(description="Lower end of its 95 % interval.")
    high: Number | None = Field(description="Upper end of its 95 % interval.")


class RealisedFigures(Realised):
    """The last 1,000 answers of the served model that somebody judged, in total and by what the model said."""

    classes: dict[str, Realised] = Field(description="Of the answers with that class.")


class Verdict(NamedTuple):
    """What a word of feedback came to; `replaced` is what was said of the same answer before."""

    prediction: str
    version: str
    is_right: bool
    replaced: str | None


class _Judged(NamedTuple):
    prediction: str
    label: str


class Feedback:
    """Remembers the last `most` answered requests for `age_s`, and what was said of the last answers that were judged.

    All but reading belongs to one thread, that of the event loop.
    """

    def __init__(self, most: int, age_s: float, clock: Callable[[], float]) -> None:
        self.words = dict.fromkeys(OUTCOMES, 0)
        self._most = most
        self._age_s = age_s
        self._clock = clock
        # By request: when, by which version, and the class of each picture.
        self._answers: OrderedDict[str, tuple[float, str | None, tuple[str | None, ...]]] = OrderedDict()
        self._judged: OrderedDict[tuple[str, int], _Judged] = OrderedDict()
        self._counts: Counter[tuple[str, bool]] = Counter()
        self._singles: dict[str, tuple[str]] = {}
        self._version: str | None = None

    def expect(self, classes: Sequence[str], version: str) -> None:
        """The model that is served from now on; what was said of another counts for this one no more."""
        if version != self._version:
            self._judged.clear()
            self._counts.clear()
        self._singles = {label: (label,) for label in classes}  # one for all answers, where each would keep its own
        self._version = version

    def observe(self, exchange: Exchange) -> None:
        """Remember a request that was answered; of two with the same id, the last."""
        records = exchange.records
        if not records or exchange.status != HTTPStatus.OK:
            return
        labels: tuple[str | None, ...]
        if len(records) == 1 and records[0].label is not None:
            labels = self._singles.get(records[0].label) or (records[0].label,)
        else:
            labels = tuple(record.label for record in records)
        now = self._clock()
        answers = self._answers
        answers[exchange.request_id] = (now, records[0].version, labels)
        answers.move_to_end(exchange.request_id)
        # Two for one: what a burst has left is forgotten without ever holding anyone up.
        for _ in range(_FORGOTTEN_AT_ONCE):
            if len(answers) > self._most or now - next(iter(answers.values()))[0] > self._age_s:
                answers.popitem(last=False)

    def judge(self, request_id: str, number: int, label: str) -> Verdict:
        """Take in what the `number`th picture of a request shows, instead of what was said of it before.

        Raises UnknownAnswer or UnknownLabel.
        """
        prediction, version = self._find(request_id, number)
        if label not in self._singles:
            known = list(self._singles)
            shown = ", ".join(known[:_LABELS_SHOWN]) + (", …" if len(known) > _LABELS_SHOWN else "")
            raise UnknownLabel(f"the label is {label!r}: expected one of the {len(known)} classes: {shown}")
        is_right = label == prediction
        self.words[RIGHT if is_right else WRONG] += 1
        replaced = None
        if version == self._version:
            replaced = self._count(request_id, number, _Judged(prediction, label))
        return Verdict(prediction, version, is_right, replaced)

    def _find(self, request_id: str, number: int) -> tuple[str, str]:
        answered_at, version, labels = self._answers.get(request_id, (float("-inf"), None, ()))
        if self._clock() - answered_at > self._age_s:
            raise UnknownAnswer(
                f"no answer to the request {request_id!r} is known here: each replica remembers the last "
                f"{self._most:,} requests that it answered itself, for {self._age_s / 3600:,.3g} hours"
            )
        prediction = labels[number] if number < len(labels) else None
        if prediction is None:
            raise UnknownAnswer(
                f"picture {number} of the request {request_id!r} got no class: it had {len(labels)}, counted from 0"
            )
        assert version is not None, "whoever names a class has a version"
        return prediction, version

    def _count(self, request_id: str, number: int, judged: _Judged) -> str | None:
        """Count a judgement as the newest of the window; what was said of the same answer before, if anything."""
        former = self._judged.pop((request_id, number), None)
        if former is not None:
            self._counts[former.prediction, former.prediction == former.label] -= 1
        self._judged[request_id, number] = judged
        self._counts[judged.prediction, judged.prediction == judged.label] += 1
        if len(self._judged) > WINDOW:
            _, oldest = self._judged.popitem(last=False)
            self._counts[oldest.prediction, oldest.prediction == oldest.label] -= 1
        return former.label if former else None

    def counts(self) -> dict[str, tuple[int, int]]:
        """By class that the model said: how many of the window were right, and how many wrong; from any thread."""
        counts = self._counts.copy()
        return {label: (counts[label, True], counts[label, False]) for label in self._singles}

    def figures(self) -> RealisedFigures:
        """The window, with intervals."""
        counts = self.counts()
        whole = _realised(sum(right for right, _ in counts.values()), sum(wrong for _, wrong in counts.values()))
        classes = {label: _realised(*numbers) for label, numbers in counts.items()}
        return RealisedFigures(**dict(whole), classes=classes)


def _realised(right: int, wrong: int) -> Realised:
    if not right + wrong:
        return Realised(answers=0, right=0, accuracy=None, low=None, high=None)
    share = wilson(right, right + wrong)
    return Realised(answers=right + wrong, right=right, accuracy=share.value, low=share.low, high=share.high)
