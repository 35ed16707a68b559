"""Export pictures with their masks to an annotation tool."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import duckdb
import numpy as np
import pyarrow as pa

from steeldefect.analysis.sql import choose_bundle, opened_database
from steeldefect.errors import DataError, PictureError, StoreError, TableError
from steeldefect.labels.label_csv import listed
from steeldefect.program.new_folders import new_folder
from steeldefect.program.progress import followed
from steeldefect.review.formats import Format, Lost, Shapes, write_annotations
from steeldefect.review.manifest import FILE, IMAGES, ExportedPicture, Manifest
from steeldefect.review.queue_reading import QueueFile
from steeldefect.review.stored_pictures import StoredPicture, StoredPictures
from steeldefect.settings import ScoreSettings
from steeldefect.stores import Store

_KEPT = (".jpg", ".jpeg", ".png")
_NOT_IN_NAMES = re.compile(r"[^\w .,+()=@-]")
_LONGEST = 150  # bytes of a file's name that are kept
_DIGITS = 8  # of a picture's hash in the name of its file


@dataclass(frozen=True)
class ExportResult:
    """What was exported.

    Attributes:
        pictures: number of pictures.
        lost: what the format could not hold.
        left_out: why pictures are not in the export, one line for each.
    """

    pictures: int
    lost: Lost
    left_out: tuple[str, ...]


def export(
    store: Store,
    settings: ScoreSettings,
    queue: QueueFile,
    folder: Path,
    format: Format,
    bundle: str | None = None,
    shapes: Shapes = Shapes.MASKS,
) -> ExportResult:
    """Write pictures with their newest masks, as an annotation tool reads them.

    A picture that cannot be read, or that has changed since it was scored, is left out.

    Args:
        store: the output.
        settings: how the archive is reached, and the limits for reading pictures.
        queue: the pictures.
        folder: a folder that is new or empty.
        format: format of the annotations.
        bundle: first characters of a bundle's digest; None for the bundle that the queue speaks of,
            or else for the bundle of the latest run.
        shapes: what regions become in CVAT.

    Raises:
        AlreadyExistsError: the folder holds something.
        DataError: a picture of the queue was not scored by the bundle, or no picture is left.
        SettingsError: a package of the extra `review` is not installed.
        TableError: there are no tables, or no such bundle.
        StoreUnavailableError: the store of the tables does not answer.
    """
    with opened_database(store) as connection:
        digest = choose_bundle(connection, bundle or queue.bundle)
        rows = _rows(connection, digest, queue.pictures)
        classes = _classes(connection, digest)
    with new_folder(folder) as staged:
        (staged / IMAGES).mkdir()
        shown, left_out = _write_pictures(rows, staged / IMAGES, StoredPictures(settings))
        if not shown:
            raise DataError(f"no picture is left to export: {listed(left_out)}")
        annotated = [one.annotated() for one in shown]
        lost = write_annotations(format, staged, annotated, classes, shapes)
        manifest = Manifest(
            id=uuid.uuid4().hex,
            output=store.uri,
            bundle=digest,
            format=format,
            classes=classes,
            pictures=shown,
        )
        (staged / FILE).write_text(manifest.model_dump_json(indent=1) + "\n", encoding="utf-8")
    return ExportResult(len(shown), lost, tuple(left_out))


def _rows(
    connection: duckdb.DuckDBPyConnection, bundle: str, queue: pa.Table
) -> list[dict[str, Any]]:
    """Return the newest row of each picture of the queue, with its findings, in its order."""
    connection.register("queue", queue.append_column("place", pa.array(range(queue.num_rows))))
    rows: list[dict[str, Any]] = connection.sql(_ROWS, params=[bundle]).to_arrow_table().to_pylist()
    missing = [f"{row['source']}/{row['key']}" for row in rows if row["run_id"] is None]
    if missing:
        raise DataError(
            f"{len(missing)} pictures of the queue were not scored by bundle {bundle[:12]}: "
            f"{listed(missing)}; pick again, or name the bundle of the queue with --bundle"
        )
    return rows


def _classes(connection: duckdb.DuckDBPyConnection, bundle: str) -> dict[int, str]:
    ((stated,),) = connection.execute(_CLASSES, [bundle]).fetchall()
    names = {int(number): str(name) for number, name in json.loads(stated or "{}").items()}
    if not names:
        raise TableError(
            f"bundle {bundle[:12]} was scored by a version that stated no classes; score again"
        )
    return names


def _write_pictures(
    rows: Sequence[dict[str, Any]], images: Path, pictures: StoredPictures
) -> tuple[tuple[ExportedPicture, ...], list[str]]:
    """Write the pictures' files; return the pictures, and why others are left out."""
    shown: list[ExportedPicture] = []
    left_out: list[str] = []
    taken: set[str] = set()
    for row in followed(rows, len(rows), "export", "pictures"):
        where = f"{row['source']}/{row['key']}"
        try:
            found = pictures.read(row["source"], row["key"])
        except (PictureError, StoreError) as error:
            left_out.append(f"{where}: {error}")
            continue
        if not _is_same(found, row):
            left_out.append(f"{where}: it has changed since it was scored; score it again")
            continue
        content, ending = _file_of(found, Path(row["image_id"]).suffix.lower())
        name = _name_of(row, ending, taken)
        (images / name).write_bytes(content)
        masks = {one["class_id"]: one["run_lengths"] for one in row["found"] or ()}
        columns = {one: row[one] for one in ("source", "key", "image_id", "etag", "run_id")}
        shown.append(
            ExportedPicture(
                name=name,
                sha256=hashlib.sha256(content).hexdigest(),
                width=row["width"],
                height=row["height"],
                masks=dict(sorted(masks.items())),
                **columns,
            )
        )
    return tuple(shown), left_out


