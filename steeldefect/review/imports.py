"""Take corrections in: a data folder for training, and rows of the table `reviews`."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
from scipy import ndimage

from steeldefect.analysis.sql import opened_database
from steeldefect.errors import DataError
from steeldefect.pictures import run_lengths
from steeldefect.pictures.run_lengths import Mask
from steeldefect.program.new_folders import new_folder
from steeldefect.publish.foreign_tables import require_own_tables
from steeldefect.review.formats import Format, ReadPicture, read_annotations
from steeldefect.review.manifest import ExportedPicture, Manifest, read_manifest
from steeldefect.review.review_rows import ReviewBatch, checked_moment, checked_reviewer
from steeldefect.review.training_folder import Reviewed, write_training_folder
from steeldefect.settings import ScoreSettings
from steeldefect.stores import Store


@dataclass(frozen=True)
class ImportRequest:
    """What to take in.

    Attributes:
        export: folder that the export wrote.
        annotations: file or folder that the annotation tool wrote.
        format: format of the annotations; None for that of the export.
        reviewer: who reviewed the pictures, where the annotations do not say.
        folder: a data folder to write, new or empty; None for none.
    """

    export: Path
    annotations: Path
    format: Format | None = None
    reviewer: str | None = None
    folder: Path | None = None


@dataclass(frozen=True)
class ImportResult:
    """What was taken in.

    Attributes:
        confirmed: number of pictures whose masks were confirmed.
        corrected: number of pictures with a mask that was corrected.
        missing: names of the exported pictures that did not come back.
        new: whether rows were written; False if the tables held these reviews already.
    """

    confirmed: int
    corrected: int
    missing: tuple[str, ...]
    new: bool


def import_reviews(store: Store, settings: ScoreSettings, request: ImportRequest) -> ImportResult:
    """Read what an annotation tool gives back, and write the table `reviews`, and a data folder.

    If the same reviews of the same export are in the tables already, only the folder is written.

    Raises:
        DataError: the annotations do not fit the export, or its files were altered, or it was made
            from other tables.
        SettingsError: nobody said who reviewed the pictures.
        AlreadyExistsError: the data folder holds something.
        OutputBusyError: another run writes to the output.
        StoreError: a folder or the tables cannot be written.
    """
    began = datetime.now(UTC)
    manifest = read_manifest(request.export)
    require_own_tables(store)
    _require_output(store, manifest)
    read = _read(request, manifest)
    shown = {one.name: one for one in manifest.pictures}
    reviewed = [_reviewed(one, shown[one.picture.name], request, began) for one in read]
    target = nullcontext(None) if request.folder is None else new_folder(request.folder)
    with target as folder:
        if folder is not None:
            provenance = {"bundle": manifest.bundle, "output": manifest.output}
            write_training_folder(folder, request.export, reviewed, manifest.classes, provenance)
        batch = ReviewBatch(
            manifest.id,
            manifest.output,
            manifest.bundle,
            manifest.classes,
            len(manifest.pictures),
            (request.format or manifest.format).value,
            reviewed,
        )
        new = batch.write(store, settings, began)
    corrected = sum(one.corrected for one in reviewed)
    back = {one.shown.name for one in reviewed}
    missing = tuple(name for name in shown if name not in back)
    return ImportResult(len(reviewed) - corrected, corrected, missing, new)


def _require_output(store: Store, manifest: Manifest) -> None:
    """Check that the tables hold the pictures of an export, as the run scored them.

    Raises:
        DataError: they do not.
        TableError: there are no tables.
    """
    columns = ("source", "key", "etag", "run_id")
    shown = pa.Table.from_pylist(
        [one.model_dump(include=set(columns)) for one in manifest.pictures]
    )
    with opened_database(store) as connection:
        connection.register("shown", shown.select(columns))
        ((absent,),) = connection.execute(_ABSENT, [manifest.bundle]).fetchall()
    if absent:
        raise DataError(
            f"{absent} of {len(manifest.pictures)} pictures of this export are not in {store.uri}: "
            f"it was made from {manifest.output}; name the output that it was made from"
        )


def _read(request: ImportRequest, manifest: Manifest) -> list[ReadPicture]:
    shapes = {one.name: (one.height, one.width) for one in manifest.pictures}
    format = request.format or manifest.format
    read = read_annotations(format, request.annotations, shapes, manifest.classes)
    if not read:
        raise DataError(f"{request.annotations} has no picture that was reviewed")
    return read


def _reviewed(
    read: ReadPicture, shown: ExportedPicture, request: ImportRequest, now: datetime
) -> Reviewed:
    reviewer = checked_reviewer(read.reviewer or request.reviewer, shown.name)
    masks = {
        class_id: text
        for class_id in sorted(read.picture.masks.keys() | shown.masks.keys())
        if (text := _right_mask(read, shown, class_id))
    }
    moment = now if read.reviewed_at is None else checked_moment(read.reviewed_at, shown.name, now)
    return Reviewed(shown, masks, reviewer, moment)


def _right_mask(read: ReadPicture, shown: ExportedPicture, class_id: int) -> str:
    """Return the mask of a class that a person left, as text; empty if there is none.

    A polygon cannot hold holes. So where the class came as polygons, holes that were shown stay,
    unless somebody drew there something else than what filling them gives.
    """
    shape = (shown.height, shown.width)
    stated = shown.masks.get(class_id, "")
    before = run_lengths.decode(stated, shape)
    runs = read.picture.masks.get(class_id)
    after = np.zeros(shape, bool) if runs is None else run_lengths.to_mask(runs, shape)
    if class_id in read.outlined:
        after = np.where(after == _filled(before), before, after)
    return stated if np.array_equal(after, before) else run_lengths.encode(after)


def _filled(mask: Mask) -> Mask:
    """Return a mask with the holes of its regions filled: background that meets no edge."""
    labels, _ = ndimage.label(np.pad(~mask, 1, constant_values=True))
    outside = labels == labels[0, 0]
    return np.asarray(~outside[1:-1, 1:-1])


_ABSENT = """
SELECT count(*) FROM shown
ANTI JOIN (SELECT * FROM images WHERE bundle = ?) USING (source, key, etag, run_id)
"""
