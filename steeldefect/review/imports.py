"""Take corrections in: a data folder for training, and rows of the table `reviews`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from steeldefect.errors import DataError, SettingsError
from steeldefect.publish import lease
from steeldefect.publish.foreign_tables import require_own_tables
from steeldefect.publish.runs import Outcome, RunRecord, new_run_id, record_run
from steeldefect.review.export import texts_of
from steeldefect.review.formats import Format, ReadPicture, read_annotations
from steeldefect.review.manifest import IMAGES, ExportedPicture, Manifest, read_manifest
from steeldefect.review.new_folders import new_folder
from steeldefect.review.training_folder import Reviewed, write_training_folder
from steeldefect.settings import ScoreSettings
from steeldefect.stores import Store
from steeldefect.tables.delta import Tables
from steeldefect.tables.provenance import Origin, whole_rows
from steeldefect.tables.schema import TableName


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
        not_reviewed: number of exported pictures that did not come back.
    """

    confirmed: int
    corrected: int
    not_reviewed: int


def import_reviews(store: Store, settings: ScoreSettings, request: ImportRequest) -> ImportResult:
    """Read what an annotation tool gives back, and write the table `reviews`, and a data folder.

    To import the same annotations of the same export again changes nothing: their rows are
    replaced.

    Raises:
        DataError: the annotations do not fit the export, or the export is of other tables.
        SettingsError: nobody said who reviewed the pictures.
        AlreadyExistsError: the data folder holds something.
        OutputBusyError: another run writes to the output.
        StoreError: a folder or the tables cannot be written.
    """
    began = datetime.now(UTC)
    manifest = read_manifest(request.export)
    require_own_tables(store)
    read = _read(request, manifest)
    shown = {one.name: one for one in manifest.pictures}
    reviewed = [_reviewed(one, shown[one.picture.name], request, began) for one in read]
    target = nullcontext(None) if request.folder is None else new_folder(request.folder)
    with target as folder:
        if folder is not None:
            provenance = {"bundle": manifest.bundle, "output": manifest.output}
            images = request.export / IMAGES
            write_training_folder(folder, images, reviewed, manifest.classes, provenance)
        _write_rows(store, settings, manifest, reviewed, request.format or manifest.format, began)
    corrected = sum(one.corrected for one in reviewed)
    return ImportResult(len(reviewed) - corrected, corrected, len(shown) - len(reviewed))


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
    masks = texts_of(read.picture)
    if shown.returned is not None and masks == shown.returned:
        masks = dict(shown.masks)  # nobody changed it: the format could not hold it
    return Reviewed(shown, masks, reviewer, read.reviewed_at or now)


def _write_rows(
    store: Store,
    settings: ScoreSettings,
    manifest: Manifest,
    reviewed: Sequence[Reviewed],
    format: Format,
    began: datetime,
) -> None:
    tables, run_id = Tables(store), new_run_id(began)
    review = _review_id(manifest, reviewed)
    rows = [
        row | {"review": review, "format": format.value}
        for one in reviewed
        for row in _rows(one, manifest.classes)
    ]
    with lease.hold(store, run_id, settings.lock_wait_seconds) as held:
        origin = Origin(run_id, manifest.bundle, began, held.number)
        held.check()
        record = RunRecord(
            "review",
            manifest.output,
            Outcome.SUCCESS,
            (datetime.now(UTC) - began).total_seconds(),
            settings.model_dump_json(),
            classes=json.dumps({str(one): name for one, name in manifest.classes.items()}),
            planned=len(manifest.pictures),
        )
        record_run(tables, origin, record)  # rows need their run
        held.check()
        made = whole_rows(TableName.REVIEWS, rows, origin)
        tables.replace(TableName.REVIEWS, made, {"review": review})


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


def _review_id(manifest: Manifest, reviewed: Sequence[Reviewed]) -> str:
    """Return an id that the same annotations of the same export always have."""
    content = [[one.shown.name, sorted(one.masks.items()), one.reviewer] for one in reviewed]
    text = json.dumps([manifest.id, sorted(content)])
    return hashlib.sha256(text.encode()).hexdigest()[:16]
