"""A limited set of pictures is balanced, full, and the same each time."""

from collections import Counter
from pathlib import Path

import pytest

from tapetum.data.limit import surplus


def make(root: Path, sizes: dict[str, int], pattern: str = "{}.jpg") -> Path:
    for folder, size in sizes.items():
        (root / folder).mkdir(parents=True, exist_ok=True)
        for number in range(size):
            (root / folder / pattern.format(number)).touch()
    return root


def kept(root: Path, limit: int) -> set[str]:
    pictures = {path for path in root.rglob("*") if path.is_file()}
    return {path.relative_to(root).as_posix() for path in pictures - surplus(root, limit)}


def per_folder(names: set[str]) -> dict[str, int]:
    return Counter(name.rpartition("/")[0] for name in names)


def test_parts_and_their_classes_share_evenly(tmp_path):
    make(tmp_path, {"train/cat": 50, "train/dog": 40, "test/cat": 10, "test/dog": 10})

    assert set(per_folder(kept(tmp_path, 40)).values()) == {10}


def test_what_a_small_class_lacks_the_larger_ones_give(tmp_path):
    make(tmp_path, {"cat": 2, "dog": 40, "fox": 40})

    assert per_folder(kept(tmp_path, 30)) == {"cat": 2, "dog": 14, "fox": 14}


@pytest.mark.parametrize("limit", [1, 2, 7, 91, 92])
def test_the_number_is_met(tmp_path, limit):
    make(tmp_path, {"cat": 3, "dog/2023": 40, "dog/2024": 9, "fox": 40})

    assert len(kept(tmp_path, limit)) == limit


def test_a_limit_beyond_all_keeps_all(tmp_path):
    assert surplus(make(tmp_path, {"cat": 3, "dog": 4}), 100) == set()


def test_the_same_are_kept_elsewhere(tmp_path):
    sizes = {"cat": 30, "dog": 40}

    assert kept(make(tmp_path / "one", sizes), 10) == kept(make(tmp_path / "two", sizes), 10)


def test_pictures_are_not_taken_in_the_order_of_their_names(tmp_path):
    make(tmp_path, {"cat": 40}, "{:02}.jpg")

    assert kept(tmp_path, 10) != {f"cat/{number:02}.jpg" for number in range(10)}


def test_a_larger_limit_keeps_what_a_smaller_one_kept(tmp_path):
    make(tmp_path, {"cat": 30, "dog": 40})

    assert kept(tmp_path, 10) < kept(tmp_path, 20)


def test_new_pictures_only_push_out_some(tmp_path):
    before = kept(make(tmp_path, {"cat": 30, "dog": 30}), 20)
    after = kept(make(tmp_path, {"cat": 33, "dog": 33}), 20)

    assert len(before & after) >= 14


def test_names_that_begin_with_the_class_are_balanced_too(tmp_path):
    make(tmp_path, {".": 30}, "cat.{}.jpg")
    make(tmp_path, {".": 60}, "dog.{}.jpg")

    assert Counter(name[:3] for name in kept(tmp_path, 20)) == {"cat": 10, "dog": 10}


def test_hidden_pictures_are_not_among_those_kept(tmp_path):
    make(tmp_path, {"cat": 5, "dog": 5, ".trash": 50})

    assert per_folder(kept(tmp_path, 6)) == {"cat": 3, "dog": 3}


def test_a_hidden_folder_above_does_not_hide(tmp_path):
    assert len(kept(make(tmp_path / ".workplace", {"cat": 5, "dog": 5}), 6)) == 6
