"""The schema of every table, with units; stated here and nowhere else.

Tables are Delta tables below the output: `OUTPUT/images`, `OUTPUT/predictions`, and so on. Their
data files are Parquet, partitioned by `scored_date`. Every row says which run and which bundle
made it and when. `docs/tables.md` is printed from this file by `steeldefect tables`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import pyarrow as pa

PARTITION = "scored_date"

SCHEMA_VERSION = 3
"""Stored with every table.

Version 2 added run_number, and tries and given_up of quarantine. Version 3 renamed took of runs
to engine.

New columns are nullable, so that this program reads and extends tables of every version up to its
own; a table of a greater version is refused.
"""


SINCE = "steeldefect.since"
"""Key of a column's metadata: the version that added it; absent for columns of version 1."""


class TableName(str, Enum):
    """The tables; also the names of their folders."""

    IMAGES = "images"
    PREDICTIONS = "predictions"
    QUARANTINE = "quarantine"
    CONFUSIONS = "confusions"
    METRICS = "metrics"
    RUNS = "runs"


COMMIT_ORDER = (TableName.PREDICTIONS, TableName.QUARANTINE, TableName.IMAGES)
"""Order in which the tables of a wave are committed: what is referred to comes first.

So no reader sees a verdict without its findings. A reader opens the tables the other way round.
"""


class Verdict(str, Enum):
    """What was found on a picture.

    `gated`: the gate stopped it. `clean`: segmented, and nothing found. `defect`: something found.
    """

    CLEAN = "clean"
    GATED = "gated"
    DEFECT = "defect"


class Stage(str, Enum):
    """Where on its way a picture failed; `worker`: the process that scored it died."""

    FETCH = "fetch"
    DECODE = "decode"
    PREPARE = "prepare"
    GATE = "gate"
    SEGMENT = "segment"
    WORKER = "worker"


@dataclass(frozen=True)
class TableSchema:
    """One table: what a row is, and its columns (the partition column last)."""

    row: str
    columns: pa.Schema

    @property
    def stored(self) -> pa.Schema:
        """Columns inside the data files: all but the partition column, which is in their path."""
        return self.columns.remove(self.columns.get_field_index(PARTITION))


def _column(name: str, kind: pa.DataType, comment: str, nullable: bool = False) -> pa.Field:
    return pa.field(name, kind, nullable=nullable, metadata={"comment": comment})


def _added(version: int, name: str, kind: pa.DataType, comment: str) -> pa.Field:
    """Describe a column that a later version added: rows of before are null there."""
    stated = {"comment": f"{comment}; null in rows of older versions", SINCE: str(version)}
    return pa.field(name, kind, nullable=True, metadata=stated)


_MOMENT = pa.timestamp("us", tz="UTC")

_PICTURE = [
    _column(
        "source", pa.string(), "the input the picture lies under: a folder or s3://bucket/prefix"
    ),
    _column("key", pa.string(), "path of the picture below the source"),
    _column("image_id", pa.string(), "file name of the picture, as label files name it"),
]
_VERSION = [
    _column("etag", pa.string(), "version of the picture's bytes, as the store names it"),
    _column("bytes", pa.int64(), "size of the file in bytes"),
]
_PROVENANCE = [
    _column("run_id", pa.string(), "the run that wrote the row; see runs"),
    _column("bundle", pa.string(), "sha256 of the model bundle's manifest"),
    _column("scored_at", _MOMENT, "when the run that wrote the row began (UTC)"),
    _added(
        2,
        "run_number",
        pa.int64(),
        "orders the runs of one output: a later run has a greater number, whatever the clocks say",
    ),
    _column(PARTITION, pa.date32(), "date of scored_at (UTC); the partition"),
]
_CLASS = [
    _column("class_id", pa.int32(), "id of the defect class"),
    _column("class_name", pa.string(), "name of the defect class in the bundle"),
]

