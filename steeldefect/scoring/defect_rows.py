"""The rows of `defects` for one picture: each region, its size, and its place on the strip."""

from __future__ import annotations

from collections.abc import Iterator

from steeldefect.bundle.manifest import DefectClass
from steeldefect.detection.outline import Outline, Reason
from steeldefect.detection.regions import Region
from steeldefect.pictures.strip import Axis, Place
from steeldefect.scoring.row_types import DefectRow


def defect_rows(
    key: str, outline: Outline, place: Place, along: Axis | None, *, audit: bool = False
) -> Iterator[DefectRow]:
    """Yield the rows of a picture.

    The regions that count are numbered first, class by class in the bundle's order, each class in
    the order of the first pixels; then follow those that a minimum area removed.

    Args:
        key: path of the picture below the source.
        outline: what the segmenter found.
        place: where the picture lies.
        along: axis of the picture that runs along the strip; None if unknown.
        audit: whether the gate stopped the picture.
    """
    fixed = (key, key.rsplit("/", 1)[-1], audit, place.coil, place.camera, place.side)
    for number, (defect_class, region, reason) in enumerate(_regions(outline), start=1):
        shape = region.shape
        yield DefectRow(
            *fixed,
            number,
            defect_class.id,
            defect_class.name,
            reason is None,
            None if reason is None else reason.value,
            region.runs,
            region.area,
            *region.centroid,
            *region.box,
            shape.length,
            shape.width,
            shape.angle,
            shape.perimeter,
            shape.elongation,
            region.solidity,
            region.mean_probability,
            region.max_probability,
            region.touches_edge,
            *_in_millimetres(region, place, along),
        )


def _regions(outline: Outline) -> Iterator[tuple[DefectClass, Region, Reason | None]]:
    for finding in outline.findings:
        for region in finding.regions:
            yield finding.defect_class, region, None
    for rejected in outline.rejected:
        yield rejected.defect_class, rejected.region, rejected.reason


def _in_millimetres(region: Region, place: Place, along: Axis | None) -> tuple[float | None, ...]:
    """Return the columns in millimetres, in the order of `DefectRow`; none without a scale."""
    shape, pixel = region.physical, place.pixel_mm
    if shape is None or pixel is None:
        return ()
    return (
        region.area * pixel[0] * pixel[1],
        shape.length,
        shape.width,
        shape.angle,
        shape.perimeter,
        *_on_the_strip(region, place.position_mm, pixel, along),
    )


def _on_the_strip(
    region: Region, begin: float | None, pixel_mm: tuple[float, float], along: Axis | None
) -> tuple[float | None, ...]:
    """Return the place of the centroid; the picture's first pixel begins at 0 across the strip."""
    if along is None:
        return ()
    from_left, from_top = (
        (centre + 0.5) * size for centre, size in zip(region.centroid, pixel_mm, strict=True)
    )
    lengthwise, across = (from_left, from_top) if along is Axis.X else (from_top, from_left)
    return (None if begin is None else begin + lengthwise, across)
