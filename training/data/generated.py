"""Read and write `generated.json`: from what the pictures of a data folder were made.

`sources` in the file lists every picture of which a piece is in the folder: its name, by the sha256
of its shape and pixels (`steeldefect.pictures.fingerprints.digest_of`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from steeldefect.errors import DataError
from training.data.labels import read_file

RECORD_NAME = "generated.json"
"""Name of the file in a data folder."""

_SOURCES = "sources"


def write_record(folder: Path, facts: Mapping[str, Any], sources: Mapping[str, str]) -> None:
    """Write how the pictures of a folder were made.

    Args:
        folder: data folder.
        facts: values that JSON can hold, by name.
        sources: name of each source picture, by its digest.

    Raises:
        OSError: the file cannot be written.
    """
    content = {**facts, _SOURCES: dict(sorted(sources.items()))}
    text = json.dumps(content, indent=1, sort_keys=False) + "\n"
    (folder / RECORD_NAME).write_text(text, encoding="utf-8")


def read_source_digests(folder: Path) -> frozenset[str]:
    """Return the digests of the pictures from which a folder was made; empty without a record.

    Raises:
        DataError: the record cannot be read.
    """
    path = folder / RECORD_NAME
    if not path.exists():
        return frozenset()
    try:
        return frozenset(dict(json.loads(read_file(path))[_SOURCES]))
    except (ValueError, KeyError, TypeError):
        raise DataError(f"{path} is damaged; generate the folder again") from None
