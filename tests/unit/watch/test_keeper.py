"""Which pictures are kept, which give way, and what becomes of those that cannot be written."""

import json
import resource
from collections.abc import Callable, Iterator, Sized
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from threading import Event

import numpy as np
import pytest
import structlog

from tapetum import kept
from tapetum.kept import Kept
from tapetum.profile.sight import Sight
from tapetum.profile.traits import Traits
from tapetum.watch.keeper import Keeper
from tapetum.watch.record import Record
from tapetum.watch.shelf import Shelf

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
DAY_S = 86_400
SURE = Record(
    "a", "/predict", "answered", 200, 1000, 0.0, 0.02, label="cat", confidence=0.9, margin=0.8, model="m", version="1"
)
UNSURE = replace(SURE, confidence=0.5, margin=0.0)
TRAITS = [0.5] * len(Traits._fields)
UNLIKE, ALIKE = (replace(SURE, sight=Sight(np.float32([*TRAITS, strangeness, 0, 0]))) for strangeness in (1.5, 0.5))
JPEG = b"\xff\xd8" + bytes(1000)

Open = Callable[..., Shelf]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "new" / "kept"


def shelf_of(place: Path, most_bytes: int = 1_000_000) -> Shelf:
    return Shelf(place, most_bytes, DAY_S)


def facts_of(
    number: int, margin: float, label: str | None = None, size: int = 1000, unlike: bool | None = None
) -> Kept:
    """Of the `number`th picture, which its name and its request have too."""
    return Kept(
        picture=f"{number:032x}.jpg",
        size=size,
        at=NOON + timedelta(minutes=number),
        request_id=str(number),
        number=0,
        model="m",
        version="1",
        prediction="cat",
        confidence=(1 + margin) / 2,
        margin=margin,
        unlike=unlike,
        label=label,
    )


def put(shelf: Shelf, *all_facts: Kept) -> None:
    for facts in all_facts:
        shelf.put(bytes(facts.size), facts)


def numbers(place: Path) -> list[int]:
    """Which pictures lie there; each has its facts, and there is nothing else."""
    names = sorted(path.name for path in place.iterdir())
    pictures = [name for name in names if name.endswith(".jpg")]
    assert names == sorted([*pictures, *(name.replace(".jpg", ".json") for name in pictures)])
    return [int(name[:32], 16) for name in pictures]


def taken(place: Path) -> int:
    return sum(path.stat().st_size for path in place.iterdir())


def test_the_surest_answers_give_way_to_less_sure_ones(place):
    shelf = shelf_of(place, most_bytes=4500)
    put(shelf, facts_of(1, 0.9), facts_of(2, 0.1), facts_of(3, 0.5))
    assert numbers(place) == [1, 2, 3]

    put(shelf, facts_of(4, 0.2), facts_of(5, 0.95))

    assert numbers(place) == [2, 3, 4]
    assert (shelf.pictures, shelf.size) == (3, taken(place))


def test_those_unlike_the_training_data_stay_longer_than_the_unsure(place):
    shelf = shelf_of(place, most_bytes=3000)
    put(shelf, facts_of(1, 0.95, unlike=True), facts_of(2, 0.1, unlike=False))

    put(shelf, facts_of(3, 0.05), facts_of(4, 0.9, unlike=True))

    assert numbers(place) == [1, 4]


def test_a_labelled_picture_gives_way_to_none_without(place):
    shelf = shelf_of(place, most_bytes=3500)
    put(shelf, facts_of(1, 0.9), facts_of(2, 0.8))
    shelf.label("1", 0, "dog")

    put(shelf, facts_of(3, 0.1), facts_of(4, 0.05))

    assert numbers(place) == [1, 4]
    assert kept.read(place / f"{1:032x}.json").label == "dog"
    assert (shelf.pictures, shelf.size) == (2, taken(place))


def test_where_room_would_not_suffice_nothing_is_lost(place):
    shelf = shelf_of(place, most_bytes=4500)
    put(shelf, facts_of(1, 0.9), facts_of(2, 0.1), facts_of(3, 0.2))

    put(shelf, facts_of(4, 0.5, size=3000), facts_of(5, 0.0, size=5000))
    assert numbers(place) == [1, 2, 3]

    put(shelf, facts_of(6, 0.8))
    assert numbers(place) == [2, 3, 6]


def test_a_picture_that_is_labelled_again_makes_room_once(place):
    shelf = shelf_of(place, most_bytes=3000)
    put(shelf, facts_of(1, 0.9), facts_of(2, 0.8))
    for label in ("cat", "dog"):
        shelf.label("1", 0, label)

    put(shelf, facts_of(3, 0.5, label="cat", size=2900))

    assert (numbers(place), shelf.size) == ([1, 2], taken(place))


