"""The rows of `defects`: numbers, sizes, and places on the strip."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from steeldefect.bundle.manifest import DefectClass
from steeldefect.detection.outline import Outline, OutlineRules, outline_picture
from steeldefect.pictures.strip import Axis, Place
from steeldefect.scoring.defect_rows import defect_rows
from steeldefect.tables.schema import SCHEMAS, TableName

CLASSES = [
    DefectClass(id=3, name="scratch", pixel_threshold=0.5, min_area=0),
    DefectClass(id=1, name="spot", pixel_threshold=0.5, min_area=9),
    DefectClass(id=2, name="edge", pixel_threshold=0.5, min_area=0),
]
PLACE = Place(coil="4711", camera="2", position_mm=1_000.0, pixel_mm_x=0.5, pixel_mm_y=2.0)


def outline(pixel_mm: tuple[float, float] | None = None) -> Outline:
    """Return an outline with two scratches, a spot that is too small, and an edge."""
    maps = np.zeros((10, 20, 3), np.float32)
    maps[2:4, 4:8, 0] = maps[6, 12:18, 0] = 0.75
    maps[5, 5, 1] = 1
    maps[:, 19, 2] = 0.875
    return outline_picture(
        maps, (10, 20), CLASSES, OutlineRules(measured=True, rejected=5, pixel_mm=pixel_mm)
    )


def rows(place: Place = PLACE, along: Axis | None = Axis.X) -> list[dict[str, Any]]:
    found = defect_rows("a/b.jpg", outline(place.pixel_mm), place, along)
    return [row._asdict() for row in found]


def test_defects_are_numbered_and_removed_regions_follow() -> None:
    found = [(row["number"], row["class_id"], row["kept"], row["reason"]) for row in rows()]
    assert found == [
        (1, 3, True, None),
        (2, 3, True, None),
        (3, 2, True, None),
        (4, 1, False, "min_area"),
    ]


def test_every_column_of_the_table_is_filled() -> None:
    shared = {"source", "run_id", "bundle", "scored_at", "run_number"}
    names = set(SCHEMAS[TableName.DEFECTS].columns.names) - shared - {"scored_date"}
    for row in rows():
        assert set(row) == names
    assert rows()[0]["side"] is None


def test_sizes_in_pixels_and_millimetres() -> None:
    first = rows()[0]
    assert (first["area"], first["length"], first["width"], first["angle"]) == (8, 4, 2, 0)
    assert (first["centroid_x"], first["centroid_y"]) == (5.5, 2.5)
    assert (first["box_top"], first["box_left"], first["box_bottom"], first["box_right"]) == (
        *(2, 4, 4, 8),
    )
    assert (first["area_mm2"], first["length_mm"], first["width_mm"]) == pytest.approx((8, 4, 2))
    assert first["angle_mm"] == pytest.approx(90)  # two rows are 4 mm, four columns 2 mm
    assert first["mean_probability"] == first["max_probability"] == 0.75
    assert [row["touches_edge"] for row in rows()] == [False, False, True, False]


@pytest.mark.parametrize(
    ("along", "place"),
    [(Axis.X, (1_003.0, 6.0)), (Axis.Y, (1_006.0, 3.0))],
)
def test_places_along_and_across_the_strip(along: Axis, place: tuple[float, float]) -> None:
    first = rows(along=along)[0]  # its centre is 3 mm from the left and 6 mm from the top
    assert (first["along_mm"], first["across_mm"]) == pytest.approx(place)


def test_what_is_unknown_is_missing() -> None:
    no_scale = rows(Place(coil="4711", position_mm=1.0))[0]
    assert not [name for name, value in no_scale.items() if "_mm" in name and value is not None]
    no_axis = rows(along=None)[0]
    assert no_axis["area_mm2"] == pytest.approx(8)
    assert (no_axis["along_mm"], no_axis["across_mm"]) == (None, None)
    no_position = rows(Place(pixel_mm_x=0.5, pixel_mm_y=2.0))[0]
    assert (no_position["along_mm"], no_position["across_mm"]) == (None, 6.0)
