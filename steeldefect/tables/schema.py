"""The schema of every table, with units; it is defined only here.

Tables are Delta tables below the output: `OUTPUT/images`, `OUTPUT/predictions`, and so on. Their
data files are Parquet, partitioned by `scored_date`. Every row states which run and which bundle
made it, and when. `steeldefect tables` prints this schema for `docs/tables.md`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import pyarrow as pa

PARTITION = "scored_date"

SCHEMA_VERSION = 4
"""Version of the schema; every table states its own.

- Version 2 added `run_number` to all tables, and `tries` and `given_up` to `quarantine`.
- Version 3 renamed the column `took` of `runs` to `engine`.
- Version 4 added the tables `defects`, `mask_levels` and `reviews`, the column `thresholds` of
  `runs`, to `images` where a picture lies and how many rows of the new tables it has, to
  `confusions` the counts of defects, and to `metrics` intervals and size classes.

New columns are nullable, so that this program reads and extends tables of every version up to its
own. A table of a greater version is refused.
"""


SINCE = "steeldefect.since"
"""Key in a column's metadata: the version that added the column; absent for version 1."""


class TableName(str, Enum):
    """The names of the tables, and of their folders."""

    IMAGES = "images"
    PREDICTIONS = "predictions"
    DEFECTS = "defects"
    MASK_LEVELS = "mask_levels"
    QUARANTINE = "quarantine"
    REVIEWS = "reviews"
    CONFUSIONS = "confusions"
    METRICS = "metrics"
    RUNS = "runs"


COMMIT_ORDER = (
    *(TableName.MASK_LEVELS, TableName.DEFECTS, TableName.PREDICTIONS),
    *(TableName.QUARANTINE, TableName.IMAGES),
)
"""Order in which the parts of a wave are committed to the tables: verdicts (`images`) come last.

A reader opens the tables in the opposite order. So no reader sees a verdict without its findings.
"""


class Verdict(str, Enum):
    """The result for a scored picture.

    `gated`: the gate stopped the picture. `clean`: the segmenter found no defect. `defect`: at
    least one defect class was found.
    """

    CLEAN = "clean"
    GATED = "gated"
    DEFECT = "defect"


class Stage(str, Enum):
    """The stage of scoring at which a picture failed; `worker`: its worker process died."""

    FETCH = "fetch"
    DECODE = "decode"
    PREPARE = "prepare"
    GATE = "gate"
    SEGMENT = "segment"
    WORKER = "worker"


@dataclass(frozen=True)
class TableSchema:
    """The schema of one table.

    Attributes:
        row: what one row is.
        columns: all columns; the partition column comes last.
    """

    row: str
    columns: pa.Schema

    @property
    def stored(self) -> pa.Schema:
        """Columns in the data files: all except the partition column, which is in the path."""
        return self.columns.remove(self.columns.get_field_index(PARTITION))


def _column(name: str, kind: pa.DataType, comment: str, nullable: bool = False) -> pa.Field:
    return pa.field(name, kind, nullable=nullable, metadata={"comment": comment})


def _added(version: int, name: str, kind: pa.DataType, comment: str) -> pa.Field:
    """Create a column that a later version added to a table.

    It is null in rows of older versions.
    """
    stated = {"comment": f"{comment}; null in rows of older versions", SINCE: str(version)}
    return pa.field(name, kind, nullable=True, metadata=stated)


def _measured(name: str, comment: str) -> pa.Field:
    """Create a column in millimetres."""
    return _column(name, pa.float64(), f"{comment}; null if scale or place is unknown", True)


_MOMENT = pa.timestamp("us", tz="UTC")

