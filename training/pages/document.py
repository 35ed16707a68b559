"""The frame of a page: head, style sheet, contents, sections, foot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from training.pages.style import STYLE


@dataclass(frozen=True)
class Section:
    """One part of a page; it is left out where its body is empty.

    Attributes:
        anchor: what links inside the page call it.
        body: HTML.
    """

    anchor: str
    heading: str
    body: str


@dataclass(frozen=True)
class Document:
    """A page; every text but the title is HTML.

    Attributes:
        beginning: below the title, above the contents.
        cards: the main figures, between contents and sections.
        style: further rules, after those of every page.
    """

    title: str
    beginning: str
    cards: str
    sections: Sequence[Section]
    foot: str
    style: str = ""

    def to_html(self) -> str:
        """Write the whole page."""
        shown = [one for one in self.sections if one.body]
        links = "".join(f'<a href="#{one.anchor}">{escape(one.heading)}</a>\n' for one in shown)
        return (
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            f"<title>{escape(self.title)}</title>\n<style>{STYLE}{self.style}</style>\n</head>\n"
            f"<body>\n<header>\n<h1>{escape(self.title)}</h1>\n{self.beginning}"
            f"<nav>{links}</nav>\n</header>\n"
            f"<main>\n{self.cards}{''.join(map(_written, shown))}</main>\n"
            f"<footer>{self.foot}</footer>\n</body>\n</html>\n"
        )


def _written(one: Section) -> str:
    return f'<section id="{one.anchor}">\n<h2>{escape(one.heading)}</h2>\n{one.body}</section>\n'
