"""The outline of a picture: which classes count, and what minimum areas remove."""

from __future__ import annotations

import numpy as np
import pytest

from steeldefect.bundle.manifest import DefectClass
from steeldefect.detection.outline import OutlineRules, Reason, outline_picture
from steeldefect.pictures.preprocessing import Float32


def classes(*min_areas: int) -> list[DefectClass]:
    return [
        DefectClass(id=number, name=f"class {number}", pixel_threshold=0.5, min_area=area)
        for number, area in enumerate(min_areas, start=1)
    ]


def maps(*drawn: str) -> Float32:
    """Return class maps: each text is one class, rows separated by spaces."""
    channels = [[[one == "#" for one in line] for line in text.split()] for text in drawn]
    return np.ascontiguousarray(np.moveaxis(np.array(channels, np.float32), 0, -1))


@pytest.mark.parametrize(
    ("min_area", "added", "reason"),
    [
        (0, 0, None),
        (4, 0, None),
        (5, 0, Reason.MIN_AREA),
        (4, 1, Reason.SOFT_GATE),
        (5, 1, Reason.MIN_AREA),
        (0, 5, Reason.SOFT_GATE),
    ],
)
def test_a_class_counts_as_a_whole(min_area: int, added: int, reason: Reason | None) -> None:
    rules = OutlineRules(added_area=added, measured=True, rejected=10)
    found = outline_picture(maps("##.# .... #..."), (3, 4), classes(min_area), rules)
    if reason is None:
        assert [len(one.regions) for one in found.findings] == [3]
        assert (found.rejected, found.rejected_count) == ((), 0)
        return
    assert found.findings == ()
    assert [one.reason for one in found.rejected] == [reason] * 3
    assert [one.region.area for one in found.rejected] == [2, 1, 1]
    assert found.rejected_count == 3


def test_the_largest_of_all_classes_are_kept_and_all_are_counted() -> None:
    drawn = maps("#.##.### ........", "........ ##.####.", "#....... ........")
    areas = {0: [], 1: [(2, 4)], 2: [(1, 3), (2, 4)], 9: [(1, 1), (1, 2), (1, 3), (2, 2), (2, 4)]}
    for limit, kept in areas.items():
        rules = OutlineRules(measured=True, rejected=limit)
        found = outline_picture(drawn, (2, 8), classes(9, 9, 0), rules)
        assert [(one.defect_class.id, one.region.area) for one in found.rejected] == kept
        assert found.rejected_count == 5
        assert [one.defect_class.id for one in found.findings] == [3]


def test_regions_are_measured_in_millimetres_where_the_scale_is_known() -> None:
    rules = OutlineRules(measured=True, rejected=1, pixel_mm=(0.5, 2.0))
    found = outline_picture(maps("##", "##"), (1, 2), classes(0, 3), rules)
    for region in (found.findings[0].regions[0], found.rejected[0].region):
        assert region.physical is not None
        assert (region.physical.length, region.physical.width) == pytest.approx((2.0, 1.0))
    unknown = outline_picture(maps("##"), (1, 2), classes(0), OutlineRules(measured=True))
    assert unknown.findings[0].regions[0].physical is None


def test_nothing_above_the_threshold_is_nothing() -> None:
    empty = outline_picture(np.zeros((2, 2, 2), np.float32), (4, 4), classes(0, 9), OutlineRules())
    assert (empty.findings, empty.rejected, empty.rejected_count) == ((), (), 0)
