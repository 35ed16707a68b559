"""Find the known words that are most similar to a mistyped word."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that is most similar to `word`; None if no known word is similar."""
    return next(iter(near(word, known, 1)), None)


def near(word: str, known: Iterable[str], count: int) -> list[str]:
    """Return up to `count` known words that are similar to `word`, the most similar first."""
    return difflib.get_close_matches(word, list(known), n=count)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ` (did you mean X?)` for the nearest known word, or an empty text."""
    found = nearest(word, known)
    return "" if found is None else f" (did you mean {found}?)"