_PICTURE = [
    _column("source", pa.string(), "input that holds the picture: a folder or s3://bucket/prefix"),
    _column("key", pa.string(), "path of the picture below the source"),
    _column("image_id", pa.string(), "file name of the picture, as label files use it"),
]
_VERSION = [
    _column("etag", pa.string(), "version of the picture's bytes, as the store states it"),
    _column("bytes", pa.int64(), "size of the picture's file in bytes"),
]
_PROVENANCE = [
    _column("run_id", pa.string(), "id of the run that wrote the row; see runs"),
    _column("bundle", pa.string(), "digest of the bundle: sha256 of its manifest"),
    _column("scored_at", _MOMENT, "start of the run that wrote the row (UTC)"),
    _added(
        2,
        "run_number",
        pa.int64(),
        "number of the run in its output: a later run has a greater number, even if clocks differ",
    ),
    _column(PARTITION, pa.date32(), "date of scored_at (UTC); the partition column"),
]
_ON_STRIP = {
    "coil": "coil that the picture shows",
    "camera": "camera that took the picture",
    "side": "side of the strip",
}
_BOX = [
    _column("box_top", pa.int32(), "first pixel row of the mask, 0-based"),
    _column("box_left", pa.int32(), "first pixel column of the mask, 0-based"),
    _column("box_bottom", pa.int32(), "last pixel row of the mask plus 1, 0-based"),
    _column("box_right", pa.int32(), "last pixel column of the mask plus 1, 0-based"),
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
                _column("width", pa.int32(), "width of the picture in pixels"),
                _column("height", pa.int32(), "height of the picture in pixels"),
                _column(
                    "gate_probability",
                    pa.float32(),
                    "the gate's probability of a defect, calibrated by the bundle's temperature, "
                    "0 to 1; null if the bundle has no gate",
                    nullable=True,
                ),
                _column("verdict", pa.string(), "gated (stopped by the gate), clean or defect"),
                _column("defects", pa.int32(), "number of defect classes found on the picture"),
                _column("runtime", pa.string(), "library that ran the models"),
                _column("device", pa.string(), "device that ran the models: cpu or gpu"),
                _column("precision", pa.string(), "arithmetic of the models: f32, bf16 or int8"),
                *(_added(4, name, pa.string(), text) for name, text in _ON_STRIP.items()),
                _added(
                    4,
                    "position_mm",
                    pa.float64(),
                    "place of the picture's first pixel along the strip in millimetres",
                ),
                _added(4, "captured_at", _MOMENT, "time at which the picture was taken (UTC)"),
                _added(4, "pixel_mm_x", pa.float64(), "width of a pixel in millimetres"),
                _added(4, "pixel_mm_y", pa.float64(), "height of a pixel in millimetres"),
                _added(
                    4,
                    "attributes",
                    pa.map_(pa.string(), pa.string()),
                    "other values that the settings ask for, by name",
                ),
                _added(
                    4,
                    "regions",
                    pa.int32(),
                    "number of regions found: the picture's rows of defects with kept",
                ),
                _added(
                    4,
                    "rejected_regions",
                    pa.int32(),
                    "number of regions that minimum areas removed; the largest are in defects",
                ),
                _added(4, "level_masks", pa.int32(), "number of the picture's rows of mask_levels"),
                *_PROVENANCE,
            ]
        ),
    ),
    TableName.DEFECTS: TableSchema(
        "one region of one class on one picture: a defect, or what a minimum area removed",
        pa.schema(
            [
                *_PICTURE,
                _column("number", pa.int32(), "number of the region on its picture, from 1"),
                *_CLASS,
                _column("kept", pa.bool_(), "whether the region counts as a defect"),
                _column(
                    "reason",
                    pa.string(),
                    "why it does not count: min_area (all regions of the class are smaller "
                    "together), or soft_gate (they are smaller than the area that the soft gate "
                    "asks for); null if kept",
                    nullable=True,
                ),
                *(
                    _column(name, pa.string(), f"{text}; null if unknown", nullable=True)
                    for name, text in _ON_STRIP.items()
                ),
                _column(
                    "run_lengths",
                    pa.string(),
                    "the region: 'start length ...', column-major, 1-based (Kaggle's convention)",
                ),
                _column("area", pa.int64(), "area in pixels"),
                _column("centroid_x", pa.float64(), "mean pixel column, 0-based"),
                _column("centroid_y", pa.float64(), "mean pixel row, 0-based"),
                *_BOX,
                _column(
                    "length", pa.float32(), "long side of the least rectangle around it, in pixels"
                ),
                _column("width", pa.float32(), "short side of this rectangle, in pixels"),
                _column(
                    "angle",
                    pa.float32(),
                    "direction of the long side in degrees, above -90 to 90; 0: along the pixel "
                    "rows, positive: down to the right",
                ),
                _column("perimeter", pa.float32(), "length of the outer border in pixels"),
                _column("elongation", pa.float32(), "length / width, in pixels, at least 1"),
                _column("solidity", pa.float32(), "area / area of the convex hull, above 0 to 1"),
                _column("mean_probability", pa.float32(), "mean probability in the region, 0 to 1"),
                _column("max_probability", pa.float32(), "largest probability there, 0 to 1"),
                _column("touches_edge", pa.bool_(), "whether it reaches the edge of the picture"),
                _measured("area_mm2", "area in square millimetres"),
                _measured("length_mm", "long side of the least rectangle in millimetres"),
                _measured("width_mm", "short side of this rectangle in millimetres"),
                _measured("angle_mm", "direction of its long side in degrees, as angle"),
                _measured("perimeter_mm", "length of the outer border in millimetres"),
                _measured("along_mm", "place of the centroid along the strip in millimetres"),
                _measured(
                    "across_mm",
                    "place of the centroid across the strip, from the picture's edge, in "
                    "millimetres",
                ),
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
                _column("area", pa.int64(), "area of the mask in pixels"),
                _column("share", pa.float64(), "share of the picture that the mask covers, 0 to 1"),
                *_BOX,
                _column("regions", pa.int32(), "number of regions of the mask (8-connected)"),
                _column("mean_probability", pa.float32(), "mean probability in the mask, 0 to 1"),
                _column("max_probability", pa.float32(), "largest probability in the mask, 0 to 1"),
                *_PROVENANCE,
            ]
        ),
    ),
    TableName.MASK_LEVELS: TableSchema(
        "the mask of one class on one picture at one threshold, if the setting mask_levels asks "
        "for it",
        pa.schema(
            [
                *_PICTURE,
                *_CLASS,
                _column("level", pa.float64(), "threshold: pixels above it are in the mask"),
                _column(
                    "starts",
                    pa.list_(pa.int32()),
                    "first pixel of each run, numbered as in run_lengths of predictions",
                ),
                _column("lengths", pa.list_(pa.int32()), "number of pixels of each run"),
                _column("area", pa.int64(), "area of the mask in pixels"),
                _column("regions", pa.int32(), "number of regions of the mask (8-connected)"),
                _column("mean_probability", pa.float32(), "mean probability in the mask, 0 to 1"),
                _column("max_probability", pa.float32(), "largest probability in the mask, 0 to 1"),
                *_PROVENANCE,
            ]
        ),
    ),
    TableName.QUARANTINE: TableSchema(
        "one failed try to score one picture",
        pa.schema(
            [
                *_PICTURE,
                *_VERSION,
                _column(
                    "stage",
                    pa.string(),
                    "stage that failed: fetch, decode, prepare, gate, segment or worker",
                ),
                _column("error", pa.string(), "class of the error"),
                _column("message", pa.string(), "message of the error: what was wrong"),
                _column(
                    "transient",
                    pa.bool_(),
                    "false: the picture's own bytes are the cause; true: the store or the host is",
                ),
                _added(
                    2,
                    "tries",
                    pa.int32(),
                    "number of failed tries of this version of the picture, this one included",
                ),
                _added(
                    2,
                    "given_up",
                    pa.bool_(),
                    "true: not tried again, because the failure is final or max_tries is reached",
                ),
                *_PROVENANCE,
            ]
        ),
    ),
    TableName.REVIEWS: TableSchema(
        "what a person said about one defect class on one picture",
        pa.schema(
            [
                *_PICTURE,
                _column("etag", pa.string(), "version of the picture's bytes that was shown"),
                _column("width", pa.int32(), "width of the picture in pixels"),
                _column("height", pa.int32(), "height of the picture in pixels"),
                *_CLASS,
                _column(
                    "run_lengths",
                    pa.string(),
                    "the mask that is right, as in predictions; empty if the class is absent",
                ),
                _column(
                    "verdict",
                    pa.string(),
                    "confirmed (the mask is that of the bundle) or corrected",
                ),
                _column("reviewer", pa.string(), "who reviewed the picture"),
                _column(
                    "reviewed_at",
                    _MOMENT,
                    "when, if the tool states it; otherwise when it was imported (UTC)",
                ),
                _column("format", pa.string(), "format in which the masks came back"),
                _column("scored_run", pa.string(), "id of the run whose masks were shown"),
                _column(
                    "review", pa.string(), "id that the same reviews of the same export always have"
                ),
                *_PROVENANCE,
            ]
        ),
    ),
    TableName.CONFUSIONS: TableSchema(
        "pixels and defects of one picture and defect class, compared with one label file",
        pa.schema(
            [
                *_PICTURE,
                *_CLASS,
                _column("tp", pa.int64(), "number of pixels in both truth and prediction"),
                _column("fp", pa.int64(), "number of pixels only in the prediction"),
                _column("fn", pa.int64(), "number of pixels only in the truth"),
                _column("tn", pa.int64(), "number of pixels in neither"),
                _column("labels", pa.string(), "address of the label file"),
                _added(4, "true_defects", pa.int32(), "number of separate regions of the truth"),
                _added(
                    4, "found_defects", pa.int32(), "number of separate regions of the prediction"
                ),
                _added(
                    4,
                    "matched_defects",
                    pa.int32(),
                    "number of true and found regions that are matched one to one by their IoU",
                ),
                _added(4, "matched_iou", pa.float64(), "sum of the IoU of the matched regions"),
                *(
                    _added(4, name, pa.list_(pa.int32()), f"{text}, in each size class")
                    for name, text in (
                        ("true_by_size", "number of true regions"),
                        ("matched_true_by_size", "number of true regions that are matched"),
                        ("found_by_size", "number of found regions"),
                        ("matched_found_by_size", "number of found regions that are matched"),
                    )
                ),
                *_PROVENANCE,
            ]
        ),
    ),
    TableName.METRICS: TableSchema(
        "one number of an evaluation",
        pa.schema(
            [
                _column("scope", pa.string(), "overall, or class (one defect class)"),
                _column("class_id", pa.int32(), "class id; null for overall", nullable=True),
                _column("class_name", pa.string(), "class name; null for overall", nullable=True),
                _column("name", pa.string(), "name of the metric; docs/tables.md explains each"),
                _column("value", pa.float64(), "metric's value; null if undefined", nullable=True),
                _column(
                    "support",
                    pa.int64(),
                    "number of pairs, pictures, pixels or defects behind value",
                ),
                _column("labels", pa.string(), "address of the label file"),
                _added(4, "size_class", pa.string(), "areas of the defects counted; null for all"),
                _added(4, "low", pa.float64(), "lower end of the 95% interval by bootstrap"),
                _added(4, "high", pa.float64(), "upper end of this interval"),
                *_PROVENANCE,
            ]
        ),
    ),
    TableName.RUNS: TableSchema(
        "one run of a job",
        pa.schema(
            [
                _column("job", pa.string(), "the job: score, evaluate, rethreshold or review"),
                _column("source", pa.string(), "address of the input, or of the label file"),
                _column(
                    "outcome",
                    pa.string(),
                    "success, nothing_new, failed or interrupted; running: not ended yet, or its "
                    "driver was killed",
                ),
                _column("error", pa.string(), "message of the error that ended it", nullable=True),
                _column("planned", pa.int64(), "pictures found (score) or compared (evaluate)"),
                _column("skipped", pa.int64(), "of these, pictures already scored or given up"),
                _column("scored", pa.int64(), "number of rows added to images"),
                _column("quarantined", pa.int64(), "number of rows added to quarantine"),
                _column("defective", pa.int64(), "number of scored pictures with a defect"),
                _column("waves", pa.int32(), "number of waves published"),
                _column("seconds", pa.float64(), "duration of the run in seconds"),
                _column(
                    "pictures_per_second",
                    pa.float64(),
                    "pictures done per second, without start-up",
                ),
                _column(
                    "stage_seconds",
                    pa.string(),
                    "JSON: seconds of list, plan and publish, of all tasks together, and of each "
                    "stage as a sum over tasks and threads",
                ),
                _column(
                    "took",
                    pa.string(),
                    "earlier name of engine, up to schema version 2; null in newer rows",
                    nullable=True,
                ),
                _added(
                    3,
                    "engine",
                    pa.string(),
                    "JSON: each engine that ran the models, and why, with its number of pictures",
                ),
                _column("settings", pa.string(), "JSON: settings of the run, secrets masked"),
                _column("classes", pa.string(), "JSON: names of the bundle's classes, by id"),
                _added(
                    4,
                    "thresholds",
                    pa.string(),
                    "JSON: pixel threshold and minimum area of each class, by id, and the gate's "
                    "mode, threshold and soft area",
                ),
                _column("versions", pa.string(), "JSON: versions of Python and the libraries"),
                *_PROVENANCE,
            ]
        ),
    ),
}
