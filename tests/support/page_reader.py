"""Read an HTML page as a tree: its figures, its tables, its SQL and its links."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

_VOID = {"meta", "link", "img", "br", "input", "hr"}
_SVG = {"path", "rect", "circle", "use", "line", "polyline"}


@dataclass
class Element:
    """An element of a page.

    Attributes:
        tag: its name; empty for the whole page.
        attributes: by name.
        content: elements and texts in it.
    """

    tag: str
    attributes: dict[str, str] = field(default_factory=dict)
    content: list[Element | str] = field(default_factory=list)

    def walk(self) -> Iterator[Element]:
        """Yield this element and all elements in it, in the order of the page."""
        yield self
        for one in self.content:
            if isinstance(one, Element):
                yield from one.walk()

    def all(self, tag: str, style: str | None = None) -> list[Element]:
        """Return the elements with a name, and perhaps a class of the style sheet."""
        return [
            one
            for one in self.walk()
            if one.tag == tag
            and (style is None or style in one.attributes.get("class", "").split())
        ]

    def by_id(self, name: str) -> Element:
        """Return the element with an id."""
        (found,) = [one for one in self.walk() if one.attributes.get("id") == name]
        return found

    @property
    def text(self) -> str:
        """All text in it."""
        return "".join(one if isinstance(one, str) else one.text for one in self.content)

    @property
    def figures(self) -> list[float]:
        """The exact values of the numbers in it."""
        return [float(one.attributes["value"]) for one in self.all("data")]

    def statements(self) -> dict[str, str]:
        """Return the SQL in it, by what it says it is."""
        return {
            one.all("summary")[0].text.removeprefix("SQL: "): one.all("code")[0].text
            for one in self.all("details")
            if one.all("summary")[0].text.startswith("SQL: ")
        }

    def table_rows(self) -> list[list[Element]]:
        """Return the cells of the first table in it, row by row, without its head."""
        body = self.all("tbody")[0]
        return [one.all("td") for one in body.all("tr")]


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.page = Element("")
        self._open = [self.page]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        one = Element(tag, {name: value or "" for name, value in attrs})
        self._open[-1].content.append(one)
        if tag not in _VOID:
            self._open.append(one)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        one = Element(tag, {name: value or "" for name, value in attrs})
        self._open[-1].content.append(one)

    def handle_endtag(self, tag: str) -> None:
        if self._open[-1].tag != tag:
            raise ValueError(f"</{tag}> closes <{self._open[-1].tag}>")
        self._open.pop()

    def handle_data(self, data: str) -> None:
        self._open[-1].content.append(data)


def read_page(text: str) -> Element:
    """Return the tree of a page.

    Raises:
        ValueError: elements do not close in the order in which they opened.
    """
    reader = _Reader()
    reader.feed(text)
    reader.close()
    if len(reader._open) > 1:
        raise ValueError(f"<{reader._open[-1].tag}> is not closed")
    return reader.page


def page_of(folder: Path, run: str) -> Element:
    """Return the page of a night in a folder of pages."""
    return read_page((folder / f"nights/{run}.html").read_text(encoding="utf-8"))


def said(element: Element) -> str:
    """Return the text of an element with single spaces."""
    return " ".join(element.text.split())
