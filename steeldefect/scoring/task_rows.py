"""Collect the rows for a task's pictures, and write them to part files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from steeldefect.detection.outline import Finding, LevelMask, Outline
from steeldefect.errors import Transient
from steeldefect.pictures import run_lengths
from steeldefect.pictures.statistics import PictureStatistics
from steeldefect.pictures.strip import Axis, Place
from steeldefect.runtimes import Engine
from steeldefect.scoring.defect_rows import defect_rows
from steeldefect.scoring.fetching import PictureKey
from steeldefect.scoring.task_report import Failures
from steeldefect.stores import Store
from steeldefect.tables.parts import Part, write_part
from steeldefect.tables.provenance import Origin, stored_rows
from steeldefect.tables.schema import Stage, TableName, Verdict


@dataclass(frozen=True)
class Failure:
    """Why a picture was not scored: the stage that failed, and its error."""

    stage: Stage
    error: Exception


class Pictured(NamedTuple):
    """A picture as read: key, (height, width) in pixels, statistics, and place on the strip."""

    key: PictureKey
    shape: tuple[int, int]
    statistics: PictureStatistics
    place: Place = Place()


class TaskRows:
    """Rows of all tables that scoring writes, kept in memory until the task ends."""

    def __init__(
        self, source: str, engine: Engine, max_tries: int, along: Axis | None = None
    ) -> None:
        """Set the values that all rows share.

        Args:
            source: address of the input.
            engine: engine that runs the models.
            max_tries: number of runs with a transient failure after which a picture is given up.
            along: axis of the pictures that runs along the strip; None if unknown.
        """
        self._source = source
        self._engine = engine
        self._max_tries = max_tries
        self._along = along
        self.failures = Failures()
        self._rows: dict[TableName, list[dict[str, Any]]] = {
            TableName.IMAGES: [],
            TableName.PREDICTIONS: [],
            TableName.DEFECTS: [],
            TableName.MASK_LEVELS: [],
            TableName.QUARANTINE: [],
        }
        self.defective = 0

    def of(self, table: TableName) -> list[dict[str, Any]]:
        """Return the rows of a table so far, without provenance."""
        return self._rows[table]

    @property
    def scored(self) -> int:
        """Number of pictures in `images` so far."""
        return len(self._rows[TableName.IMAGES])

    @property
    def quarantined(self) -> int:
        """Number of pictures in `quarantine` so far."""
        return len(self._rows[TableName.QUARANTINE])

    def gated(self, picture: Pictured, probability: float, audit: Outline | None = None) -> None:
        """Add a picture that the gate stopped.

        Args:
            picture: the picture as read.
            probability: the gate's answer.
            audit: what the segmenter finds on it; None if the audit did not choose the picture.
        """
        self._image(picture, probability, Verdict.GATED, Outline(), audit)
        if audit is not None:
            self._findings(picture, audit, audit=True)

    def segmented(self, picture: Pictured, probability: float | None, outline: Outline) -> None:
        """Add a picture that was segmented, and what was found on it."""
        verdict = Verdict.DEFECT if outline.findings else Verdict.CLEAN
        self.defective += verdict is Verdict.DEFECT
        self._image(picture, probability, verdict, outline, None)
        self._findings(picture, outline, audit=False)

    def _findings(self, picture: Pictured, outline: Outline, *, audit: bool) -> None:
        named = self._picture(picture.key) | {"audit": audit}
        self._rows[TableName.PREDICTIONS] += [
            named | _prediction(finding) for finding in outline.findings
        ]
        self._rows[TableName.DEFECTS] += [
            named | row for row in defect_rows(outline, picture.place, self._along)
        ]
        named = self._picture(picture.key)
        self._rows[TableName.MASK_LEVELS] += [named | _level(mask) for mask in outline.levels]

    def failed(self, key: PictureKey, failure: Failure) -> None:
        """Add a picture that was not scored."""
        row = failed_row(self._source, key, failure, self._max_tries)
        self._rows[TableName.QUARANTINE].append(row)
        self.failures.add(key, failure.stage.value, failure.error)

    def write(self, output: Store, origin: Origin, label: str) -> list[Part]:
        """Write one file for each table that has rows.

        Raises:
            StoreError: the output cannot be written.
        """
        return [
            write_part(output, table, stored_rows(table, rows, origin), origin, label)
            for table, rows in self._rows.items()
            if rows
        ]

    def _image(
        self,
        picture: Pictured,
        probability: float | None,
        verdict: Verdict,
        outline: Outline,
        audit: Outline | None,
    ) -> None:
        key, (height, width), statistics, place = picture
        self._rows[TableName.IMAGES].append(
            self._picture(key)
            | {
                "etag": key.etag,
                "bytes": key.size,
                "width": width,
                "height": height,
                "gate_probability": probability,
                "verdict": verdict.value,
                "defects": len(outline.findings),
                "runtime": self._engine.runtime.value,
                "device": self._engine.device.value,
                "precision": self._engine.precisions,
                "coil": place.coil,
                "camera": place.camera,
                "side": place.side,
                "position_mm": place.position_mm,
                "captured_at": place.captured_at,
                "pixel_mm_x": place.pixel_mm_x,
                "pixel_mm_y": place.pixel_mm_y,
                "attributes": None if place.attributes is None else list(place.attributes.items()),
                "regions": _regions(outline),
                "rejected_regions": outline.rejected_count,
                "level_masks": len(outline.levels),
                "audit_defects": None if audit is None else len(audit.findings),
                "audit_regions": None if audit is None else _regions(audit),
            }
            | statistics._asdict()
        )

    def _picture(self, key: PictureKey) -> dict[str, Any]:
        return _named(self._source, key)


def failed_row(source: str, key: PictureKey, failure: Failure, max_tries: int) -> dict[str, Any]:
    """Return a row of `quarantine` without its provenance columns."""
    transient = isinstance(failure.error, Transient)
    return _named(source, key) | {
        "etag": key.etag,
        "bytes": key.size,
        "stage": failure.stage.value,
        "error": type(failure.error).__name__,
        "message": str(failure.error),
        "transient": transient,
        "tries": key.tries + 1,
        "given_up": not transient or key.tries + 1 >= max_tries,
    }


def _regions(outline: Outline) -> int:
    return sum(finding.region_count for finding in outline.findings)


def _named(source: str, key: PictureKey) -> dict[str, Any]:
    """Return the columns that identify a picture."""
    return {"source": source, "key": key.key, "image_id": key.key.rsplit("/", 1)[-1]}


def _level(mask: LevelMask) -> dict[str, Any]:
    return {
        "class_id": mask.defect_class.id,
        "class_name": mask.defect_class.name,
        "level": mask.level,
        "starts": mask.runs[:, 0],
        "lengths": mask.runs[:, 1],
        "area": mask.area,
        "regions": mask.regions,
        "mean_probability": mask.mean_probability,
        "max_probability": mask.max_probability,
    }


def _prediction(finding: Finding) -> dict[str, Any]:
    return {
        "class_id": finding.defect_class.id,
        "class_name": finding.defect_class.name,
        "run_lengths": run_lengths.to_text(finding.runs),
        "area": finding.area,
        "share": finding.share,
        "box_top": finding.box.top,
        "box_left": finding.box.left,
        "box_bottom": finding.box.bottom,
        "box_right": finding.box.right,
        "regions": finding.region_count,
        "mean_probability": finding.mean_probability,
        "max_probability": finding.max_probability,
    }