def test_pictures_leave_with_age(place):
    shelf = shelf_of(place)
    put(shelf, facts_of(1, 0.1), facts_of(2, 0.1, label="cat"), facts_of(3, 0.1))

    shelf.expire(NOON + timedelta(days=1, minutes=2))
    assert numbers(place) == [2, 3]

    shelf.expire(NOON + timedelta(days=1, minutes=2, seconds=1))
    assert numbers(place) == [3]
    assert shelf.size == taken(place)


def test_a_restart_goes_on_with_what_is_there(place):
    put(shelf_of(place), facts_of(2, 0.9), facts_of(1, 0.1), facts_of(3, 0.5, label="dog"))

    shelf = shelf_of(place, most_bytes=4500)

    assert (shelf.pictures, shelf.size) == (3, taken(place))
    put(shelf, facts_of(4, 0.2))
    shelf.label("1", 0, "cat")
    shelf.expire(NOON + timedelta(days=1, minutes=1, seconds=1))
    assert numbers(place) == [3, 4]


def test_a_restart_clears_away_what_broke_off_and_leaves_what_is_not_its(place):
    """A picture without facts may be anybody's, whatever its name."""
    put(shelf_of(place), facts_of(1, 0.5), facts_of(2, 0.5), facts_of(3, 0.5))
    (place / f"{1:032x}.jpg").unlink()
    (place / f"{9:032x}.jpg").write_bytes(b"mine")
    (place / f"{2:032x}.jpg").write_bytes(b"")
    half = place / f".{'4' * 32}.jpg.x1y2z3"
    half.mkdir()
    (half / f"{'4' * 32}.jpg").write_bytes(b"half")
    (place / "mine.jpg").write_bytes(b"mine")
    (place / "mine.json").write_text("{}")

    shelf = shelf_of(place)

    assert shelf.pictures == 1
    assert sorted(path.name for path in place.iterdir()) == [
        f"{3:032x}.jpg",
        f"{3:032x}.json",
        f"{9:032x}.jpg",
        "mine.jpg",
        "mine.json",
    ]


def test_a_restart_with_less_room_gives_up_what_is_worth_least(place):
    put(shelf_of(place), facts_of(1, 0.9), facts_of(2, 0.1), facts_of(3, 0.95, label="cat"))

    shelf = shelf_of(place, most_bytes=3000)

    assert (numbers(place), shelf.size) == ([2, 3], taken(place))


def test_what_has_gone_leaves_nothing_behind_in_memory(place):
    shelf = shelf_of(place, most_bytes=2000)
    for number in range(1, 250):
        put(shelf, facts_of(number, 1 - number / 250, size=1))

    sizes = [len(value) for value in vars(shelf).values() if isinstance(value, Sized)]

    assert 3 < shelf.pictures < 8
    assert max(sizes) <= 2 * shelf.pictures + 100


def test_damaged_facts_are_left_as_they_are_and_told_of(place):
    put(shelf_of(place), facts_of(1, 0.5))
    path = place / f"{1:032x}.json"
    path.write_text("{")

    with structlog.testing.capture_logs() as lines:
        shelf = shelf_of(place)

    assert (shelf.pictures, numbers(place)) == (0, [1])
    assert [line["event"] for line in lines] == ["a kept picture is left as it is"]
    assert path.name in lines[0]["reason"]


def test_what_someone_has_removed_is_not_labelled(place):
    shelf = shelf_of(place)
    put(shelf, facts_of(1, 0.5), facts_of(2, 0.5))
    (place / f"{1:032x}.jpg").unlink()

    shelf.label("1", 0, "cat")
    shelf.label("3", 0, "cat")

    assert (shelf.pictures, numbers(place), shelf.size) == (1, [2], taken(place))


@pytest.fixture
def keeping(place: Path) -> Iterator[Callable[..., Keeper]]:
    """A keeper that draws in turn what it is told, and has written all once it is closed."""
    made: list[Keeper] = []

    def start(open_shelf: Open | None = None, draws: tuple[float, ...] = ()) -> Keeper:
        keeper = Keeper(open_shelf or partial(shelf_of, place), 0.25, 0.6, lambda: NOON, iter(draws).__next__)
        made.append(keeper)
        keeper.start()
        return keeper

    yield start
    for keeper in made:
        keeper.close()


def written(place: Path) -> list[dict[str, object]]:
    return [json.loads(path.read_text()) for path in sorted(place.glob("*.json"))]


