"""The frame of a page: head, style sheet, contents, sections, foot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from steeldefect.pages.style import STYLE


@dataclass(frozen=True)
class Section:
    """One section of a page; a section with an empty body is left out.

    Attributes:
        anchor: id of the section, for links inside the page.
        heading: heading as plain text.
        body: HTML.
    """

    anchor: str
    heading: str
    body: str


@dataclass(frozen=True)
class Document:
    """A page; all texts except the title are HTML.

    Attributes:
        title: title as plain text.
        beginning: text between the title and the table of contents.
        cards: main figures, between the table of contents and the sections.
        sections: sections of the page.
        foot: text at the end of the page.
        style: additional CSS, after the shared style sheet.
    """

    title: str
    beginning: str
    cards: str
    sections: Sequence[Section]
    foot: str
    style: str = ""

    def to_html(self) -> str:
        """Return the page as HTML."""
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
