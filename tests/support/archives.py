"""Archives of pictures for tests of whole jobs, and readers of the tables."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from steeldefect.stores import open_store
from steeldefect.tables.delta import Tables
from steeldefect.tables.schema import TableName
from support.samples import HEIGHT, ROOT, WIDTH, plain_picture


def salt(folder: Path) -> dict[str, str]:
    """Add seven files that cannot be scored; return the stage at which each of them fails."""
    whole = io.BytesIO()
    Image.fromarray(plain_picture()).save(whole, "JPEG")
    deep = np.arange(HEIGHT * WIDTH, dtype=np.uint16).reshape(HEIGHT, WIDTH)
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "truncated.jpg").write_bytes(whole.getvalue()[:-400])
    (folder / "text.jpg").write_text("these are words\n", encoding="utf-8")
    Image.fromarray(deep).save(folder / "deep.png")
    Image.new("CMYK", (WIDTH, HEIGHT)).save(folder / "cmyk.jpg")
    Image.new("L", (20_000, 20_000)).save(folder / "huge.png", compress_level=1)
    Image.new("L", (50, 50)).save(folder / "small.png")
    undecodable = ("empty.jpg", "truncated.jpg", "text.jpg", "deep.png", "cmyk.jpg", "huge.png")
    return dict.fromkeys(undecodable, "decode") | {"small.png": "prepare"}


def rows(output: object, table: TableName, *columns: str) -> list[dict[str, Any]]:
    """Return the rows of a table, sorted by their values."""
    found = Tables(open_store(str(output))).read(table, columns or None)
    read: list[dict[str, Any]] = found.to_pylist()
    return sorted(read, key=lambda row: [str(value) for value in row.values()])


_IMAGES = ("key", "width", "height", "gate_probability", "verdict", "defects")
_PREDICTIONS = (
    *("key", "class_id", "run_lengths", "area", "share", "regions", "max_probability"),
    *("box_top", "box_left", "box_bottom", "box_right"),
)
_QUARANTINE = ("key", "stage", "error", "message")


def answers(output: object) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of an output, without what differs between runs (ids, times, etags)."""
    return {
        "images": rows(output, TableName.IMAGES, *_IMAGES),
        "predictions": rows(output, TableName.PREDICTIONS, *_PREDICTIONS),
        "quarantine": rows(output, TableName.QUARANTINE, *_QUARANTINE),
    }


def unpack_old_output(folder: Path) -> Path:
    """Unpack an output of version 0.1 with a wave that is only partly published, and its bundle."""
    with tarfile.open(ROOT / "tests" / "old_tables" / "version-0.1.tar.gz") as archive:
        # Python 3.11.4 and later ask for it; earlier ones do not know it
        archive.extraction_filter = getattr(tarfile, "data_filter", None)
        archive.extractall(folder)  # noqa: S202
    return folder / "version-0.1"
