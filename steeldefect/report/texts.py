"""Text on pages: names from the archive as they are, numbers with their exact value behind them."""

from __future__ import annotations

import re
import shlex
import unicodedata
from datetime import datetime
from urllib.parse import quote

from markupsafe import Markup, escape

_NAMES = {
    "\n": "line feed",
    "\r": "carriage return",
    "\t": "tab",
    "\u00a0": "no-break space",
    "\u200b": "zero width space",
    "\u200d": "zero width joiner",
    "\u202e": "right-to-left override",
    "\u202d": "left-to-right override",
    "\u200f": "right-to-left mark",
}
_HIDDEN = ("Cc", "Cf", "Zl", "Zp", "Co", "Cs")


def as_is(text: object) -> Markup:
    """Return a text from the tables as HTML: every character is there, and none does anything.

    A character that nobody can see, or that would turn the text around it, stands in an element of
    its own. The style sheet shows its name, and keeps its effect inside this element.
    """
    parts = [_character(one) if _is_hidden(one) else escape(one) for one in str(text)]
    return Markup('<bdi class="name">') + Markup("").join(parts) + Markup("</bdi>")


def _is_hidden(character: str) -> bool:
    return unicodedata.category(character) in _HIDDEN or character == "\u00a0"


def _character(one: str) -> Markup:
    name = _NAMES.get(one) or unicodedata.name(one, f"U+{ord(one):04X}").lower()
    return Markup('<bdi class="hidden" data-name="{}">{}</bdi>').format(name, one)


def word(text: object) -> str:
    """Return a text as one word of a shell's command: quoted, if it must be."""
    return shlex.quote(str(text))


def plain(text: object) -> str:
    """Return a text from the tables for attributes such as `alt`, which show no markup.

    Characters that nobody can see are named in brackets.
    """
    return "".join(
        f"[{_NAMES.get(one) or f'U+{ord(one):04X}'}]" if _is_hidden(one) else one
        for one in str(text)
    )


def exact(value: float | int | None, shown: str) -> Markup:
    """Return a number as HTML: what people read, and its exact value for machines."""
    if value is None:
        return Markup('<span class="soft">unknown</span>')
    return Markup('<data value="{}">{}</data>').format(repr(value), shown)


def count(value: int | None) -> Markup:
    """Return a whole number."""
    return exact(value, "" if value is None else f"{value:,}")


def percent(value: float | None) -> Markup:
    """Return a share, 0 to 1, as percent with two or three digits."""
    return exact(value, "" if value is None else percent_text(value))


def percent_text(value: float) -> str:
    """Return a share as percent, with as many decimals as a person needs.

    >>> percent_text(0.5625), percent_text(0.0213), percent_text(0.00042), percent_text(1.0)
    ('56%', '2.1%', '0.04%', '100%')
    """
    size = abs(value)
    digits = 0 if size >= 0.0995 or size == 0 else 1 if size >= 0.00995 else 2
    return f"{100 * value:.{digits}f}%"


def counted(number: int, what: str) -> str:
    """Return a number of things.

    >>> counted(1, "coil"), counted(1200, "picture")
    ('1 coil', '1,200 pictures')
    """
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def signed_percent(value: float) -> Markup:
    """Return a difference of shares in percent points, with its sign."""
    return exact(value, f"{100 * value:+.1f}")


def number(value: float | None, digits: int = 0, unit: str = "") -> Markup:
    """Return a number with a unit."""
    return exact(value, "" if value is None else f"{value:,.{digits}f}{unit}")


def camera(name: str) -> Markup:
    """Return how a camera is called: its name, after the word if the name does not say it."""
    word = "" if name.lower().startswith("camera") else "camera "
    return Markup("{}{}").format(word, as_is(name))


def length_mm(value: float) -> Markup:
    """Return a length in millimetres: with a decimal if it is short."""
    return number(value, 0 if value >= 9.5 else 1)


def moment(value: datetime) -> Markup:
    """Return a time in UTC."""
    return Markup('<time datetime="{}">{}</time>').format(value.isoformat(), f"{value:%H:%M} UTC")


def night_name(value: datetime) -> str:
    """Return the name of a night: the day of its run.

    >>> from datetime import UTC
    >>> night_name(datetime(2026, 11, 28, 1, 30, tzinfo=UTC))
    'Saturday, 28 November 2026'
    """
    return f"{value:%A}, {value.day} {value:%B %Y}"


def link(path: str) -> str:
    """Return a relative path as an address for `href` and `src`."""
    return quote(path)


_NOT_IN_FILES = re.compile(r"[^A-Za-z0-9._-]+")


def file_name(text: str, number: int) -> str:
    """Return a file name that every system and store takes; the number makes it unique.

    >>> file_name("coil <7>/a", 3)
    '003-coil-7-a'
    """
    return f"{number:03d}-{_NOT_IN_FILES.sub('-', text).strip('-.')[:60]}".rstrip("-")
