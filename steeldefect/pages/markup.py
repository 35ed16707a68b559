"""Write small pieces of HTML. Every text that comes from a file is escaped here."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import pandas as pd

from steeldefect.pages.palette import class_colour

NOTHING = "-"  # cell without a known value


@dataclass(frozen=True)
class Column:
    """A column of a table: heading and cells.

    Attributes:
        style: class in the style sheet, such as `number`, `name` or `wrap`.
    """

    heading: str
    cells: Sequence[str]
    style: str = "number"


@dataclass(frozen=True)
class Drawing:
    """A picture file beside the page.

    Attributes:
        path: path relative to the page.
        wide: whether the picture needs a row of its own.
    """

    path: str
    name: str
    caption: str
    wide: bool


def table(columns: Sequence[Column]) -> str:
    """Write a table; the cells are HTML."""
    head = "".join(f'<th class="{one.style}">{escape(one.heading)}</th>' for one in columns)
    rows = zip(*(one.cells for one in columns), strict=True)
    body = "".join(
        "<tr>"
        + "".join(
            f'<td class="{one.style}">{cell}</td>' for one, cell in zip(columns, row, strict=True)
        )
        + "</tr>\n"
        for row in rows
    )
    return (
        f'<div class="scroll"><table>\n<thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{body}</tbody></table></div>\n"
    )


def counts(values: Iterable[Any]) -> list[str]:
    """Write whole numbers with thousands separators; a dash for an unknown number."""
    return [NOTHING if _missing(value) else f"{value:,.0f}" for value in values]


def decimals(values: Iterable[Any], digits: int = 3) -> list[str]:
    """Write numbers with a fixed number of decimals; a dash for an unknown number."""
    return [NOTHING if _missing(value) else f"{value:.{digits}f}" for value in values]


def percents(values: Iterable[Any], digits: int = 3) -> list[str]:
    """Write shares (0 to 1) as percent, with `digits` significant digits."""
    return [NOTHING if _missing(value) else f"{100 * value:.{digits}g}%" for value in values]


def texts(values: Iterable[Any]) -> list[str]:
    """Escape texts that come from files."""
    return [escape(str(value)) for value in values]


def paragraph(text: str, style: str = "") -> str:
    """Write a paragraph of text that is not HTML."""
    return f'<p class="{style}">{escape(text)}</p>\n' if text else ""


def bullets(sentences: Iterable[str]) -> str:
    """Write a list of texts that are not HTML."""
    items = "".join(f"<li>{escape(one)}</li>\n" for one in sentences)
    return f"<ul>\n{items}</ul>\n"


def chart(svg: str, caption: str) -> str:
    """Write a chart with its caption; screen readers read the caption as its name."""
    named = svg.replace("<svg", f'<svg role="img" aria-label="{escape(caption)}"', 1)
    return f"<figure>{named}\n<figcaption>{escape(caption)}</figcaption></figure>\n"


def card(value: str, meaning: str, style: str = "") -> str:
    """Write one card: a main figure with its meaning."""
    return f'<div class="card {style}"><b>{escape(value)}</b><span>{escape(meaning)}</span></div>\n'


def cards(items: Iterable[str]) -> str:
    """Write cards in a row."""
    return f'<div class="cards">\n{"".join(items)}</div>\n'


def swatch(class_id: int) -> str:
    """Write a small square in the colour of a class."""
    return f'<span class="swatch" style="background:{class_colour(class_id)}"></span>'


def heading(text: str) -> str:
    """Write a heading within a section."""
    return f"<h3>{escape(text)}</h3>\n"


def class_heading(class_id: int, name: str) -> str:
    """Write a heading with a class's colour and name."""
    return f"<h3>{swatch(class_id)}{escape(name)}</h3>\n"


def gallery(drawings: Sequence[Drawing], style: str) -> str:
    """Write pictures in a grid; each opens at its full size."""
    wide = " wide" if any(one.wide for one in drawings) else ""
    figures = "".join(
        f'<figure><a href="{escape(one.path)}"><img loading="lazy" src="{escape(one.path)}" '
        f'alt="{escape(one.name)}"></a><figcaption><b>{escape(one.name)}</b> '
        f"{escape(one.caption)}</figcaption></figure>\n"
        for one in drawings
    )
    return f'<div class="{style}{wide}">\n{figures}</div>\n'


def pair(parts: Sequence[str]) -> str:
    """Write parts side by side, two in a row if the window is wide enough."""
    return f'<div class="pair">\n{"".join(f"<div>{part}</div>" for part in parts)}</div>\n'


def trio(parts: Sequence[str]) -> str:
    """Write small parts side by side, three in a row if the window is wide enough."""
    return f'<div class="trio">\n{"".join(f"<div>{part}</div>" for part in parts)}</div>\n'


def quad(parts: Sequence[str]) -> str:
    """Write tiny parts side by side, four in a row if the window is wide enough."""
    return f'<div class="quad">\n{"".join(f"<div>{part}</div>" for part in parts)}</div>\n'


def _missing(value: Any) -> bool:
    return value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value))