SCHEMAS: dict[TableName, TableSchema] = {
    TableName.IMAGES: TableSchema(
        "one picture that was scored",
        pa.schema(
            [
                *_PICTURE,
                *_VERSION,
                _column("width", pa.int32(), "in pixels"),
                _column("height", pa.int32(), "in pixels"),
                _column(
                    "gate_probability",
                    pa.float32(),
                    "the gate's probability of a defect, calibrated by the bundle's temperature, "
                    "0 to 1; null for a bundle without a gate",
                    nullable=True,
                ),
                _column("verdict", pa.string(), "gated (stopped by the gate), clean or defect"),
                _column("defects", pa.int32(), "number of defect classes found"),
                _column("runtime", pa.string(), "library that ran the models"),
                _column("device", pa.string(), "cpu or gpu"),
                _column("precision", pa.string(), "arithmetic of the models: f32, bf16 or int8"),
                *_PROVENANCE,
            ]
        ),
    ),
    TableName.PREDICTIONS: TableSchema(
        "one defect class found on one picture",
        pa.schema(
            [
                *_PICTURE,
                *_CLASS,
                _column(
                    "run_lengths",
                    pa.string(),
                    "the mask: 'start length ...', column-major, 1-based (Kaggle's convention)",
                ),
                _column("area", pa.int64(), "of the mask, in pixels"),
                _column("share", pa.float64(), "of the picture that the mask covers, 0 to 1"),
                _column("box_top", pa.int32(), "first row of the mask, 0-based, in pixels"),
                _column("box_left", pa.int32(), "first column of the mask, 0-based, in pixels"),
                _column("box_bottom", pa.int32(), "row after the mask's last"),
                _column("box_right", pa.int32(), "column after the mask's last"),
                _column("regions", pa.int32(), "number of separate regions (8-connected)"),
                _column("mean_probability", pa.float32(), "mean over the mask's pixels, 0 to 1"),
                _column("max_probability", pa.float32(), "greatest over the mask's pixels, 0 to 1"),
                *_PROVENANCE,
            ]
        ),
    ),
    TableName.QUARANTINE: TableSchema(
        "one picture that could not be scored, each time it was tried",
        pa.schema(
            [
                *_PICTURE,
                *_VERSION,
                _column(
                    "stage", pa.string(), "where: fetch, decode, prepare, gate, segment or worker"
                ),
                _column("error", pa.string(), "class of the error"),
                _column("message", pa.string(), "what was wrong"),
                _column(
                    "transient",
                    pa.bool_(),
                    "false: the picture's own bytes show it; true: the store or the host failed",
                ),
                _added(
                    2,
                    "tries",
                    pa.int32(),
                    "how often this version of the picture has failed, this time included",
                ),
                _added(
                    2,
                    "given_up",
                    pa.bool_(),
                    "true: not tried again (final, or max_tries reached)",
                ),
                *_PROVENANCE,
            ]
        ),
    ),
    TableName.CONFUSIONS: TableSchema(
        "one picture and class that was compared with one label file; pixels counted",
        pa.schema(
            [
                *_PICTURE,
                *_CLASS,
                _column("tp", pa.int64(), "pixels in truth and prediction"),
                _column("fp", pa.int64(), "pixels in the prediction alone"),
                _column("fn", pa.int64(), "pixels in the truth alone"),
                _column("tn", pa.int64(), "pixels in neither"),
                _column("labels", pa.string(), "the label file"),
                *_PROVENANCE,
            ]
        ),
    ),
    TableName.METRICS: TableSchema(
        "one number of an evaluation",
        pa.schema(
            [
                _column("scope", pa.string(), "overall, or class"),
                _column("class_id", pa.int32(), "for the scope class", nullable=True),
                _column("class_name", pa.string(), "for the scope class", nullable=True),
                _column("name", pa.string(), "of the metric; docs/tables.md explains each"),
                _column("value", pa.float64(), "null where nothing supports it", nullable=True),
                _column("support", pa.int64(), "pairs, pictures or pixels it is computed from"),
                _column("labels", pa.string(), "the label file"),
                *_PROVENANCE,
            ]
        ),
    ),
    TableName.RUNS: TableSchema(
        "one run of a job",
        pa.schema(
            [
                _column("job", pa.string(), "score or evaluate"),
                _column("source", pa.string(), "the input, or the label file"),
                _column(
                    "outcome",
                    pa.string(),
                    "success, nothing_new, failed, interrupted; running: not ended, or killed",
                ),
                _column("error", pa.string(), "why it failed", nullable=True),
                _column("planned", pa.int64(), "pictures found under the input"),
                _column("skipped", pa.int64(), "of these, already scored by this bundle"),
                _column("scored", pa.int64(), "rows added to images"),
                _column("quarantined", pa.int64(), "rows added to quarantine"),
                _column("defective", pa.int64(), "pictures with a defect"),
                _column("waves", pa.int32(), "waves published"),
                _column("seconds", pa.float64(), "from start to end of the run"),
                _column(
                    "pictures_per_second", pa.float64(), "over all waves, start-up not counted"
                ),
                _column(
                    "stage_seconds",
                    pa.string(),
                    "JSON: seconds of list, plan, publish; of tasks and (over threads) stages",
                ),
                _column(
                    "took",
                    pa.string(),
                    "the name of engine until schema version 2; null in newer rows",
                    nullable=True,
                ),
                _added(
                    3,
                    "engine",
                    pa.string(),
                    "JSON: what ran the models, and why, with the pictures that it scored",
                ),
                _column("settings", pa.string(), "JSON"),
                _column("classes", pa.string(), "JSON: the bundle's defect classes, name by id"),
                _column("versions", pa.string(), "JSON"),
                *_PROVENANCE,
            ]
        ),
    ),
}
