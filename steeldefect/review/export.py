"""Export pictures with their masks to an annotation tool."""

from __future__ import annotations

import json
import re
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
from steeldefect.errors import DataError, PictureError, StoreError
from steeldefect.labels.label_csv import listed
from steeldefect.pictures import run_lengths
from steeldefect.pictures.run_lengths import Runs
from steeldefect.program.progress import followed
from steeldefect.review.annotated import AnnotatedPicture
from steeldefect.review.formats import (
    Format,
    Lost,
    Shapes,
    read_annotations,
    write_annotations,
)
from steeldefect.review.manifest import FILE, IMAGES, ExportedPicture, Manifest
from steeldefect.review.new_folders import new_folder
from steeldefect.review.stored_pictures import StoredPicture, StoredPictures
from steeldefect.settings import ScoreSettings
from steeldefect.stores import Store

_KEPT = (".jpg", ".jpeg", ".png")
_NOT_IN_NAMES = re.compile(r"[^\w .,+()=@-]")
_LONGEST = 100  # characters of a name without its ending


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
    queue: pa.Table,
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
        queue: columns source and key of the pictures.
        folder: a folder that is new or empty.
        format: format of the annotations.
        bundle: first characters of a bundle's digest; None for the bundle of the latest run.
        shapes: what regions become in CVAT.

    Raises:
        AlreadyExistsError: the folder holds something.
        DataError: a picture of the queue was not scored by the bundle, or no picture is left.
        SettingsError: a package of the extra `review` is not installed.
        TableError: there are no tables, or no such bundle.
        StoreUnavailableError: the store of the tables does not answer.
    """
    with opened_database(store) as connection:
        digest = choose_bundle(connection, bundle)
        rows = _rows(connection, digest, queue)
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
            pictures=_with_returned(shown, format, staged, classes) if lost.pixels else shown,
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
    return {int(number): str(name) for number, name in json.loads(stated or "{}").items()}


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
        if found.etag and found.etag != row["etag"]:
            left_out.append(f"{where}: it has changed since it was scored; score it again")
            continue
        content, ending = _file_of(found, Path(row["image_id"]).suffix.lower())
        name = _free_name(row["image_id"], ending, taken)
        (images / name).write_bytes(content)
        masks = {one["class_id"]: one["run_lengths"] for one in row["found"] or ()}
        columns = {one: row[one] for one in ("source", "key", "image_id", "etag", "run_id")}
        size = {"width": row["width"], "height": row["height"]}
        shown.append(
            ExportedPicture(name=name, masks=dict(sorted(masks.items())), **columns, **size)
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


def _free_name(image_id: str, ending: str, taken: set[str]) -> str:
    """Return a name that no tool stumbles over and no other picture has, extension aside."""
    plain = _NOT_IN_NAMES.sub("_", Path(image_id).stem).strip(" .")[:_LONGEST] or "picture"
    number, name = 1, plain
    while name.lower() in taken:
        number += 1
        name = f"{plain}-{number}"
    taken.add(name.lower())
    return f"{name}{ending}"


def _with_returned(
    shown: Sequence[ExportedPicture], format: Format, folder: Path, classes: Mapping[int, str]
) -> tuple[ExportedPicture, ...]:
    """Add what the format gives back where it differs, so that nobody seems to have changed it."""
    shapes = {one.name: (one.height, one.width) for one in shown}
    read = {
        one.picture.name: one.picture for one in read_annotations(format, folder, shapes, classes)
    }
    return tuple(
        one.model_copy(update={"returned": texts})
        if (texts := texts_of(read.get(one.name))) != one.masks
        else one
        for one in shown
    )


def texts_of(picture: AnnotatedPicture | None) -> dict[int, str]:
    """Return the masks of a picture as run lengths, by class id, ascending."""
    masks: Mapping[int, Runs] = {} if picture is None else picture.masks
    return {one: run_lengths.to_text(runs) for one, runs in sorted(masks.items()) if len(runs)}


_ROWS = """
SELECT queue.source, queue.key, any_value(image.image_id) AS image_id,
    any_value(image.etag) AS etag, any_value(image.run_id) AS run_id,
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
