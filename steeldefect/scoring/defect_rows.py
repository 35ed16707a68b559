"""The rows of `defects` for one picture: each region, its size, and its place on the strip."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from steeldefect.bundle.manifest import DefectClass
from steeldefect.detection.outline import Outline, Reason
from steeldefect.detection.regions import Region
from steeldefect.pictures import run_lengths
from steeldefect.pictures.strip import Axis, Place


def defect_rows(outline: Outline, place: Place, along: Axis | None) -> list[dict[str, Any]]:
    """Return the rows of a picture, without the columns that identify it.

    The regions that count are numbered first, class by class in the bundle's order, each class in
    the order of the first pixels; then follow those that a minimum area removed.

    Args:
        outline: what the segmenter found.
        place: where the picture lies.
        along: axis of the picture that runs along the strip; None if unknown.
    """
    return [
        {
            "number": number,
            "class_id": defect_class.id,
            "class_name": defect_class.name,
            "kept": reason is None,
            "reason": None if reason is None else reason.value,
            "coil": place.coil,
            "camera": place.camera,
            "side": place.side,
            **_in_pixels(region),
            **_in_millimetres(region, place),
            **_on_the_strip(region, place, along),
        }
        for number, (defect_class, region, reason) in enumerate(_regions(outline), start=1)
    ]


def _regions(outline: Outline) -> Iterator[tuple[DefectClass, Region, Reason | None]]:
    for finding in outline.findings:
        for region in finding.regions:
            yield finding.defect_class, region, None
    for rejected in outline.rejected:
        yield rejected.defect_class, rejected.region, rejected.reason


def _in_pixels(region: Region) -> dict[str, Any]:
    x, y = region.centroid
    return {
        "run_lengths": run_lengths.to_text(region.runs),
        "area": region.area,
        "centroid_x": x,
        "centroid_y": y,
        "box_top": region.box.top,
        "box_left": region.box.left,
        "box_bottom": region.box.bottom,
        "box_right": region.box.right,
        "length": region.shape.length,
        "width": region.shape.width,
        "angle": region.shape.angle,
        "perimeter": region.shape.perimeter,
        "elongation": region.shape.elongation,
        "solidity": region.solidity,
        "mean_probability": region.mean_probability,
        "max_probability": region.max_probability,
        "touches_edge": region.touches_edge,
    }


def _in_millimetres(region: Region, place: Place) -> dict[str, Any]:
    shape = region.physical
    if shape is None or place.pixel_mm is None:
        return {}
    return {
        "area_mm2": region.area * place.pixel_mm[0] * place.pixel_mm[1],
        "length_mm": shape.length,
        "width_mm": shape.width,
        "angle_mm": shape.angle,
        "perimeter_mm": shape.perimeter,
    }


def _on_the_strip(region: Region, place: Place, along: Axis | None) -> dict[str, Any]:
    """Return the place of the centroid; the picture's first pixel begins at 0 across the strip."""
    if along is None or place.pixel_mm is None:
        return {}
    from_left, from_top = (
        (centre + 0.5) * size for centre, size in zip(region.centroid, place.pixel_mm, strict=True)
    )
    lengthwise, across = (from_left, from_top) if along is Axis.X else (from_top, from_left)
    begin = place.position_mm
    return {
        "along_mm": None if begin is None else begin + lengthwise,
        "across_mm": across,
    }
