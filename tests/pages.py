"""An HTML page taken apart, for tests of what it says and whom it asks."""

import re
from html.parser import HTMLParser
from itertools import pairwise

VOID = {"meta", "img", "br"}


class Page(HTMLParser):
    """Elements and text of a page; fails where an element is closed that is not open."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.content = content
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(content)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def assert_asks_nobody(page: Page) -> None:
    """Everything that a page names lies in the page itself, and its policy forbids the rest."""
    names = ("src", "href", "xlink:href", "srcset", "action", "data")
    links = [attributes[name] for _, attributes in page.elements for name in names if name in attributes]
    assert links
    assert [link for link in links if not str(link).startswith(("#", "data:image/"))] == []
    assert re.findall(r"url\((?!#)|@import|https?:", page.content) == []
    assert [name for name in ("script", "link", "iframe", "object", "base", "form") if page.of(name)] == []
    assert "default-src 'none'" in str(page.of("meta"))


def assert_has_order(page: Page) -> None:
    """Headings do not skip a level, links lead somewhere, and no name is given twice."""
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    places = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(places) == len(set(places))
    anchors = [attributes.get("href") or attributes.get("xlink:href") for _, attributes in page.elements]
    assert {anchor[1:] for anchor in anchors if anchor and anchor.startswith("#")} <= set(places)
