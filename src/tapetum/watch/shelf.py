"""Kept pictures in a folder, bounded in bytes and age: the surest answers give way to those that teach more."""

import heapq
import shutil
from collections import deque
from datetime import datetime, timedelta
from pathlib import Path

import structlog

from tapetum import kept
from tapetum.errors import DataError
from tapetum.kept import Kept

# What is worth least goes first. Most is what a person labelled, then what is unlike the training data, then what the
# model was unsure of, then what is new.
Worth = tuple[bool, bool, float, datetime]
_MORE_THAN_ANY: Worth = (True, True, 1.0, datetime.max)
_MOST_GONE = 100

log = structlog.get_logger()


class Shelf:
    """The folder and what is in it; for one thread, though `pictures` and `size` may be read from any.

    What lies there from before is taken over, and what broke off is removed. All but that and reading raises OSError.
    """

    def __init__(self, folder: Path, most_bytes: int, max_age_s: float) -> None:
        self.size = 0
        self._folder = folder
        self._most_bytes = most_bytes
        self._max_age = timedelta(seconds=max_age_s)
        self._held: dict[str, tuple[Kept, int]] = {}  # by name, with the bytes that both files take
        self._names: dict[tuple[str, int], str] = {}  # by request and number
        # Both may name what is gone or has another worth by now.
        self._by_worth: list[tuple[Worth, str]] = []
        self._by_age: deque[tuple[datetime, str]] = deque()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._take_over()

    @property
    def pictures(self) -> int:
        """How many lie there."""
        return len(self._held)

    def put(self, content: bytes, facts: Kept) -> None:
        """Keep a picture, if there is room for it or what it takes is worth less."""
        said = kept.to_bytes(facts)
        if not self._make_room(len(content) + len(said), _worth(facts)):
            return
        # Facts first: what breaks off leaves facts without a picture, which surely are ours and can be cleared away.
        self._write_facts(facts, said)
        try:
            kept.write(self._folder, facts.picture, content)
        except OSError:
            self._drop(facts.picture)
            raise

    def label(self, request_id: str, number: int, label: str) -> None:
        """Write what a person says beside the picture, where it was kept."""
        name = self._names.get((request_id, number))
        if name is None:
            return
        facts, _ = self._held[name]
        if not (self._folder / name).exists():  # someone has removed it
            self._drop(name)
            return
        labelled = facts.model_copy(update={"label": label})
        self._write_facts(labelled, kept.to_bytes(labelled))
        self._make_room(0, _MORE_THAN_ANY)  # for the label

    def expire(self, now: datetime) -> None:
        """Remove what is too old."""
        while self._by_age and now - self._by_age[0][0] > self._max_age:
            _, name = self._by_age.popleft()
            if name in self._held:
                self._drop(name)

    def _take_over(self) -> None:
        """Know what lies there, oldest first; of what is not ours nothing is touched."""
        own = [entry for entry in self._folder.iterdir() if kept.OWN_NAME.fullmatch(entry.name)]
        found = []
        for path in own:
            if path.suffix != kept.SUFFIX:
                continue
            try:
                facts = kept.read(path)
            except DataError as error:
                log.warning("a kept picture is left as it is", reason=str(error))
                continue
            picture = self._folder / facts.picture
            # A machine that lost its power may have kept the name, and not the bytes.
            if picture.is_file() and picture.stat().st_size == facts.size:
                found.append((facts.at, facts, facts.size + path.stat().st_size))
            else:
                picture.unlink(missing_ok=True)
                path.unlink()
        for _, facts, size in sorted(found, key=lambda each: each[0]):
            self._hold(facts, size)
        for path in own:
            if path.name[0] == ".":
                shutil.rmtree(path, ignore_errors=True)
        self._make_room(0, _MORE_THAN_ANY)  # there may be less by now

    def _write_facts(self, facts: Kept, said: bytes) -> None:
        kept.write(self._folder, kept.beside(Path(facts.picture)).name, said)
        self._hold(facts, facts.size + len(said))

    def _hold(self, facts: Kept, size: int) -> None:
        name = facts.picture
        former, before = self._held.get(name, (None, 0))
        if former is None:
            self._by_age.append((facts.at, name))
        if former is None or _worth(former) != _worth(facts):
            heapq.heappush(self._by_worth, (_worth(facts), name))
        self.size += size - before
        self._held[name] = facts, size
        self._names[facts.request_id, facts.number] = name
        if max(len(self._by_worth), len(self._by_age)) > 2 * len(self._held) + _MOST_GONE:
            self._sort()

    def _sort(self) -> None:
        """Both orders without what is gone, which would pile up."""
        self._by_worth = sorted((_worth(facts), name) for name, (facts, _) in self._held.items())
        self._by_age = deque(sorted((facts.at, name) for name, (facts, _) in self._held.items()))

    def _make_room(self, size: int, worth: Worth) -> bool:
        """Drop what is worth less until there is room; nothing is dropped where that would not be enough."""
        leaving: list[tuple[Worth, str]] = []
        free = self._most_bytes - self.size
        while free < size and self._by_worth and self._by_worth[0][0] < worth:
            least, name = heapq.heappop(self._by_worth)
            if name in self._held and _worth(self._held[name][0]) == least:
                leaving.append((least, name))
                free += self._held[name][1]
        is_enough = free >= size
        for least, name in leaving:
            if is_enough:
                self._drop(name)
            else:
                heapq.heappush(self._by_worth, (least, name))
        return is_enough

    def _drop(self, name: str) -> None:
        facts, size = self._held[name]
        picture = self._folder / name
        picture.unlink(missing_ok=True)
        kept.beside(picture).unlink(missing_ok=True)
        del self._held[name]
        self.size -= size
        key = facts.request_id, facts.number
        if self._names.get(key) == name:
            del self._names[key]


def _worth(facts: Kept) -> Worth:
    return facts.label is not None, facts.unlike is True, -facts.margin, facts.at
