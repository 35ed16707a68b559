"""Read the pictures of a queue from a file that `steeldefect review pick --to` wrote."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from steeldefect.errors import DataError

_PICTURE = ("source", "key")
_NOT_A_QUEUE = (
    *(OSError, ValueError, LookupError, TypeError, AttributeError),
    *(csv.Error, pa.ArrowException),
)


@dataclass(frozen=True)
class QueueFile:
    """The pictures of a queue.

    Attributes:
        pictures: columns source and key.
        bundle: digest of the bundle whose masks the queue is about; None if it does not say.
    """

    pictures: pa.Table
    bundle: str | None


def read_queue(path: Path) -> QueueFile:
    """Read the columns source, key and bundle (optional) of a queue; others are ignored.

    Raises:
        DataError: the file is missing, has another ending or other columns, has no rows, or speaks
            of several bundles.
    """
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise DataError(f"{path}: a queue is a file that ends with {', '.join(_READERS)}")
    try:
        rows = reader(path)
        pictures = {name: [_text(row[name]) for row in rows] for name in _PICTURE}
        bundles = {_text(row["bundle"]) for row in rows if row.get("bundle")}
    except _NOT_A_QUEUE as error:
        detail = " ".join(str(error).split())
        raise DataError(
            f"{path} is no queue: {type(error).__name__} {detail}; write it with `steeldefect "
            "review pick --to`"
        ) from None
    if not rows:
        raise DataError(f"{path} names no picture")
    if len(bundles) > 1:
        raise DataError(f"{path} speaks of {len(bundles)} bundles; make one queue for each")
    return QueueFile(pa.table(pictures), bundles.pop() if bundles else None)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"source and key are texts, not {value!r}")
    return value


def _csv(path: Path) -> list[Mapping[str, Any]]:
    text = path.read_text(encoding="utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


def _json(path: Path) -> list[Mapping[str, Any]]:
    text = path.read_text(encoding="utf-8")
    if text.lstrip().startswith("["):
        return list(json.loads(text))
    return [json.loads(line) for line in text.split("\n") if line.strip()]


def _parquet(path: Path) -> list[Mapping[str, Any]]:
    return list(pq.read_table(path).to_pylist())


_READERS: dict[str, Callable[[Path], list[Mapping[str, Any]]]] = {
    ".csv": _csv,
    ".json": _json,
    ".jsonl": _json,
    ".ndjson": _json,
    ".parquet": _parquet,
}
