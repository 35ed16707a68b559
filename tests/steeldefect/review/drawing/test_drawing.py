"""The parts of a drawing: scale, dashes, places of the numbers, legend, scale bar."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.steel import steel

from steeldefect.analysis.drawings import colour_of
from steeldefect.pictures import run_lengths
from steeldefect.review.drawing.canvas import HEIGHT, WIDTH, ClassMasks, draw_canvas, scale_of
from steeldefect.review.drawing.legend import Legend
from steeldefect.review.drawing.lettering import font, shortened
from steeldefect.review.drawing.scale_bar import choose_scale_bar
from steeldefect.review.drawing.tags import Labelled, place_tags

SHAPE = (60, 200)
TAG = (20, 22)


def box_runs(
    top: int, left: int, height: int, width: int, shape: tuple[int, int] = SHAPE
) -> run_lengths.Runs:
    mask = np.zeros(shape, dtype=bool)
    mask[top : top + height, left : left + width] = True
    return run_lengths.from_mask(mask)


@pytest.mark.parametrize(
    ("shape", "scale"),
    [
        ((256, 1600), 1),
        ((64, 128), 12),
        ((256, 1000), 1),
        ((8000, 1000), HEIGHT / 8000),
        ((1000, 6400), WIDTH / 6400),
        ((1, 1), WIDTH),
    ],
)
def test_pictures_are_drawn_at_a_size_for_people(shape: tuple[int, int], scale: float) -> None:
    assert scale_of(shape) == scale


def coloured(pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> run_lengths.Mask:
    values = pixels.astype(int)
    return np.asarray(values.max(axis=2) - values.min(axis=2) > 10)


def test_defects_are_tinted_and_removed_regions_dashed() -> None:
    picture = steel(1, (300, 1600))
    one, other = (box_runs(100, left, 60, 60, picture.shape) for left in (200, 600))
    canvas = draw_canvas(picture, [ClassMasks(1, [one], [other])])
    shown = coloured(canvas.pixels)
    assert canvas.scale == 1
    assert shown[105:155, 205:255].all()
    assert not shown[105:155, 605:655].any()
    along = shown[100, 600:660]
    assert along.any()
    assert not along.all(), "an outline of a removed region has gaps"
    assert shown[100, 202:258].all(), "that of a defect has none"
    assert canvas.ink[100:160, 600:660].all()
    assert canvas.ink.sum() == 2 * 3600


def test_a_region_smaller_than_a_pixel_of_the_drawing_is_seen() -> None:
    picture = np.full((400, 8000), 90, np.uint8)
    dot = box_runs(201, 4001, 1, 1, picture.shape)
    canvas = draw_canvas(picture, [ClassMasks(2, [dot], [])])
    assert canvas.pixels.shape == (80, 1600, 3)
    assert canvas.ink.sum() == 1
    y, x = np.argwhere(canvas.ink)[0]
    assert (y, x) == (40, 800)
    assert coloured(canvas.pixels[y - 1 : y + 2, x - 1 : x + 2]).any()


@given(
    boxes=st.lists(
        st.tuples(st.integers(0, 50), st.integers(0, 190), st.integers(1, 10), st.integers(1, 10)),
        min_size=1,
        max_size=8,
    ),
    scale=st.sampled_from([4.0, 8.0]),
)
def test_tags_lie_inside_the_drawing_and_apart(
    boxes: list[tuple[int, int, int, int]], scale: float
) -> None:
    labelled = [Labelled(box_runs(*box), TAG) for box in boxes]
    shape = int(SHAPE[0] * scale), int(SHAPE[1] * scale)
    tags = place_tags(labelled, np.zeros(shape, bool), SHAPE[0], scale)
    taken = np.zeros(shape, int)
    for tag, (top, left, height, width) in zip(tags, boxes, strict=True):
        assert (tag.right - tag.left, tag.bottom - tag.top) == TAG
        assert min(tag.left, tag.top) >= 0
        assert tag.right <= shape[1]
        assert tag.bottom <= shape[0]
        taken[tag.top : tag.bottom, tag.left : tag.right] += 1
        x, y = tag.anchor
        assert left * scale <= x < (left + width) * scale
        assert top * scale <= y < (top + height) * scale
    assert taken.max() == 1


def test_tags_keep_off_regions_where_there_is_room() -> None:
    boxes = [(20, 20, 20, 60), (20, 100, 5, 5), (40, 120, 15, 70)]
    ink = np.zeros(SHAPE, bool)
    for top, left, height, width in boxes:
        ink[top : top + height, left : left + width] = True
    ink = ink.repeat(5, axis=0).repeat(5, axis=1)
    for tag in place_tags([Labelled(box_runs(*box), TAG) for box in boxes], ink, SHAPE[0], 5):
        assert not ink[tag.top : tag.bottom, tag.left : tag.right].any()


def test_a_tag_larger_than_the_drawing_does_no_harm() -> None:
    (tag,) = place_tags([Labelled(box_runs(0, 0, 1, 1, (4, 6)), TAG)], np.zeros((4, 6), bool), 4, 1)
    assert (tag.left, tag.top, tag.right, tag.bottom) == (0, 0, 6, 4)


@pytest.mark.parametrize(
    ("pixel_mm", "longest", "length"),
    [(0.5, 400, 200), (0.5, 399, 100), (0.1, 144, 10), (0.003, 100, 0.2), (7, 100, 500), (1, 1, 1)],
)
def test_scale_bars_have_round_lengths(pixel_mm: float, longest: int, length: float) -> None:
    bar = choose_scale_bar(pixel_mm, longest)
    assert bar.millimetres == pytest.approx(length)
    assert bar.pixels == round(length / pixel_mm)
    assert bar.pixels <= longest


@given(pixel_mm=st.floats(1e-6, 1e4), longest=st.integers(20, 2000))
def test_scale_bars_fill_their_room(pixel_mm: float, longest: int) -> None:
    bar = choose_scale_bar(pixel_mm, longest)
    assert longest / 2.6 < bar.pixels <= longest


def test_a_legend_grows_by_lines() -> None:
    names = {number: f"class {number} of many" for number in range(1, 12)}
    assert Legend({}, "", 900).lines == 1
    assert Legend({1: "scratch"}, "removed", 900).lines == 1
    assert Legend(names, "removed", 1600).lines < Legend(names, "removed", 900).lines
    assert Legend({1: "x" * 5000}, "", 900).lines == 1


def test_long_texts_are_cut_in_the_middle() -> None:
    face = font(18)
    text = "line 1/" + "x" * 300 + "/frame_0001.jpg"
    cut = shortened(text, 400, face)
    assert face.getlength(cut) <= 400
    assert (cut[:7], cut[-9:]) == ("line 1/", "_0001.jpg")
    assert "…" in cut
    assert shortened("short", 400, face) == "short"


def test_classes_have_the_colours_of_overlays() -> None:
    picture = np.full((300, 1600), 90, np.uint8)
    box = box_runs(100, 200, 60, 60, picture.shape)
    pixels = draw_canvas(picture, [ClassMasks(3, [box], [])]).pixels
    assert tuple(pixels[100, 230]) == colour_of(3)
