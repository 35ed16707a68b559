"""The map of a coil: places to scale, in rows, with everything inside."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from steeldefect.report.strip_map import WIDTH, Band, Surface, surfaces_of

Row = dict[str, Any]
FRAME_MM, ACROSS_MM = 800.0, 150.0


def picture(number: int, **changes: Any) -> Row:
    """Return a picture of 1,600 x 250 pixels, 800 x 150 mm."""
    row = {"source": "/a", "key": f"{number}.png", "coil": "7", "camera": "c1", "side": "top"}
    row |= {"verdict": "clean", "position_mm": number * FRAME_MM, "width": 1_600, "height": 250}
    return row | {"pixel_mm_x": 0.5, "pixel_mm_y": 0.6} | changes


def defect(along: float | None, across: float | None = 75.0, **changes: Any) -> Row:
    row = {"camera": "c1", "side": "top", "class_id": 2, "class_name": "dark", "length": 20.0}
    row |= {"along_mm": along, "across_mm": across, "length_mm": 10.0, "width_mm": 6.0}
    number = int((along or 0.0) // FRAME_MM)
    x, y = ((along or 0.0) - number * FRAME_MM) / 0.5, (across or 0.0) / 0.6
    row |= {"source": "/a", "key": f"{number}.png", "centroid_x": x, "centroid_y": y}
    row |= {"box_left": x - 9.5, "box_right": x + 10.5, "box_top": y - 4.5, "box_bottom": y + 5.5}
    return row | changes


def repeat(**changes: Any) -> Row:
    row = {"camera": "c1", "side": "top", "kind": "roll", "period_mm": 1_000.0}
    row |= {"begin_mm": 500.0, "end_mm": 4_500.0, "lane_mm": 75.0, "lane_width_mm": 10.0}
    return row | changes


def surface(pictures: list[Row], defects: list[Row] = [], repeats: list[Row] = []) -> Surface:  # noqa: B006
    (made,) = surfaces_of(pictures, defects, repeats, "x")
    return made


def along(band: Band, x: float) -> float:
    """Return the place of a point of the drawing on the strip, in millimetres."""
    return band.begin_mm + x / WIDTH * (band.end_mm - band.begin_mm)


def test_a_short_coil_is_one_row_to_scale() -> None:
    made = surface([picture(one) for one in range(3)], [defect(1_200.0, 75.0)])
    (band,) = made.bands
    assert (band.begin_mm, band.end_mm, made.width_mm) == (0.0, 2_400.0, pytest.approx(ACROSS_MM))
    assert made.stretched == 1.0
    scale = WIDTH / 2_400.0
    assert band.height == pytest.approx(ACROSS_MM * scale)
    boxes = [one for one in band.pictures if one.style == "clean"]
    assert [one.x for one in boxes] == pytest.approx([0, 360, 720])
    assert [one.width for one in boxes] == pytest.approx([360] * 3)
    (mark,) = band.marks
    assert (mark.x, mark.y) == (pytest.approx(540), pytest.approx(75.0 * scale))
    assert mark.name == "dark, 10 mm long, at 1.20 m, 75 mm across"


def test_a_long_coil_is_cut_into_rows_of_one_length_with_every_mark_once() -> None:
    pictures = [picture(one) for one in range(200)]
    places = [float(one) for one in range(7, 160_000, 411)]
    made = surface(pictures, [defect(one) for one in places])
    bands = made.bands
    assert 1 < len(bands) <= 24
    assert bands[0].begin_mm == 0
    assert bands[-1].end_mm == pytest.approx(160_000)
    for one, after in pairwise(bands):
        assert one.end_mm == pytest.approx(after.begin_mm)
    assert len({round(one.end_mm - one.begin_mm) for one in bands}) == 1
    found = [along(band, mark.x) for band in bands for mark in band.marks]
    assert found == pytest.approx(places)
    for band in bands:
        assert band.height >= 33.9
        for box in band.pictures:
            assert -1e-6 <= box.x <= box.x + box.width <= WIDTH + 1e-6
    # a picture over the end of a row is in both
    assert sum(len(one.pictures) for one in bands) >= 200


def test_a_very_long_coil_is_stretched_across_and_says_so() -> None:
    made = surface([picture(one) for one in range(4_000)], [defect(1_000_000.0, 150.0)])
    assert len(made.bands) == 24
    assert made.stretched > 2
    scale = WIDTH / (made.bands[0].end_mm - made.bands[0].begin_mm)
    height = ACROSS_MM * scale * made.stretched
    assert [one.height for one in made.bands] == pytest.approx([height] * 24)
    (mark,) = [mark for band in made.bands for mark in band.marks]
    assert mark.y == pytest.approx(made.bands[0].height)


def test_large_defects_are_boxes_as_they_lie_on_the_strip() -> None:
    upright = {"box_left": 780, "box_right": 820, "box_top": 50, "box_bottom": 200}
    own = {"centroid_x": 799.5, "centroid_y": 124.5, "length_mm": 90.0, "width_mm": 20.0}
    made = surface([picture(0)], [defect(400.0, 75.0, **upright, **own)])
    (band,) = made.bands
    (box,) = [one for one in band.pictures if one.style == "defect-2"]
    scale = WIDTH / FRAME_MM
    assert (box.x, box.width) == (pytest.approx(390 * scale), pytest.approx(20 * scale))
    assert (box.y, box.height) == (pytest.approx(30 * scale), pytest.approx(90 * scale))


def test_a_picture_with_a_defect_differs_and_a_hole_stays_empty() -> None:
    verdicts = {0: "defect", 1: "clean", 4: "gated"}
    made = surface([picture(number, verdict=one) for number, one in verdicts.items()])
    boxes = sorted(
        (along(band, box.x), along(band, box.x + box.width), box.style)
        for band in made.bands
        for box in band.pictures
    )
    assert [(round(begin), round(end), style) for begin, end, style in boxes] == [
        (0, 800, "found"),
        (800, 1_600, "clean"),
        (3_200, 4_000, "clean"),
    ]


def test_the_turns_of_a_roll_are_marked_even_where_no_mark_was_found() -> None:
    pictures = [picture(one) for one in range(6)]
    made = surface(pictures, [], [repeat(), repeat(kind="harmonic"), repeat(period_mm=None)])
    places = [along(band, one.x + 9) for band in made.bands for one in band.turns]
    assert places == pytest.approx([500, 1_500, 2_500, 3_500, 4_500])
    others = [repeat(camera="c2"), repeat(side="bottom")]
    assert not any(band.turns for band in surface(pictures, [], others).bands)


def test_each_camera_and_side_has_a_map_of_its_own() -> None:
    pictures = [picture(0), picture(0, camera="c2"), picture(0, camera=None, side=None)]
    made = surfaces_of(pictures, [defect(5.0), defect(5.0, camera=None)], [], "x")
    assert [one.name for one in made] == [
        "camera c1, top side",
        "camera c2, top side",
        "camera unnamed",
    ]
    assert [len(one.bands[0].marks) for one in made] == [2, 1, 0]


def test_the_strip_may_run_along_the_columns() -> None:
    (made,) = surfaces_of([picture(one, position_mm=one * 150.0) for one in range(2)], [], [], "y")
    assert made.width_mm == 800.0
    assert made.bands[-1].end_mm == pytest.approx(300.0)


def test_only_the_largest_defects_are_drawn_and_the_rest_is_counted() -> None:
    defects = [defect(float(one % 790)) for one in range(450)]
    made = surface([picture(0)], [*defects, defect(None), defect(3.0, None)])
    assert made.left_out == 50
    assert sum(len(one.marks) for one in made.bands) == 400


@pytest.mark.parametrize("unknown", ["position_mm", "pixel_mm_x", "pixel_mm_y"])
def test_pictures_without_place_or_scale_are_not_drawn(unknown: str) -> None:
    assert surfaces_of([picture(0, **{unknown: None})], [defect(3.0)], [], "x") == []
    (made,) = surfaces_of([picture(0), picture(9, **{unknown: None})], [], [], "x")
    assert [one.end_mm for one in made.bands] == [800.0]


@pytest.mark.parametrize("frames", [3, 37, 113, 997, 4_999])
def test_no_row_is_empty_and_the_last_pixel_is_drawn(frames: int) -> None:
    ends = [defect(0.25), defect(frames * FRAME_MM - 0.25)]
    made = surface([picture(one) for one in range(frames)], ends)
    for band in made.bands:
        assert band.pictures
        assert band.end_mm - band.begin_mm > FRAME_MM
    found = [along(band, mark.x) for band in made.bands for mark in band.marks]
    assert found == pytest.approx([one["along_mm"] for one in ends])
