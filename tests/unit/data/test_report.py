"""The report shows every kind of finding, and asks nothing of anyone."""

import base64
import io
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from conftest import encode
from pages import Page, assert_asks_nobody, assert_has_order
from PIL import Image

from tapetum.data import report
from tapetum.data.finding import Finding, Kind


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Pictures 400 wide and 100 high, a small one, and a broken one."""
    (tmp_path / "cat").mkdir()
    for number in range(4):
        (tmp_path / "cat" / f"{number}.png").write_bytes(encode(np.full((100, 400, 3), 60 * number, np.uint8), "PNG"))
    (tmp_path / "cat" / "small.png").write_bytes(encode(np.full((8, 8, 3), 200, np.uint8), "PNG"))
    (tmp_path / "cat" / "broken.jpg").write_bytes(b"\xff\xd8\xff and no more")
    return tmp_path


def page(root: Path, findings: list[Finding], counts: dict[str, int] | None = None) -> Page:
    return Page(report.html("Check of pets", root, counts or {"cat": 30, "dog": 15}, findings))


def shown(page: Page) -> list[Image.Image]:
    sources = [str(attributes["src"]).removeprefix("data:image/jpeg;base64,") for attributes in page.of("img")]
    return [Image.open(io.BytesIO(base64.b64decode(source))) for source in sources]


def test_a_clean_folder_has_classes_and_no_findings(root):
    clean = page(root, [])

    assert "45 readable pictures in 2 classes,\n0 findings." in clean.text
    assert "Nothing wrong found." in clean.text
    assert [bar["style"] for bar in clean.of("div")] == ["width: 100.0%", "width: 50.0%"]


@pytest.mark.parametrize("kind", get_args(Kind))
def test_every_kind_has_a_meaning_and_a_place_to_jump_to(root, kind):
    found = page(root, [Finding(kind, ["cat/0.png"], "what is the matter"), Finding(kind, [], "this as well")])

    assert {"href": f"#{kind}"} in found.of("a")
    assert {"id": kind} in found.of("h2")
    assert "what is the matter" in found.text
    assert "this as well" in found.text
    assert ": 2" in found.text


def test_pictures_of_a_group_stand_side_by_side_small_and_named(root):
    found = page(root, [Finding("near_duplicate", ["cat/0.png", "cat/1.png", "cat/small.png"], "alike")])

    assert [picture.size for picture in shown(found)] == [(160, 40), (160, 40), (8, 8)]
    assert [attributes["alt"] for attributes in found.of("img")] == ["cat/0.png", "cat/1.png", "cat/small.png"]
    assert [attributes["class"] for attributes in found.of("li")] == ["many"]


@pytest.mark.parametrize(
    ("path", "reason"), [("cat/broken.jpg", "damaged in its header"), ("cat/gone.png", "No such file or directory")]
)
def test_what_cannot_be_shown_leaves_a_placeholder_with_the_reason(root, path, reason):
    found = page(root, [Finding("tiny", [path], "8×8 pixels")])

    assert found.of("img") == []
    assert {"class": "hole"} in found.of("div")
    assert reason in found.text


def test_a_reason_in_the_message_is_not_said_twice(root):
    reason = "the picture of 15 bytes is truncated or damaged in its header: send it again, or save it anew"

    found = page(root, [Finding("broken", ["cat/broken.jpg"], f"{reason}; it is left out")])

    assert found.text.count(reason) == 1
    assert "cannot be shown" in found.text


@pytest.mark.parametrize("name", ["<script>alert(1)<!--.png", '"><img src=x onerror=alert(1)>.png', "a & b'.png"])
def test_names_are_text_wherever_they_come_from(root, name):
    (root / name).mkdir()
    (root / name / name).write_bytes((root / "cat/0.png").read_bytes())

    found = Page(report.html(name, root / name, {name: 3}, [Finding("tiny", [name, f"no {name}"], name)]))

    assert found.of("script") == []
    assert [attributes["alt"] for attributes in found.of("img")] == [name]
    assert found.text.count(name) == 7  # title, heading, folder, class, two captions, message


def test_a_name_that_is_no_utf8_is_shown_and_written(root):
    name = "caf\udce9.png"

    content = report.html("Check", root, {"cat": 1}, [Finding("tiny", [name], "small")])

    assert "caf?.png" in content.encode().decode()


def test_long_lists_are_cut_and_say_so(root):
    groups = [Finding("tiny", ["cat/small.png"], f"group {number}") for number in range(report.MOST_GROUPS + 1)]
    large = Finding("duplicate", ["cat/0.png"] * (report.MOST_PICTURES + 1), "again")

    found = page(root, [*groups, large])

    assert len(found.of("img")) == report.MOST_GROUPS + report.MOST_PICTURES
    assert "And 1 more; the JSON has all." in found.text
    assert "And 1 more picture; the JSON has all." in found.text


def test_nothing_is_asked_of_another_host(root):
    assert_asks_nobody(page(root, [Finding("tiny", ["cat/0.png"], "small")]))


def test_headings_do_not_skip_and_links_lead_somewhere(root):
    found = page(root, [Finding("tiny", ["cat/0.png"], "small"), Finding("few", [], "class dog has 3 pictures")])

    assert_has_order(found)
    assert [tag for tag, _ in found.elements if tag in ("h1", "h2", "h3")] == ["h1", "h2", "h2", "h2", "h2"]
