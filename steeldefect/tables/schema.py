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

RUN_LENGTHS = "run_lengths"
"""Column of masks as text; in memory, masks are runs, int64 (n, 2)."""

SCHEMA_VERSION = 5
"""Version of the schema; every table states its own.

- Version 2 added `run_number` to all tables, and `tries` and `given_up` to `quarantine`.
- Version 3 renamed the column `took` of `runs` to `engine`.
- Version 4 added the tables `defects`, `mask_levels`, `reviews`, `agreement`, `drift` and
  `repeats`; the columns `thresholds` and `shadow_of` of `runs`; in `images` where a picture lies,
  its statistics, its audit and how many rows of the new tables it has; the mark `audit` in
  `predictions`; the counts of defects in `confusions`; and in `metrics` intervals, size classes and
  `invalid`.
- Version 5 added `novelty` to `images`.

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
    AGREEMENT = "agreement"
    DRIFT = "drift"
    REPEATS = "repeats"
    RUNS = "runs"


COMMIT_ORDER = (
    *(TableName.MASK_LEVELS, TableName.DEFECTS, TableName.PREDICTIONS),
    *(TableName.AGREEMENT, TableName.QUARANTINE, TableName.IMAGES),
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


def _of_roll(name: str, kind: pa.DataType, comment: str) -> pa.Field:
    """Create a column of `repeats` that only marks of a roll have."""
    return _column(name, kind, f"{comment}; null for a fixed place", nullable=True)


def _of_place(name: str, kind: pa.DataType, comment: str) -> pa.Field:
    """Create a column of `repeats` that only fixed places have."""
    return _column(name, kind, f"{comment}; null for marks of a roll", nullable=True)


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
PROVENANCE = frozenset(column.name for column in _PROVENANCE)
"""Names of the columns that say which run and bundle made a row, the partition column included."""

_MEAN = "mean probability in the mask, 0 to 1, calibrated if the bundle does so"

_ON_STRIP = {
    "coil": "coil that the picture shows",
    "camera": "camera that took the picture",
    "side": "side of the strip",
}
_STATISTICS = {
    "gray_mean": "mean gray of the picture, 0 to 255",
    "gray_std": "contrast: standard deviation of its gray values",
    "sharpness": "mean square of its Laplacian; null for pictures of less than 3 x 3 pixels",
    "clipped_dark": "share of its pixels that are black (gray at most 2), 0 to 1",
    "clipped_bright": "share of its pixels that are white (gray at least 253), 0 to 1",
    "black_margin": "share of the picture in rows and columns at its edges that are black, 0 to 1",
}
_AUDIT = _added(
    4,
    "audit",
    pa.bool_(),
    "true: found by the audit on a picture that the gate stopped; it is no finding of the archive",
)
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

_REPEAT = [
    _column(
        "kind",
        pa.string(),
        "roll (marks of a roll), harmonic (marks in a roll's lane whose period is a simple "
        "multiple or part of the roll's), picture (marks at one place of the pictures, at a "
        "multiple of their distance: dirt, no roll) or fixed_place (one place of the pictures "
        "on many coils)",
    ),
    _of_roll("coil", pa.string(), "coil that shows the marks"),
    _column("camera", pa.string(), "camera that took the pictures; null if unnamed", True),
    _column("side", pa.string(), "side of the strip; null if unknown, or several", True),
    _column("class_id", pa.int32(), "id of the defect class; of most defects, if several"),
    _column("class_name", pa.string(), "name of this class"),
    _of_roll(
        "roll",
        pa.int32(),
        "number of the roll on its coil, from 1; marks with one period on one side share it",
    ),
    _of_roll("ratio", pa.float64(), "period / period of the roll of this number; 1 for a roll"),
    _of_roll("period_mm", pa.float64(), "distance of two turns along the strip in millimetres"),
    _of_roll("diameter_mm", pa.float64(), "period_mm / pi: diameter of such a roll"),
    _of_roll("phase_mm", pa.float64(), "place of a turn along the strip, modulo period_mm"),
    _of_roll("marks", pa.int32(), "number of turns with a mark"),
    _of_roll("turns", pa.int32(), "number of turns from the first to the last mark"),
    _of_roll("begin_mm", pa.float64(), "place of the first mark along the strip"),
    _of_roll("end_mm", pa.float64(), "place of the last mark along the strip"),
    _of_roll("scatter_mm", pa.float64(), "RMS distance of the marks from their turns"),
    _of_roll("lane_mm", pa.float64(), "centre of the marks across the strip"),
    _of_roll("lane_width_mm", pa.float64(), "width of the marks' places across the strip"),
    _of_place("place_x", pa.float64(), "mean pixel column of the centroids, 0-based"),
    _of_place("place_y", pa.float64(), "mean pixel row of the centroids, 0-based"),
    _of_place("coils", pa.int64(), "number of coils with a defect at this place"),
    _of_place("coils_seen", pa.int64(), "number of the camera's coils with any defect"),
    _of_place("expected_coils", pa.float64(), "number of coils that the places around expect"),
    _column(
        "p_value",
        pa.float64(),
        "probability of such a finding by chance, corrected for all periods and lanes of the "
        "coil, or for all places and cameras",
    ),
    _column("defects", pa.int64(), "number of defects that belong to it"),
    _column("sentence", pa.string(), "the finding in plain English"),
    _column("member_sources", pa.list_(pa.string()), "source of each defect, at most 1,000"),
    _column("member_keys", pa.list_(pa.string()), "key of each of these defects' pictures"),
    _column("member_numbers", pa.list_(pa.int32()), "number of each of them on its picture"),
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
                    "the gate's probability of a defect, calibrated by the bundle's temperature "
                    "and shift, 0 to 1; null if the bundle has no gate",
                    nullable=True,
                ),
                _column("verdict", pa.string(), "gated (stopped by the gate), clean or defect"),
                _column("defects", pa.int32(), "number of defect classes found on the picture"),
                _column("runtime", pa.string(), "library that ran the models"),
                _column("device", pa.string(), "device that ran the models: cpu or gpu"),
                _column(
                    "precision",
                    pa.string(),
                    "arithmetic of the models: f32, tf32, bf16 or int8; of gate+segmenter if they "
                    "differ",
                ),
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
                _added(
                    4,
                    "audit_defects",
                    pa.int32(),
                    "number of defect classes that the audit of the gate found; null if the "
                    "picture was not audited",
                ),
                _added(
                    4,
                    "audit_regions",
                    pa.int32(),
                    "number of regions of these classes; null if the picture was not audited",
                ),
                *(_added(4, name, pa.float32(), text) for name, text in _STATISTICS.items()),
                _added(
                    5,
                    "novelty",
                    pa.float32(),
                    "how unlike the clean training pictures it is, by its oddest place and as a "
                    "whole: a ratio of distances, 1 is the bundle's limit; null if the bundle does "
                    "not judge it",
                ),
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
                _AUDIT,
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
                _column(
                    "mean_probability",
                    pa.float32(),
                    "mean probability in the region, 0 to 1, calibrated if the bundle does so",
                ),
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
                _column("mean_probability", pa.float32(), _MEAN),
                _column("max_probability", pa.float32(), "largest probability in the mask, 0 to 1"),
                _AUDIT,
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
                _column("mean_probability", pa.float32(), _MEAN),
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
                _column(
                    "labels",
                    pa.string(),
                    "what the value was compared with: address of the label file, or reviews; for "
                    "metrics of the watch audit, reviews, gate_probability, or shadow and a digest",
                ),
                _added(4, "size_class", pa.string(), "areas of the defects counted; null for all"),
                _added(4, "low", pa.float64(), "lower end of the 95% interval"),
                _added(4, "high", pa.float64(), "upper end of this interval"),
                _added(
                    4,
                    "invalid",
                    pa.string(),
                    "why the value must not be relied on; null if nothing speaks against it",
                ),
                *_PROVENANCE,
            ]
        ),
    ),
    TableName.AGREEMENT: TableSchema(
        "one class on one picture that two bundles scored in one run; run_id and bundle are those "
        "of the bundle that led",
        pa.schema(
            [
                *_PICTURE,
                _column("coil", pa.string(), "coil that the picture shows; null if unknown", True),
                _column(
                    "class_id",
                    pa.int32(),
                    "id of the class in the bundle that led; in the shadow, if only that has it",
                ),
                _column("class_name", pa.string(), "name of the class in both bundles"),
                _column(
                    "area",
                    pa.int64(),
                    "pixels that the bundle that led found, 0 for none; null if it has no such "
                    "class",
                    nullable=True,
                ),
                _column(
                    "shadow_area",
                    pa.int64(),
                    "pixels that the shadow found, 0 for none; null if it has no such class",
                    nullable=True,
                ),
                _column(
                    "intersection",
                    pa.int64(),
                    "pixels that both found; null if a bundle has no such class",
                    nullable=True,
                ),
                _column("shadow_run", pa.string(), "id of the shadow's run"),
                _column("shadow_bundle", pa.string(), "digest of the shadow's bundle"),
                *_PROVENANCE,
            ]
        ),
    ),
    TableName.DRIFT: TableSchema(
        "one quantity of one scoring run, compared with a reference; run_id is the run that was "
        "watched",
        pa.schema(
            [
                _column("camera", pa.string(), "camera; null for all pictures together", True),
                _column(
                    "quantity",
                    pa.string(),
                    "what was compared: a statistic of the pictures, gate_probability, area, "
                    "length, or a rate: defective_rate, class_rate, failure_rate, camera_share",
                ),
                _column("class_id", pa.int32(), "class id; null if it has no class", nullable=True),
                _column("class_name", pa.string(), "class name; null without a class", True),
                _column("reference", pa.string(), "name of the reference"),
                _column("reference_count", pa.int64(), "values, or pictures, of the reference"),
                _column("night_count", pa.int64(), "values, or pictures, of the run"),
                _column(
                    "reference_value", pa.float64(), "median, or rate; null without a value", True
                ),
                _column("night_value", pa.float64(), "the same of the run", nullable=True),
                _column(
                    "distance",
                    pa.float64(),
                    "Kolmogorov-Smirnov distance, or difference of the rates; null if not compared",
                    nullable=True,
                ),
                _column(
                    "threshold",
                    pa.float64(),
                    "smallest distance that raises an alarm; null if none can",
                    nullable=True,
                ),
                _column(
                    "p_value",
                    pa.float64(),
                    "probability of such a distance without a change; null if not compared",
                    nullable=True,
                ),
                _column(
                    "level",
                    pa.float64(),
                    "p-value at which this row is certain: its share of watch.alpha",
                    nullable=True,
                ),
                _column(
                    "design_effect",
                    pa.float64(),
                    "pictures of the run per independent picture, from its coils; null if not "
                    "compared",
                    nullable=True,
                ),
                _column("alarm", pa.bool_(), "whether the distance reaches the threshold"),
                _column(
                    "sentence",
                    pa.string(),
                    "what was found and its likely cause, or why it was not compared",
                ),
                *_PROVENANCE,
            ]
        ),
    ),
    TableName.REPEATS: TableSchema(
        "marks that repeat, found in a scoring run: those of a damaged roll on a coil, or one "
        "place of the pictures on many coils; run_id is the run that was watched",
        pa.schema([*_REPEAT, *_PROVENANCE]),
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
                    "JSON: pixel threshold, seed threshold (if there is one) and minimum area of "
                    "each class, by id, with the curve of its regions' probabilities (if there is "
                    "one), and the gate's mode, threshold and soft area",
                ),
                _added(
                    4,
                    "shadow_of",
                    pa.string(),
                    "id of the run that led, if this run is its shadow: a second bundle that "
                    "scored the same pictures beside it; null if the run led",
                ),
                _column("versions", pa.string(), "JSON: versions of Python and the libraries"),
                *_PROVENANCE,
            ]
        ),
    ),
}
