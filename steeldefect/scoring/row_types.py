"""The rows that scoring makes, one type for each table, without columns that all rows share.

A task makes dozens of rows for each picture, so rows are plain tuples, and become columns once, at
the end (`steeldefect.tables.columns`). The fields are columns of the table, with its units; masks
are runs, int64 (n, 2), which the table holds as text.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from steeldefect.pictures.run_lengths import Runs


class ImageRow(NamedTuple):
    """A row of `images`."""

    key: str
    image_id: str
    etag: str
    bytes: int
    height: int
    width: int
    gate_probability: float | None
    verdict: str
    defects: int
    regions: int
    rejected_regions: int
    level_masks: int
    audit_defects: int | None
    audit_regions: int | None
    coil: str | None
    camera: str | None
    side: str | None
    position_mm: float | None
    captured_at: datetime | None
    pixel_mm_x: float | None
    pixel_mm_y: float | None
    attributes: Sequence[tuple[str, str]] | None
    gray_mean: float
    gray_std: float
    sharpness: float | None
    clipped_dark: float
    clipped_bright: float
    black_margin: float
    novelty: float | None


class PredictionRow(NamedTuple):
    """A row of `predictions`."""

    key: str
    image_id: str
    audit: bool
    class_id: int
    class_name: str
    run_lengths: Runs
    area: int
    share: float
    box_top: int
    box_left: int
    box_bottom: int
    box_right: int
    regions: int
    mean_probability: float
    max_probability: float


class DefectRow(NamedTuple):
    """A row of `defects`; columns in millimetres are None if scale or place is unknown."""

    key: str
    image_id: str
    audit: bool
    coil: str | None
    camera: str | None
    side: str | None
    number: int
    class_id: int
    class_name: str
    kept: bool
    reason: str | None
    run_lengths: Runs
    area: int
    centroid_x: float
    centroid_y: float
    box_top: int
    box_left: int
    box_bottom: int
    box_right: int
    length: float
    width: float
    angle: float
    perimeter: float
    elongation: float
    solidity: float
    mean_probability: float
    max_probability: float
    touches_edge: bool
    area_mm2: float | None = None
    length_mm: float | None = None
    width_mm: float | None = None
    angle_mm: float | None = None
    perimeter_mm: float | None = None
    along_mm: float | None = None
    across_mm: float | None = None


class LevelRow(NamedTuple):
    """A row of `mask_levels`; `starts` and `lengths` are int64 (n,)."""

    key: str
    image_id: str
    class_id: int
    class_name: str
    level: float
    starts: Runs
    lengths: Runs
    area: int
    regions: int
    mean_probability: float
    max_probability: float


class QuarantineRow(NamedTuple):
    """A row of `quarantine`."""

    key: str
    image_id: str
    etag: str
    bytes: int
    stage: str
    error: str
    message: str
    transient: bool
    tries: int
    given_up: bool
