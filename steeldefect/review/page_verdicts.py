"""Take in what people said on the morning page: the file that its button `Save` writes.

The page shows masks of one run; the tables hold them. So the file states pictures and verdicts
only, and everything in it is checked against the tables.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal

import duckdb
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from steeldefect.analysis.sql import opened_database
from steeldefect.errors import DataError
from steeldefect.labels.label_csv import listed
from steeldefect.publish.foreign_tables import require_own_tables
from steeldefect.review.formats.exchange import read_bytes
from steeldefect.review.manifest import ExportedPicture
from steeldefect.review.review_rows import ReviewBatch, checked_moment, checked_reviewer
from steeldefect.review.training_folder import Reviewed
from steeldefect.settings import ScoreSettings
from steeldefect.stores import Store

FORM = "steeldefect verdicts"
FORMAT = "page"
"""Value of the column `format` of these reviews."""
_VERSION = 1
_Name = Annotated[str, Field(min_length=1, max_length=4096)]


class PageVerdict(str, Enum):
    """What a person says of a picture on the page.

    `right`: the outlines are right. `nothing`: the picture shows no defect. `redraw`: somebody has
    to draw other outlines, which a page cannot.
    """

    RIGHT = "right"
    NOTHING = "nothing"
    REDRAW = "redraw"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PictureVerdict(_Part):
    """The verdict on one picture: columns of its row of `images`, and when it was given."""

    source: _Name
    key: _Name
    etag: str
    verdict: PageVerdict
    at: datetime


class PageVerdicts(_Part):
    """The content of the file.

    Attributes:
        form, version: what the file is.
        output: address of the tables that the page was made from.
        run: id of the run whose masks the page shows.
        bundle: digest of its bundle.
        reviewer: who says so; may be empty.
        pictures: the verdicts.
    """

    form: Literal["steeldefect verdicts"]
    version: Literal[1]
    output: str
    run: _Name
    bundle: _Name
    reviewer: str
    pictures: Annotated[tuple[PictureVerdict, ...], Field(min_length=1)]


@dataclass(frozen=True)
class TakenIn:
    """What was taken in.

    Attributes:
        confirmed: number of pictures whose outlines are those of the bundle.
        corrected: number of pictures on which something else is right.
        redraw: keys of the pictures that somebody has to draw; no review was written for them.
        new: whether rows were written; False if the tables held these reviews already.
    """

    confirmed: int
    corrected: int
    redraw: tuple[str, ...]
    new: bool


def read_verdicts(path: Path) -> PageVerdicts:
    """Read the file that a page saved.

    Raises:
        DataError: it is no such file, or a newer version wrote it.
    """
    content = read_bytes(path)
    try:
        stated = json.loads(content)
    except (ValueError, RecursionError):  # brackets may be nested without end
        raise DataError(f"{path} holds no verdicts of a page: it is not JSON") from None
    if not isinstance(stated, dict) or stated.get("form") != FORM:
        raise DataError(
            f"{path} holds no verdicts of a page; for other annotations, name the folder that "
            "`steeldefect review export` wrote with --export"
        )
    if stated.get("version") != _VERSION:
        raise DataError(
            f"{path} has version {stated.get('version')}; this program reads {_VERSION}"
        )
    try:
        return PageVerdicts.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise DataError(f"{path}: {place}: {first['msg']}") from None


def import_verdicts(
    store: Store, settings: ScoreSettings, path: Path, reviewer: str | None
) -> TakenIn:
    """Write the verdicts of a page to the table `reviews`.

    Args:
        store: the output.
        settings: settings of the call.
        path: the file.
        reviewer: who reviewed the pictures; None for whom the file names.

    Raises:
        DataError: the file is damaged, or its pictures are not in these tables as it states them.
        SettingsError: nobody said who reviewed the pictures.
        OutputBusyError: another run writes to the output.
        StoreError: the tables cannot be read or written.
    """
    began = datetime.now(UTC)
    verdicts = read_verdicts(path)
    require_own_tables(store)
    said = {(one.source, one.key): one for one in verdicts.pictures}
    if len(said) < len(verdicts.pictures):
        raise DataError(f"{path}: a picture has two verdicts")
    name = checked_reviewer(reviewer or verdicts.reviewer, path.name)
    with opened_database(store) as connection:
        classes = _classes(connection, verdicts)
        shown = _shown(connection, verdicts, path)
    redraw = tuple(one.key for one in verdicts.pictures if one.verdict is PageVerdict.REDRAW)
    reviewed = [
        _reviewed(row, said[row["source"], row["key"]], name, began)
        for row in shown
        if said[row["source"], row["key"]].verdict is not PageVerdict.REDRAW
    ]
    if not reviewed:
        return TakenIn(0, 0, redraw, False)
    batch = ReviewBatch(
        _id(verdicts),
        verdicts.output,
        verdicts.bundle,
        classes,
        len(verdicts.pictures),
        FORMAT,
        reviewed,
    )
    new = batch.write(store, settings, began)
    corrected = sum(one.corrected for one in reviewed)
    return TakenIn(len(reviewed) - corrected, corrected, redraw, new)


def _id(verdicts: PageVerdicts) -> str:
    """Return the id of the page: the same verdicts on it are written once."""
    return hashlib.sha256(f"{FORM} {verdicts.run}".encode()).hexdigest()[:32]


def _classes(connection: duckdb.DuckDBPyConnection, verdicts: PageVerdicts) -> dict[int, str]:
    stated = connection.execute(_CLASSES, [verdicts.run, verdicts.bundle]).fetchall()
    if not stated:
        raise DataError(
            f"run {verdicts.run} is not in these tables: the page was made from "
            f"{verdicts.output}; name the output that it was made from"
        )
    return {int(one): str(name) for one, name in json.loads(stated[0][0]).items()}


def _shown(
    connection: duckdb.DuckDBPyConnection, verdicts: PageVerdicts, path: Path
) -> list[dict[str, Any]]:
    """Return the pictures as the page showed them, with masks of the bundle and of its audit."""
    names = [one.model_dump(include={"source", "key", "etag"}) for one in verdicts.pictures]
    connection.register("said", pa.Table.from_pylist(names, _SAID))
    rows: list[dict[str, Any]] = (
        connection.sql(_SHOWN, params=[verdicts.run]).to_arrow_table().to_pylist()
    )
    known = {(row["source"], row["key"]) for row in rows}
    absent = [one.key for one in verdicts.pictures if (one.source, one.key) not in known]
    if absent:
        raise DataError(
            f"{path}: run {verdicts.run} has no such version of {len(absent)} pictures: "
            f"{listed(absent)}; make the page again"
        )
    return rows


def _reviewed(row: dict[str, Any], said: PictureVerdict, reviewer: str, now: datetime) -> Reviewed:
    """Return the review of a picture: the masks that were shown, or none."""
    stated = {one["class_id"]: one["run_lengths"] for one in row["found"] or ()}
    audited = {one["class_id"]: one["run_lengths"] for one in row["audited"] or ()}
    shown = ExportedPicture(
        name=hashlib.sha256(f"{row['source']}/{row['key']}".encode()).hexdigest(),
        sha256="",
        run_id=row["run_id"],
        masks=stated,
        **{name: row[name] for name in ("source", "key", "image_id", "etag", "width", "height")},
    )
    right = (stated or audited) if said.verdict is PageVerdict.RIGHT else {}
    return Reviewed(shown, right, reviewer, checked_moment(said.at, row["key"], now))


_SAID = pa.schema([("source", pa.string()), ("key", pa.string()), ("etag", pa.string())])
_CLASSES = "SELECT classes FROM runs WHERE job = 'score' AND run_id = ? AND bundle = ?"
_SHOWN = """
WITH found AS (
    SELECT source, key, list({'class_id': class_id, 'run_lengths': run_lengths}) AS found
    FROM predictions SEMI JOIN said USING (source, key) WHERE run_id = $1 GROUP BY source, key
), audited AS (
    SELECT source, key, list({'class_id': class_id, 'run_lengths': run_lengths}) AS audited
    FROM audit_predictions SEMI JOIN said USING (source, key) WHERE run_id = $1
    GROUP BY source, key
)
SELECT source, key, image_id, etag, width, height, run_id, found, audited
FROM images SEMI JOIN said USING (source, key, etag)
LEFT JOIN found USING (source, key) LEFT JOIN audited USING (source, key)
WHERE run_id = $1
ORDER BY key, source
"""
