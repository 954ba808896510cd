"""From kept pictures to a labelled folder: what is taken, once, and what is left to a person."""

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tapetum import kept
from tapetum.data.feedback import gather
from tapetum.errors import ConfigError, DataError
from tapetum.kept import Kept


def keep(place: Path, number: int, content: bytes, label: str | None) -> str:
    """Keep a picture as a service does; its name."""
    place.mkdir(exist_ok=True)
    name = f"{number:032x}.png"
    facts = Kept(
        picture=name,
        size=len(content),
        at=datetime(2026, 11, 22, 12, tzinfo=UTC),
        request_id=str(number),
        number=0,
        model="m",
        version="1",
        prediction="cat",
        confidence=0.5,
        margin=0.0,
        label=label,
    )
    kept.write(place, name, content)
    kept.write(place, kept.beside(Path(name)).name, kept.to_bytes(facts))
    return name


@pytest.fixture
def place(tmp_path: Path) -> Path:
    place = tmp_path / "kept"
    keep(place, 1, b"tom", "cat")
    keep(place, 2, b"rex", "dog")
    keep(place, 3, b"tom", "cat")
    keep(place, 4, b"who knows", None)
    return place


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "photos"


def held(target: Path) -> dict[str, bytes]:
    return {path.relative_to(target).as_posix(): path.read_bytes() for path in target.rglob("*") if path.is_file()}


def name_of(content: bytes, label: str) -> str:
    return f"{label}/{hashlib.sha256(content).hexdigest()}.png"


def test_labelled_pictures_come_once_and_those_without_a_label_are_left_out(place, target):
    gathered = gather(place, target)

    assert held(target) == {name_of(b"tom", "cat"): b"tom", name_of(b"rex", "dog"): b"rex"}
    assert (gathered.added, gathered.known, gathered.unlabelled, gathered.conflicts) == (2, 0, 1, [])


def test_gathering_again_adds_what_is_new_and_touches_nothing_else(place, target):
    gather(place, target)
    (target / "cat" / "mine.png").write_bytes(b"mine")
    stamps = {path: path.stat().st_mtime_ns for path in target.rglob("*.png")}
    keep(place, 4, b"who knows", "cat")
    keep(place, 5, b"", None)

    gathered = gather(place, target)

    assert (gathered.added, gathered.known, gathered.unlabelled) == (1, 2, 1)
    assert held(target).keys() == {
        *(name_of(b"tom", "cat"), name_of(b"rex", "dog"), name_of(b"who knows", "cat")),
        "cat/mine.png",
    }
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps


def test_what_the_store_has_given_up_since_stays(place, target):
    gather(place, target)
    for path in place.iterdir():
        path.unlink()

    gather(place, target)

    assert len(held(target)) == 2


def test_a_picture_with_two_labels_is_named_and_left_out(place, target):
    name = keep(place, 5, b"tom", "dog")

    gathered = gather(place, target)

    assert held(target) == {name_of(b"rex", "dog"): b"rex"}
    (said,) = gathered.conflicts
    assert said == (f"the same picture has two labels and is left out: {1:032x}.png cat, {3:032x}.png cat, {name} dog")


def test_a_picture_that_has_another_label_by_now_is_named_and_left_where_it_is(place, target):
    gather(place, target)
    keep(place, 2, b"rex", "cat")

    gathered = gather(place, target)

    assert gathered.conflicts == [f"{2:032x}.png is cat, and lies in {target / 'dog'} since before: it is left there"]
    assert name_of(b"rex", "dog") in held(target)
    assert name_of(b"rex", "cat") not in held(target)


@pytest.mark.parametrize("label", ["..", "../photos", ".hidden", "a/b"])
def test_a_label_that_leads_elsewhere_is_refused_before_anything_is_written(place, target, label):
    name = keep(place, 5, b"felix", label)

    with pytest.raises(DataError, match=f"{name[:32]}.json: the label .* cannot name a folder"):
        gather(place, target)

    assert not target.exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [("{", "Invalid JSON"), ("{}", "picture: Field required"), ('"', "Invalid JSON"), (None, "names the picture")],
)
def test_damaged_facts_are_named_before_anything_is_written(place, target, content, words):
    path = place / f"{2:032x}.json"
    path.write_text((place / f"{1:032x}.json").read_text() if content is None else content)

    with pytest.raises(DataError, match=f"{path.name}.*{words}"):
        gather(place, target)

    assert not target.exists()


def test_what_is_not_the_services_is_not_looked_at(place, target):
    (place / "notes.json").write_text("mine")
    (place / f"{1:032x}.png").unlink()

    assert gather(place, target).added == 2


def test_folders_that_cannot_be_are_named(place, target, tmp_path):
    with pytest.raises(ConfigError, match=r"--from .*nowhere is no folder: expected that of TAPETUM_KEEP_PICTURES_DIR"):
        gather(tmp_path / "nowhere", target)
    with pytest.raises(ConfigError, match=r"--to .*inner lies inside --from .*kept: choose a folder outside it"):
        gather(place, place / "inner")
    target.write_text("")
    with pytest.raises(ConfigError, match=r"--to .*photos is a file: expected a folder"):
        gather(place, target)