def _file_of(found: StoredPicture, ending: str) -> tuple[bytes, str]:
    """Return a file that every tool shows as the models saw it, and its ending.

    That is the picture's own file, if a plain decoder gives the same pixels: no rotation that only
    some tools follow, no colours, no 16 bits.
    """
    if ending in _KEPT:
        data = np.frombuffer(found.data, np.uint8)
        plain = cv2.imdecode(data, cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION)
        if plain is not None and np.array_equal(plain, found.pixels):
            return found.data, ending
    return cv2.imencode(".png", found.pixels)[1].tobytes(), ".png"


def _is_same(found: StoredPicture, row: Mapping[str, Any]) -> bool:
    """Return whether the picture is the version that was scored.

    The version may be the store's, or the MD5 of the bytes, as inventories state it.
    """
    if not row["etag"] or not found.etag:
        return bool(len(found.data) == row["bytes"])
    md5 = hashlib.md5(found.data, usedforsecurity=False).hexdigest()
    return row["etag"] in (found.etag, md5)


def _name_of(row: Mapping[str, Any], ending: str, taken: set[str]) -> str:
    """Return the name of a picture's file: the same picture has the same name in every export.

    So annotations that are taken for those of another export do not fit its names.
    """
    plain = _NOT_IN_NAMES.sub("_", Path(row["image_id"]).stem).strip(" .")
    short = plain.encode()[:_LONGEST].decode(errors="ignore") or "picture"
    digest = hashlib.sha256(f"{row['source']}/{row['key']}".encode()).hexdigest()
    for length in range(_DIGITS, len(digest)):
        name = f"{short}-{digest[:length]}"
        # formats compare names without their ending, some without regard to case
        folded = unicodedata.normalize("NFC", name).casefold()
        if folded not in taken:
            break
    taken.add(folded)
    return f"{name}{ending}"


_ROWS = """
SELECT queue.source, queue.key, any_value(image.image_id) AS image_id,
    any_value(image.etag) AS etag, any_value(image.bytes) AS bytes,
    any_value(image.run_id) AS run_id,
    any_value(image.width) AS width, any_value(image.height) AS height,
    list({'class_id': class_id, 'run_lengths': run_lengths})
        FILTER (WHERE class_id IS NOT NULL) AS found
FROM queue
LEFT JOIN newest_images AS image
    ON image.source = queue.source AND image.key = queue.key AND image.bundle = $1
LEFT JOIN predictions AS mask
    ON mask.source = image.source AND mask.key = image.key AND mask.run_id = image.run_id
GROUP BY queue.source, queue.key ORDER BY min(place)
"""
_CLASSES = "SELECT max_by(classes, scored_at) FROM runs WHERE job = 'score' AND bundle = ?"