def test_the_unlike_and_the_unsure_are_kept_and_of_the_others_a_share(place, keeping):
    keeper = keeping(draws=(0.24, 0.25))

    for request_id, record in {"unsure": UNSURE, "unlike": UNLIKE, "drawn": SURE, "not drawn": ALIKE}.items():
        keeper.offer([JPEG], [replace(record, request_id=request_id)])
    keeper.close()

    kept_of = {facts["request_id"]: facts["unlike"] for facts in written(place)}
    assert kept_of == {"unsure": None, "unlike": True, "drawn": None}
    assert (keeper.pictures, keeper.size) == (3, taken(place))


def test_a_picture_is_kept_as_it_came_with_what_is_known_of_it(place, keeping):
    keeper = keeping()
    keeper.offer([JPEG], [UNSURE])
    keeper.label("a", 0, "dog")
    keeper.close()

    (facts,) = written(place)
    assert (place / str(facts.pop("picture"))).read_bytes() == JPEG
    assert facts == {
        "size": len(JPEG),
        "at": "2026-11-22T12:00:00Z",
        "request_id": "a",
        "number": 0,
        "model": "m",
        "version": "1",
        "prediction": "cat",
        "confidence": 0.5,
        "margin": 0.0,
        "unlike": None,
        "label": "dog",
    }
    assert place.stat().st_mode & 0o077 == 0


def test_the_callers_words_name_no_file(place, keeping):
    keeper = keeping()
    keeper.offer([JPEG], [replace(UNSURE, request_id="../../../etc/passwd")])
    keeper.close()

    assert all(kept.OWN_NAME.fullmatch(path.name) for path in place.iterdir())
    assert [path.name for path in place.parent.iterdir()] == ["kept"]


@pytest.mark.parametrize(
    ("contents", "records"),
    [([JPEG, b""], [UNSURE, replace(UNSURE, label=None)]), ([np.zeros((8, 8, 3), np.uint8)], [UNSURE])],
    ids=["one of a batch refused", "pixels"],
)
def test_of_requests_that_were_refused_in_part_and_of_pixels_nothing_is_kept(place, keeping, contents, records):
    keeper = keeping()
    keeper.offer(contents, records)
    keeper.close()

    assert list(place.iterdir()) == []


def test_what_comes_faster_than_the_disk_takes_it_is_left_out_and_counted(place, keeping):
    """The disk stands still until it is told to go on; one picture may be in its hands."""
    stands, goes_on = Event(), Event()

    def slowly() -> Shelf:
        stands.set()
        assert goes_on.wait(30)
        return shelf_of(place)

    keeper = keeping(slowly)
    assert stands.wait(30)
    for number in range(70):
        keeper.offer([JPEG], [replace(UNSURE, request_id=str(number))])
    keeper.offer([bytes(33_000_000)], [UNSURE])
    goes_on.set()
    keeper.close(within_s=30)

    assert keeper.lost == {"queue-full": 70 - 64 + 1, "disk": 0}
    assert keeper.pictures == 64


def test_bytes_that_wait_are_bounded_too_and_room_comes_back(place, keeping):
    stands, goes_on = Event(), Event()

    def slowly() -> Shelf:
        stands.set()
        assert goes_on.wait(30)
        return shelf_of(place, most_bytes=100_000_000)

    keeper = keeping(slowly)
    assert stands.wait(30)
    large = b"\xff\xd8" + bytes(19_000_000)
    keeper.offer([large], [UNSURE])
    keeper.offer([large], [UNSURE])
    assert keeper.lost["queue-full"] == 1

    goes_on.set()
    keeper.close(within_s=30)
    keeper.offer([large], [UNSURE])
    assert keeper.lost["queue-full"] == 1


def test_a_disk_that_takes_nothing_is_a_warning_and_a_count_and_may_come_back(place, keeping):
    """A file stands where the folder should be, for the first two pictures."""
    place.parent.mkdir()
    place.write_text("in the way")
    seen = Event()

    def open_shelf() -> Shelf:
        if keeper.lost["disk"] == 2:
            place.unlink()
            seen.set()
        return shelf_of(place)

    with structlog.testing.capture_logs() as lines:
        keeper = Keeper(open_shelf, 0.0, 0.6, lambda: NOON, lambda: 1.0)
        keeper.start()
        for number in range(3):
            keeper.offer([JPEG], [replace(UNSURE, request_id=str(number))])
        keeper.close(within_s=30)

    assert seen.is_set()
    assert keeper.lost == {"queue-full": 0, "disk": 2}
    assert [facts["request_id"] for facts in written(place)] == ["2"]
    assert [line["event"] for line in lines] == ["pictures cannot be kept", "pictures can be kept again"]
    assert lines[0]["reason"] == "File exists"


def test_a_picture_that_cannot_be_written_leaves_no_facts(place):
    """The disk takes files of 5,000 bytes at most."""
    shelf = shelf_of(place)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, before[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            put(shelf, facts_of(1, 0.5, size=6000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

    assert list(place.iterdir()) == []
