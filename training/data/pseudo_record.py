"""Read and write `pseudo.json`: how the labels of a folder of pseudo-labelled pictures were made.

A bundle that was fitted with such a folder says so in its notes, with the number of the round. So
the next round can count on from there, even if the folder is gone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from steeldefect.errors import DataError
from training.data.labels import read_file

RECORD_NAME = "pseudo.json"
"""Name of the file in a data folder."""

_NOTE = re.compile(r"pseudo-labels of round (?P<round>[0-9]+|unknown)\b")
_UNKNOWN = "unknown"


def write_record(folder: Path, content: Mapping[str, Any]) -> None:
    """Write how labels were made.

    Args:
        folder: data folder.
        content: values that JSON can hold. `round` is the number of the round, from 1; None if
            nobody knows it.

    Raises:
        OSError: the file cannot be written.
    """
    text = json.dumps(content, indent=1, sort_keys=False, ensure_ascii=False) + "\n"
    (folder / RECORD_NAME).write_text(text, encoding="utf-8")


def round_note(folder: Path, name: str) -> str | None:
    """Return the note of a bundle that is fitted with a folder; None for a folder without a record.

    Args:
        folder: data folder.
        name: the folder as the note names it.

    Raises:
        DataError: the record cannot be read.
    """
    path = folder / RECORD_NAME
    if not path.exists():
        return None
    try:
        number = json.loads(read_file(path))["round"]
    except (ValueError, KeyError, TypeError):
        number = 0
    if number is not None and (not isinstance(number, int) or number < 1):
        raise DataError(f"{path} is damaged; make the folder again")
    return f"pseudo-labels of round {number or _UNKNOWN} in {name}"


def next_round(notes: Iterable[str]) -> int:
    """Return the number of the next round, from the notes of the bundle that makes the labels.

    It is 1 + the highest round that the notes name, where an unknown round counts as 1; it is 1 if
    they name none.
    """
    found = (_NOTE.match(note) for note in notes)
    rounds = [1 if one["round"] == _UNKNOWN else int(one["round"]) for one in found if one]
    return 1 + max(rounds, default=0)
