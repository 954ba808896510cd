"""A sliding window over the last requests, of bounded memory whatever their rate."""

from collections import defaultdict, deque
from collections.abc import Callable, Collection

from tapetum.watch.figures import ApiFigures, ModelFigures
from tapetum.watch.record import Exchange
from tapetum.watch.tally import Pictures, Requests, Span

SLOTS = 60
# Who watches the service does not change what is seen: a probe a second would hide an outage of predictions. Nor does
# who looks into the model or judges it: that heat maps are refused, of which there are few, is no outage. Nor is the
# page at `/`.
WATCHING = {
    *("/explain", "/feedback", "/health", "/ready", "/metrics"),
    *("/api-stats", "/model-stats", "/system-info", "/logging-status", "/alerts/status", "/alerts/test"),
    *("/", "/page/{digest}/{name}", "/model-card", "/model-report", "/shadow-report", "/admin/reload"),
}


class _Slot:
    """What happened in the `number`th stretch of time."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.routes: defaultdict[str, Requests] = defaultdict(Requests)
        self.pictures = Pictures()


class Window:
    """Requests of the last `seconds`, in slots of a sixtieth of that; a slot leaves as a whole.

    A slot holds counts and sketches only, so its size follows from the number
    of routes and classes, never from that of requests. Observing and reading
    belong to one thread, that of the event loop.
    """

    def __init__(self, seconds: float, low_confidence: float, clock: Callable[[], float]) -> None:
        self._seconds = seconds
        self._slot_s = seconds / SLOTS
        self._low_confidence = low_confidence
        self._clock = clock
        self._began = self._model_began = clock()
        self._slots: deque[_Slot] = deque()
        self._classes: Collection[str] = ()
        self._version: str | None = None

    def expect(self, classes: Collection[str], version: str) -> None:
        """The classes that the model has; it is told of each, even where it was never predicted.

        Where one takes the place of another, its pictures are counted from here on, and the other's no more.
        """
        if self._version is not None:
            self._model_began = self._clock()
            for slot in self._slots:
                slot.pictures = Pictures()
        self._classes, self._version = classes, version

    def observe(self, exchange: Exchange) -> None:
        """Count a request and its pictures."""
        number = self._forget(self._clock())
        if not self._slots or self._slots[-1].number < number:
            self._slots.append(_Slot(number))
        slot = self._slots[-1]
        slot.routes[exchange.route].add(exchange)
        for record in exchange.records:
            if record.version in (None, self._version):
                slot.pictures.add(record, self._low_confidence, self._classes)

    def api(self) -> ApiFigures:
        """Requests and their answers, in total and by route."""
        span = self._look(self._began)
        total, routes = Requests(), defaultdict[str, Requests](Requests)
        for slot in self._slots:
            for route, requests in slot.routes.items():
                routes[route].take(requests)
                if route not in WATCHING:
                    total.take(requests)
        return ApiFigures(
            window_s=span.window_s,
            covered_s=span.covered_s,
            endpoints={route: requests.figures(span) for route, requests in sorted(routes.items())},
            **dict(total.figures(span)),
        )

    def model(self, obstacle: str | None = None) -> ModelFigures:
        """Pictures and predictions; `obstacle` is why none can be answered now, None where they can."""
        span = self._look(self._model_began)
        pictures = Pictures()
        for slot in self._slots:
            pictures.take(slot.pictures)
        return pictures.figures(span, self._low_confidence, self._classes, obstacle)

    def _look(self, began: float) -> Span:
        now = self._clock()
        number = self._forget(now)
        return Span(self._seconds, now - max(began, (number - SLOTS + 1) * self._slot_s), self._slot_s)

    def _forget(self, now: float) -> int:
        """Drop the slots that have left the window; the number of the slot of `now`."""
        number = int(now // self._slot_s)
        while self._slots and self._slots[0].number <= number - SLOTS:
            self._slots.popleft()
        return number
