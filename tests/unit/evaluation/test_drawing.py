"""Drawings fit into a page: its colours, its letters, and no name that is there twice."""

import re

import matplotlib
import pytest
from matplotlib.figure import Figure

from tapetum.evaluation.drawing import BLUE, draw, in_percent, short


def paint(figure: Figure) -> None:
    axes = figure.subplots()
    axes.plot([0, 0.5], [0, 1], color=BLUE, label="a < b & $c$ 狗")
    axes.legend()
    in_percent(axes.xaxis)


@pytest.mark.parametrize(
    ("label", "shown"),
    [
        ("cat", "cat"),
        ("exactly 18 letters", "exactly 18 letters"),
        ("golden retriever, old", "golden re…ver, old"),
        ("狗" * 9, "狗" * 9),
        ("狗" * 10, "狗狗狗狗…狗狗狗狗"),
        ("two\nlines", "two\N{REPLACEMENT CHARACTER}lines"),
    ],
)
def test_a_label_is_cut_in_the_middle(label, shown):
    assert short(label) == shown


def test_colours_are_the_pages_and_letters_stay_letters():
    svg = draw("Title", "", 'what "it" shows', paint).svg

    assert "var(--accent)" in svg
    assert re.findall("#[0-9a-f]{6};", svg.replace("#000000", "")) == []
    assert "a &lt; b &amp; $c$ 狗" in svg
    assert 'aria-label="what &quot;it&quot; shows"' in svg


def test_two_drawings_in_a_page_share_no_name():
    names = [set(re.findall('id="([^"]*)"', draw(title, "", "", paint).svg)) for title in ("one", "two")]

    assert all(names)
    assert not names[0] & names[1]


def test_the_settings_of_the_user_are_neither_used_nor_changed():
    plain = draw("Title", "", "", paint)

    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "red"}):
        before = dict(matplotlib.rcParams)
        assert draw("Title", "", "", paint) == plain
        assert dict(matplotlib.rcParams) == before
