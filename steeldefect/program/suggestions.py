"""Finds the known word that a mistyped word is most like."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that is most like a word; None where none is."""
    found = difflib.get_close_matches(word, list(known), n=1)
    return found[0] if found else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ` (did you mean X?)` for the nearest known word; empty where there is none."""
    found = nearest(word, known)
    return "" if found is None else f" (did you mean {found}?)"
