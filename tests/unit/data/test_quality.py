"""What shows too little is found, a planted shortcut too, and chance is not."""

from dataclasses import replace

import numpy as np
import pytest
from conftest import encode

from tapetum.data.looks import Look
from tapetum.data.quality import areas_under_curve, judge, mismatch, shortcuts
from tapetum.data.sample import Sample

USUAL = Look(400, 300, 120.0, 55.0, 300.0, 60.0, np.zeros((64, 64), np.uint8))
LARGE = np.full((8, 8, 3), 128, np.uint8)


def viewed(label: str, looks: list[Look]) -> list[tuple[Sample, Look]]:
    return [(Sample(f"{label}/{n}.jpg", label, None, f"{label}-{n}"), look) for n, look in enumerate(looks)]


def varied(rng: np.random.Generator, count: int, brighter: float = 1.0) -> list[Look]:
    """Looks that scatter as those of photographs do."""
    return [
        Look(
            int(rng.integers(200, 500)),
            int(rng.integers(200, 500)),
            float(np.clip(rng.normal(117, 27) * brighter, 0, 255)),
            max(16.0, float(rng.normal(57, 13))),
            float(rng.lognormal(5.7, 0.9)),
            float(rng.lognormal(4, 0.5)),
            USUAL.thumbnail,
        )
        for _ in range(count)
    ]


@pytest.mark.parametrize(
    ("kind", "changed", "message"),
    [
        ("tiny", {"height": 31}, "400×31 pixels; a side below 32"),
        ("blank", {"contrast": 4.9}, "contrast 4.9, below 5.0"),
        ("dark", {"brightness": 34.0, "contrast": 25.0}, "mean brightness 34 of 255"),
        ("blurred", {"sharpness": 15.9}, "sharpness 15.9, below 16.0"),
        ("tiny", {"width": 20, "height": 20, "contrast": 0.0, "brightness": 0.0, "sharpness": 0.0}, "20×20"),
    ],
)
def test_a_picture_that_shows_too_little_is_found_once(kind, changed, message):
    (finding,) = judge(viewed("cat", [*[USUAL] * 5, replace(USUAL, **changed)]))

    assert (finding.kind, finding.paths) == (kind, ["cat/5.jpg"])
    assert message in finding.message


@pytest.mark.parametrize(
    "changed",
    [
        {"width": 32, "height": 32},
        {"contrast": 5.0},
        {"brightness": 35.0, "contrast": 20.0},
        {"brightness": 29.0, "contrast": 45.0},
        {"sharpness": 16.0},
        {"sharpness": 5.0, "width": 255},
    ],
    ids=["small", "pale", "dim", "white dog by flashlight", "soft", "too small to tell"],
)
def test_at_the_bound_there_is_no_finding(changed):
    assert judge(viewed("cat", [*[USUAL] * 5, replace(USUAL, **changed)])) == []


@pytest.mark.parametrize(
    "changed",
    [
        {"width": 8, "height": 8},
        {"contrast": 2.0},
        {"brightness": 10.0, "contrast": 9.0},
        {"sharpness": 3.0},
    ],
    ids=["digits", "fog", "night sky", "clouds"],
)
def test_what_all_pictures_of_a_folder_are_is_no_fault(changed):
    assert judge(viewed("cat", [replace(USUAL, **changed)] * 6)) == []


@pytest.mark.parametrize(("side", "kinds"), [(4, []), (3, ["tiny"])])
def test_among_small_pictures_only_those_below_half_the_usual_size_are_tiny(side, kinds):
    digits = [replace(USUAL, width=8, height=8)] * 6

    findings = judge(viewed("seven", [*digits, replace(USUAL, width=side, height=8)]))

    assert [finding.kind for finding in findings] == kinds


def test_no_pictures_have_no_faults():
    assert judge([]) == []


def test_contents_that_contradict_the_extension_are_named():
    (finding,) = mismatch("cat/a.JPG", encode(LARGE, "PNG"))

    assert (finding.kind, finding.paths) == ("mismatch", ["cat/a.JPG"])
    assert "PNG by its content and JPEG by its name; rename it" in finding.message
    assert mismatch("cat/a.jpeg", encode(LARGE, "JPEG")) == []


@pytest.mark.parametrize(
    ("values", "area"),
    [([1, 2, 3, 4], 1.0), ([3, 4, 1, 2], 0.0), ([1, 3, 2, 4], 0.75), ([5, 5, 5, 5], 0.5), ([1, 2, 2, 3], 0.875)],
)
def test_the_area_is_the_share_of_pairs_in_order(values, area):
    """Worked by hand for two pictures of class 0 and two of class 1; equal values count half."""
    areas = areas_under_curve(np.array(values), np.array([0, 0, 1, 1]))

    assert areas.tolist() == [1 - area, area]


@pytest.mark.parametrize(("others", "named"), [(["dog"], "of dog"), (["dog", "fox", "owl"], "of the other classes")])
def test_a_class_30_percent_brighter_is_found_and_nothing_else(rng, others, named):
    planted = viewed("cat", varied(rng, 100, brighter=1.3))
    for label in others:
        planted += viewed(label, varied(rng, 100))

    (finding,) = shortcuts(planted)

    assert (finding.kind, finding.paths) == ("shortcut", [])
    assert f"brightness tells cat apart: it is larger than in pictures {named}" in finding.message


def test_file_sizes_are_judged_where_they_are_given(rng):
    pictures = viewed("cat", varied(rng, 50)) + viewed("dog", varied(rng, 50))
    file_bytes = {sample.path: 90_000 if sample.label == "dog" else 25_000 for sample, _ in pictures}

    (finding,) = shortcuts(pictures, file_bytes)

    assert "file size tells cat apart: it is smaller than in pictures of dog in 100% of pairs" in finding.message
    assert "median 25,000 against 90,000" in finding.message
    assert shortcuts(pictures) == []


@pytest.mark.parametrize("classes", [{"cat": 19, "dog": 19}, {"cat": 50}, {"cat": 50, "dog": 3}, {"dog": 3}])
def test_too_few_pictures_give_nothing_away(rng, classes):
    pictures = [
        entry
        for number, (label, count) in enumerate(classes.items())
        for entry in viewed(label, varied(rng, count, brighter=1 + number))
    ]

    assert shortcuts(pictures) == []


@pytest.mark.parametrize(("n_classes", "count"), [(2, 20), (2, 50), (10, 100)])
def test_random_labels_raise_no_alarm(rng, n_classes, count):
    """At most 2 false alarms, 1 %, in 200 labellings of the same pictures."""
    looks = varied(rng, n_classes * count)
    labels = np.repeat(np.arange(n_classes), count)
    alarms = 0
    for _ in range(200):
        rng.shuffle(labels)
        pictures = [
            (Sample(str(n), str(label), None, ""), look)
            for n, (label, look) in enumerate(zip(labels, looks, strict=True))
        ]
        alarms += bool(shortcuts(pictures, {str(n): n for n in range(len(looks))}))

    assert alarms <= 2
