"""Collect the rows for a task's pictures, and write them to part files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from steeldefect.detection.outline import Finding, LevelMask, Outline
from steeldefect.errors import Transient
from steeldefect.pictures.statistics import PictureStatistics
from steeldefect.pictures.strip import Axis, Place
from steeldefect.runtimes import Engine
from steeldefect.scoring.defect_rows import defect_rows
from steeldefect.scoring.fetching import PictureKey
from steeldefect.scoring.row_types import (
    DefectRow,
    ImageRow,
    LevelRow,
    PredictionRow,
    QuarantineRow,
)
from steeldefect.scoring.task_report import Failures
from steeldefect.stores import Store
from steeldefect.tables.columns import stored_columns
from steeldefect.tables.parts import Part, write_part
from steeldefect.tables.provenance import Origin
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
    """Rows of all tables that scoring writes, kept in memory until the task ends.

    Attributes:
        images, predictions: rows so far.
        defective: number of pictures with a defect so far.
        failures: the pictures in `quarantine` so far, counted.
    """

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
        self.images: list[ImageRow] = []
        self.predictions: list[PredictionRow] = []
        self._defects: list[DefectRow] = []
        self._levels: list[LevelRow] = []
        self._quarantine: list[QuarantineRow] = []
        self.defective = 0

    @property
    def scored(self) -> int:
        """Number of pictures in `images` so far."""
        return len(self.images)

    @property
    def quarantined(self) -> int:
        """Number of pictures in `quarantine` so far."""
        return len(self._quarantine)

    def gated(
        self,
        picture: Pictured,
        probability: float,
        novelty: float | None = None,
        audit: Outline | None = None,
    ) -> None:
        """Add a picture that the gate stopped.

        Args:
            picture: the picture as read.
            probability: the gate's answer.
            novelty: how odd the picture is, 1 at the limit; None if the bundle does not judge it.
            audit: what the segmenter finds on it; None if the audit did not choose the picture.
        """
        self.images.append(_image(picture, probability, novelty, Verdict.GATED, _NOTHING, audit))
        if audit is not None:
            self._findings(picture, audit, audit=True)

    def segmented(
        self,
        picture: Pictured,
        probability: float | None,
        novelty: float | None,
        outline: Outline,
    ) -> None:
        """Add a picture that was segmented, and what was found on it; see `gated`."""
        verdict = Verdict.DEFECT if outline.findings else Verdict.CLEAN
        self.defective += verdict is Verdict.DEFECT
        self.images.append(_image(picture, probability, novelty, verdict, outline, None))
        self._findings(picture, outline, audit=False)

    def _findings(self, picture: Pictured, outline: Outline, *, audit: bool) -> None:
        key = picture.key.key
        self.predictions += [_prediction(key, one, audit=audit) for one in outline.findings]
        self._defects += defect_rows(key, outline, picture.place, self._along, audit=audit)
        self._levels += [_level(key, mask) for mask in outline.levels]

    def failed(self, key: PictureKey, failure: Failure) -> None:
        """Add a picture that was not scored."""
        self._quarantine.append(failed_row(key, failure, self._max_tries))
        self.failures.add(key, failure.stage.value, failure.error)

    def write(self, output: Store, origin: Origin, label: str) -> list[Part]:
        """Write one file for each table that has rows.

        Raises:
            StoreError: the output cannot be written.
        """
        engine = {
            "runtime": self._engine.runtime.value,
            "device": self._engine.device.value,
            "precision": self._engine.precisions,
        }
        return [
            _written(output, table, rows, {"source": self._source, **engine}, origin, label)
            for table, rows in self._tables()
            if rows
        ]

    def _tables(self) -> Iterator[tuple[TableName, Sequence[Any]]]:
        yield TableName.IMAGES, self.images
        yield TableName.PREDICTIONS, self.predictions
        yield TableName.DEFECTS, self._defects
        yield TableName.MASK_LEVELS, self._levels
        yield TableName.QUARANTINE, self._quarantine


_NOTHING = Outline()


def failed_row(key: PictureKey, failure: Failure, max_tries: int) -> QuarantineRow:
    """Return the row of a picture that was not scored."""
    transient = isinstance(failure.error, Transient)
    return QuarantineRow(
        *_named(key.key),
        etag=key.etag,
        bytes=key.size,
        stage=failure.stage.value,
        error=type(failure.error).__name__,
        message=str(failure.error),
        transient=transient,
        tries=key.tries + 1,
        given_up=not transient or key.tries + 1 >= max_tries,
    )


def write_failed(
    output: Store, source: str, rows: Sequence[QuarantineRow], origin: Origin, label: str
) -> Part:
    """Write rows of `quarantine` to one file.

    Raises:
        StoreError: the output cannot be written.
    """
    return _written(output, TableName.QUARANTINE, rows, {"source": source}, origin, label)


def _written(
    output: Store,
    table: TableName,
    rows: Sequence[Any],
    shared: dict[str, str],
    origin: Origin,
    label: str,
) -> Part:
    columns = stored_columns(table, rows[0]._fields, rows, shared, origin)
    return write_part(output, table, columns, origin, label)


def _image(
    picture: Pictured,
    probability: float | None,
    novelty: float | None,
    verdict: Verdict,
    outline: Outline,
    audit: Outline | None,
) -> ImageRow:
    key, shape, statistics, place = picture
    return ImageRow(
        *_named(key.key),
        key.etag,
        key.size,
        *shape,
        probability,
        verdict.value,
        len(outline.findings),
        _regions(outline),
        outline.rejected_count,
        len(outline.levels),
        None if audit is None else len(audit.findings),
        None if audit is None else _regions(audit),
        place.coil,
        place.camera,
        place.side,
        place.position_mm,
        place.captured_at,
        place.pixel_mm_x,
        place.pixel_mm_y,
        None if place.attributes is None else list(place.attributes.items()),
        statistics.gray_mean,
        statistics.gray_std,
        statistics.sharpness,
        statistics.clipped_dark,
        statistics.clipped_bright,
        statistics.black_margin,
        novelty,
    )


def _regions(outline: Outline) -> int:
    return sum(finding.region_count for finding in outline.findings)


def _named(key: str) -> tuple[str, str]:
    """Return path and file name of a picture."""
    return key, key.rsplit("/", 1)[-1]


def _level(key: str, mask: LevelMask) -> LevelRow:
    return LevelRow(
        *_named(key),
        mask.defect_class.id,
        mask.defect_class.name,
        mask.level,
        mask.runs[:, 0],
        mask.runs[:, 1],
        mask.area,
        mask.regions,
        mask.mean_probability,
        mask.max_probability,
    )


def _prediction(key: str, finding: Finding, *, audit: bool) -> PredictionRow:
    return PredictionRow(
        *_named(key),
        audit,
        finding.defect_class.id,
        finding.defect_class.name,
        finding.runs,
        finding.area,
        finding.share,
        *finding.box,
        finding.region_count,
        finding.mean_probability,
        finding.max_probability,
    )
