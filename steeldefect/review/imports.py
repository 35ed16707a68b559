"""Take corrections in: a data folder for training, and rows of the table `reviews`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from scipy import ndimage

from steeldefect.analysis.sql import opened_database
from steeldefect.errors import DataError, SettingsError, SteelDefectError
from steeldefect.pictures import run_lengths
from steeldefect.pictures.run_lengths import Mask
from steeldefect.program.new_folders import new_folder
from steeldefect.publish import lease
from steeldefect.publish.foreign_tables import require_own_tables
from steeldefect.publish.runs import Outcome, RunRecord, new_run_id, record_run
from steeldefect.review.formats import Format, ReadPicture, read_annotations
from steeldefect.review.manifest import ExportedPicture, Manifest, read_manifest
from steeldefect.review.training_folder import Reviewed, write_training_folder
from steeldefect.settings import ScoreSettings
from steeldefect.stores import Store
from steeldefect.tables.delta import Tables
from steeldefect.tables.provenance import Origin, whole_rows
from steeldefect.tables.schema import TableName

_LONGEST_REVIEWER = 200
_FIRST_REVIEW = datetime(2000, 1, 1, tzinfo=UTC)


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
        rows = _Rows(manifest, reviewed, request.format or manifest.format)
        new = rows.write(store, settings, began)
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
    reviewer = read.reviewer or request.reviewer
    if not reviewer:
        raise SettingsError("the annotations do not say who reviewed them; add --reviewer NAME")
    if not reviewer.strip() or not reviewer.isprintable() or len(reviewer) > _LONGEST_REVIEWER:
        raise DataError(
            f"{shown.name}: the reviewer's name is empty, has control characters, or more than "
            f"{_LONGEST_REVIEWER} characters; give another with --reviewer"
        )
    masks = {
        class_id: text
        for class_id in sorted(read.picture.masks.keys() | shown.masks.keys())
        if (text := _right_mask(read, shown, class_id))
    }
    return Reviewed(shown, masks, reviewer.strip(), _moment(read, shown, now))


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


def _moment(read: ReadPicture, shown: ExportedPicture, now: datetime) -> datetime:
    """Return when a picture was reviewed, in UTC; a moment without a zone counts as UTC."""
    stated = read.reviewed_at
    if stated is None:
        return now
    try:
        moment = stated.replace(tzinfo=UTC) if stated.tzinfo is None else stated.astimezone(UTC)
        possible = _FIRST_REVIEW <= moment <= now + timedelta(days=1)
    except OverflowError:
        possible = False
    if not possible:
        raise DataError(
            f"{shown.name} was reviewed at {stated}, which cannot be; check the clock of the "
            "annotation tool"
        )
    return moment


@dataclass(frozen=True)
class _Rows:
    """The rows of one import for the table `reviews`."""

    manifest: Manifest
    reviewed: Sequence[Reviewed]
    format: Format

    def write(self, store: Store, settings: ScoreSettings, began: datetime) -> bool:
        """Write the rows, if the tables do not hold them; return whether they are new."""
        review, run_id = self._id(), new_run_id(began)
        with lease.hold(store, run_id, settings.lock_wait_seconds) as held:
            tables = Tables(store)
            if tables.read(TableName.REVIEWS, ["review"], {"review": review}).num_rows:
                return False
            origin = Origin(run_id, self.manifest.bundle, began, held.number)
            rows = whole_rows(TableName.REVIEWS, self._rows(review), origin)
            held.check()
            self._record(tables, origin, settings, Outcome.RUNNING)  # rows need their run
            try:
                held.check()
                tables.append(TableName.REVIEWS, rows)
            except SteelDefectError as error:
                self._record(tables, origin, settings, Outcome.FAILED, str(error))
                raise
            self._record(tables, origin, settings, Outcome.SUCCESS)
        return True

    def _record(
        self,
        tables: Tables,
        origin: Origin,
        settings: ScoreSettings,
        outcome: Outcome,
        error: str | None = None,
    ) -> None:
        names = {str(one): name for one, name in self.manifest.classes.items()}
        record = RunRecord(
            "review",
            self.manifest.output,
            outcome,
            (datetime.now(UTC) - origin.scored_at).total_seconds(),
            settings.model_dump_json(),
            classes=json.dumps(names),
            error=error,
            planned=len(self.manifest.pictures),
        )
        record_run(tables, origin, record)

    def _rows(self, review: str) -> list[dict[str, Any]]:
        same = {"review": review, "format": self.format.value}
        return [row | same for one in self.reviewed for row in _rows(one, self.manifest.classes)]

    def _id(self) -> str:
        """Return an id that the same reviews of the same export always have."""
        content = [
            [one.shown.name, sorted(one.masks.items()), one.reviewer] for one in self.reviewed
        ]
        text = json.dumps([self.manifest.id, sorted(content)])
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def _rows(one: Reviewed, classes: Mapping[int, str]) -> list[dict[str, Any]]:
    shown = one.shown
    same = {
        name: getattr(shown, name)
        for name in ("source", "key", "image_id", "etag", "width", "height")
    }
    same |= {"scored_run": shown.run_id, "reviewer": one.reviewer, "reviewed_at": one.reviewed_at}
    return [
        same
        | {"class_id": class_id, "class_name": name}
        | {"run_lengths": one.masks.get(class_id, ""), "verdict": one.verdict(class_id)}
        for class_id, name in classes.items()
    ]


_ABSENT = """
SELECT count(*) FROM shown
ANTI JOIN (SELECT * FROM images WHERE bundle = ?) USING (source, key, etag, run_id)
"""
