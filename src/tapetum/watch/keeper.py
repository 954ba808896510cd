"""Keeps some served pictures, off the path of answers: they are chosen there, and written on a thread of its own."""

import random
import uuid
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from queue import Empty, SimpleQueue
from threading import Thread

import numpy as np
import structlog

from tapetum import containers
from tapetum.kept import Kept
from tapetum.watch.record import Record
from tapetum.watch.shelf import Shelf

QUEUE_FULL, DISK = "queue-full", "disk"
REASONS = (QUEUE_FULL, DISK)
CLOSING_S = 3.0
_MOST_WAITING = 64
_MOST_WAITING_BYTES = 32_000_000
_MOST_WORDS = 10_000  # of feedback; each is a few bytes
_EVERY_S = 60.0

_Work = tuple[int, Callable[[Shelf], None] | None]  # with the bytes of the picture that it is about

log = structlog.get_logger()


class Keeper:
    """Keeps pictures unlike the training data, those less confident than `low_confidence`, and a `share` of all.

    Taking one never holds up the event loop: what is too much is left out and counted. A disk that is full or read-only
    costs pictures and a warning, nothing else.
    """

    def __init__(
        self,
        open_shelf: Callable[[], Shelf],
        share: float,
        low_confidence: float,
        clock: Callable[[], datetime],
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._open_shelf = open_shelf
        self._share = share
        self._low_confidence = low_confidence
        self._clock = clock
        self._draw = draw
        self._shelf: Shelf | None = None
        self._lost = dict.fromkeys(REASONS, 0)
        self._is_failing = False
        # Pictures that were ever queued, and that are done with: a thread counts up each, so that none needs a lock.
        self._queued = self._queued_bytes = self._done = self._done_bytes = 0
        self._queue: SimpleQueue[_Work | None] = SimpleQueue()
        self._thread = Thread(target=self._run, name="keeper", daemon=True)

    @property
    def pictures(self) -> int:
        """How many are kept."""
        return self._shelf.pictures if self._shelf else 0

    @property
    def size(self) -> int:
        """Bytes that they take."""
        return self._shelf.size if self._shelf else 0

    @property
    def lost(self) -> dict[str, int]:
        """How many pictures and labels were chosen and could not be kept, by reason."""
        return self._lost.copy()

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def close(self, within_s: float = CLOSING_S) -> None:
        """Write what waits, and end; after `within_s` without the rest."""
        self._queue.put(None)
        self._thread.join(within_s)

    def offer(self, contents: Sequence[bytes | np.ndarray], records: Sequence[Record]) -> None:
        """Choose from the pictures of a request; of one that is refused in part, none is kept. Pixels are no file."""
        if any(record.label is None for record in records):
            return
        for number, (content, record) in enumerate(zip(contents, records, strict=True)):
            if isinstance(content, bytes) and self._is_chosen(record):
                self._put(content, record, number)

    def label(self, request_id: str, number: int, label: str) -> None:
        """Have it written down what a person says of a picture, if that is kept."""
        if self._queue.qsize() >= _MOST_WORDS:
            self._lost[QUEUE_FULL] += 1
            return
        self._queue.put((0, lambda held: held.label(request_id, number, label)))

    def _is_chosen(self, record: Record) -> bool:
        assert record.confidence is not None
        return record.unlike is True or record.confidence < self._low_confidence or self._draw() < self._share

    def _put(self, content: bytes, record: Record, number: int) -> None:
        waiting, waiting_bytes = self._queued - self._done, self._queued_bytes - self._done_bytes
        if waiting >= _MOST_WAITING or waiting_bytes + len(content) > _MOST_WAITING_BYTES:
            self._lost[QUEUE_FULL] += 1
            return
        self._queued += 1
        self._queued_bytes += len(content)
        self._queue.put((len(content), partial(_keep, content, record, number, self._clock())))

    def _run(self) -> None:
        self._attempt(0, None)
        while self._go_on():
            pass

    def _go_on(self) -> bool:
        """Do what comes next, or look for what is too old; False at the end. Done with it, its bytes are let go."""
        try:
            work = self._queue.get(timeout=_EVERY_S)
        except Empty:
            work = (0, None)
        if work is not None:
            self._attempt(*work)
        return work is not None

    def _attempt(self, size: int, work: Callable[[Shelf], None] | None) -> None:
        try:
            if self._shelf is None:
                self._shelf = self._open_shelf()
            if work is not None:
                work(self._shelf)
            self._shelf.expire(self._clock())
        except Exception as error:  # the top of a supervised thread: it goes on, and tells
            self._lost[DISK] += work is not None
            if not self._is_failing:
                is_foreseen = isinstance(error, OSError)
                reason = getattr(error, "strerror", None) or repr(error)
                log.warning("pictures cannot be kept", reason=reason, exc_info=None if is_foreseen else error)
            self._is_failing = True
        else:
            if self._is_failing:
                log.info("pictures can be kept again")
            self._is_failing = False
        self._done += bool(size)
        self._done_bytes += size


def _keep(content: bytes, record: Record, number: int, at: datetime, held: Shelf) -> None:
    assert record.label is not None
    assert record.confidence is not None
    assert record.margin is not None
    name = uuid.uuid4().hex + containers.suffix(content)
    facts = Kept(
        picture=name,
        size=len(content),
        at=at,
        request_id=record.request_id,
        number=number,
        model=record.model or "",
        version=record.version or "",
        prediction=record.label,
        confidence=record.confidence,
        margin=record.margin,
        unlike=record.unlike,
    )
    held.put(content, facts)
