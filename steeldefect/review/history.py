"""What the tables say of one picture: every run that scored it, and what the newest found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, TypeVar

import duckdb

from steeldefect.publish.thresholds import Thresholds
from steeldefect.review.find_picture import PictureName
from steeldefect.review.thresholds import stated_thresholds

Row = TypeVar("Row")


@dataclass(frozen=True)
class Scored:
    """One run that scored the picture: columns of `images`."""

    run_id: str
    bundle: str
    scored_at: datetime
    etag: str
    width: int
    height: int
    gate_probability: float | None
    verdict: str
    runtime: str
    device: str
    precision: str
    coil: str | None
    camera: str | None
    side: str | None
    position_mm: float | None
    captured_at: datetime | None
    pixel_mm_x: float | None
    pixel_mm_y: float | None
    regions: int | None
    rejected_regions: int | None

    @property
    def pixel_mm(self) -> tuple[float, float] | None:
        """Width and height of a pixel in millimetres; None if unknown."""
        if self.pixel_mm_x is None or self.pixel_mm_y is None:
            return None
        return self.pixel_mm_x, self.pixel_mm_y


@dataclass(frozen=True)
class FoundRegion:
    """One region on the picture: columns of `defects`."""

    number: int
    class_id: int
    class_name: str
    kept: bool
    reason: str | None
    run_lengths: str
    area: int
    box_top: int
    box_left: int
    box_bottom: int
    box_right: int
    length: float
    width: float
    angle: float
    mean_probability: float
    max_probability: float
    touches_edge: bool
    area_mm2: float | None
    length_mm: float | None
    width_mm: float | None
    along_mm: float | None
    across_mm: float | None


@dataclass(frozen=True)
class FoundClass:
    """One class found on the picture: columns of `predictions`."""

    class_id: int
    class_name: str
    run_lengths: str
    area: int
    regions: int
    mean_probability: float
    max_probability: float


@dataclass(frozen=True)
class Failure:
    """One run that could not score the picture: columns of `quarantine`."""

    run_id: str
    bundle: str
    scored_at: datetime
    stage: str
    error: str
    message: str
    transient: bool
    tries: int | None
    given_up: bool | None


@dataclass(frozen=True)
class Review:
    """What a person said of one class on the picture: columns of `reviews`."""

    class_id: int
    class_name: str
    run_lengths: str
    verdict: str
    reviewer: str
    reviewed_at: datetime
    bundle: str
    scored_run: str


@dataclass(frozen=True)
class BundleHistory:
    """What one bundle says of the picture.

    Attributes:
        bundle: digest of the bundle.
        thresholds: its thresholds; None if the tables do not state them.
        runs: its runs that scored the picture, the newest first; at least one.
        classes: classes that the newest run found.
        regions: regions that the newest run found or removed, by number; none if a version scored
            that measured no regions.
    """

    bundle: str
    thresholds: Thresholds | None
    runs: tuple[Scored, ...]
    classes: tuple[FoundClass, ...]
    regions: tuple[FoundRegion, ...]

    @property
    def newest(self) -> Scored:
        """The newest run."""
        return self.runs[0]

    @property
    def kept(self) -> list[FoundRegion]:
        """The defects."""
        return [one for one in self.regions if one.kept]

    @property
    def rejected(self) -> list[FoundRegion]:
        """The regions that a minimum area removed, the largest of them."""
        return [one for one in self.regions if not one.kept]


@dataclass(frozen=True)
class PictureHistory:
    """Everything that the tables say of one picture.

    Attributes:
        name: source, key and file name.
        bundles: the bundles that scored it, the one of the newest run first; none if every run
            failed.
        failures: the runs that could not score it, the newest first.
        reviews: what people said of it, the newest first.
    """

    name: PictureName
    bundles: tuple[BundleHistory, ...]
    failures: tuple[Failure, ...]
    reviews: tuple[Review, ...]


def read_history(connection: duckdb.DuckDBPyConnection, picture: PictureName) -> PictureHistory:
    """Return the history of a picture.

    Args:
        connection: database with the tables of an output.
        picture: the picture.
    """
    asked = [picture.source, picture.key]
    scored = _rows(connection, Scored, _NEWEST_FIRST.format("images"), asked)
    by_bundle: dict[str, list[Scored]] = {}
    for one in scored:
        by_bundle.setdefault(one.bundle, []).append(one)
    return PictureHistory(
        name=picture,
        bundles=tuple(
            _of_bundle(connection, bundle, runs, asked) for bundle, runs in by_bundle.items()
        ),
        failures=tuple(_rows(connection, Failure, _NEWEST_FIRST.format("quarantine"), asked)),
        reviews=tuple(_rows(connection, Review, _REVIEWS, asked)),
    )


def _of_bundle(
    connection: duckdb.DuckDBPyConnection, bundle: str, runs: Sequence[Scored], asked: list[str]
) -> BundleHistory:
    newest = [*asked, runs[0].run_id]
    return BundleHistory(
        bundle=bundle,
        thresholds=stated_thresholds(connection, bundle),
        runs=tuple(runs),
        classes=tuple(_rows(connection, FoundClass, _OF_RUN.format("predictions"), newest)),
        regions=tuple(_rows(connection, FoundRegion, _OF_RUN.format("defects"), newest)),
    )


def _rows(
    connection: duckdb.DuckDBPyConnection, kind: type[Row], clause: str, asked: list[str]
) -> list[Row]:
    """Return rows as instances of a data class whose fields are columns."""
    names = ", ".join(field.name for field in fields(kind))  # type: ignore[arg-type]
    found = connection.execute(f"SELECT {names} {clause}", asked)
    rows: list[tuple[Any, ...]] = found.fetchall()
    return [kind(*row) for row in rows]


_NEWEST_FIRST = """
FROM {} WHERE source = ? AND key = ?
ORDER BY run_number DESC NULLS LAST, scored_at DESC,
    run_id IN (SELECT run_id FROM runs WHERE shadow_of IS NOT NULL), run_id
"""
_REVIEWS = """
FROM reviews WHERE source = ? AND key = ? ORDER BY reviewed_at DESC, class_id, run_id
"""
_OF_RUN = "FROM {} WHERE source = ? AND key = ? AND run_id = ? ORDER BY ALL"
