"""Plates: the outline lies around the mask, the number near it, and the bar has its length."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from steeldefect.errors import RunLengthError
from steeldefect.pages.palette import class_colour
from steeldefect.pictures import run_lengths
from steeldefect.report.plates import WIDTH, Box, Outline, draw_plate

Colour = npt.NDArray[np.int64]
Gray = npt.NDArray[np.uint8]
BAR, GAP = 30, 6
STRIP = (256, 1600)
ORANGE = class_colour(1)


def gray(shape: tuple[int, int], level: int = 110) -> Gray:
    return np.full(shape, level, np.uint8)


def rectangle(shape: tuple[int, int], box: Box) -> str:
    mask = np.zeros(shape, bool)
    mask[box.top : box.bottom, box.left : box.right] = True
    return run_lengths.encode(mask)


def drawn(
    picture: Gray,
    outlines: list[Outline],
    focus: Box | None = None,
    pixel_mm: tuple[float, float] | None = None,
) -> Colour:
    """Return a plate as red, green and blue, int64 (height, width, 3)."""
    data = draw_plate(picture, outlines, focus, pixel_mm)
    assert data[:3] == b"\xff\xd8\xff", "not a JPEG file"
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert pixels is not None
    return pixels[:, :, ::-1].astype(np.int64)


def near(plate: Colour, colour: str, within: int = 90) -> npt.NDArray[np.bool_]:
    """Return where a plate has a colour, but for what JPEG changes."""
    wanted = np.array([int(colour[place : place + 2], 16) for place in (1, 3, 5)])
    return np.asarray(np.abs(plate - wanted).sum(axis=2) < within)


def box_of(mask: npt.NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """Return left, top, right and bottom of a mask."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def test_the_outline_lies_around_the_mask_on_the_whole_picture_and_enlarged() -> None:
    defect = Box(400, 100, 480, 140)
    plate = drawn(gray(STRIP), [Outline(rectangle(STRIP, defect), 1)], defect)
    scale = WIDTH / STRIP[1]
    whole = round(STRIP[0] * scale)
    line = near(plate, ORANGE)
    expected = [
        defect.left * scale,
        defect.top * scale,
        defect.right * scale,
        defect.bottom * scale,
    ]
    assert box_of(line[:whole]) == pytest.approx(expected, abs=5)
    # around it, not on it: what lies in the middle is the steel
    middle = plate[:whole][round(118 * scale) : round(122 * scale), 230:250]
    assert np.abs(middle - 110).max() < 12
    large = line[whole + GAP :]
    left, top, right, bottom = box_of(large)
    size = (right - left) / defect.width
    assert size > 2 * scale
    assert (bottom - top) / defect.height == pytest.approx(size, rel=0.1)
    assert (left + right) / 2 == pytest.approx(WIDTH / 2, abs=6)


def test_an_enlargement_at_the_edge_stays_inside_the_picture() -> None:
    picture = gray(STRIP)
    picture[:, 1_590:] = 250
    defect = Box(1_580, 236, 1_600, 256)
    plate = drawn(picture, [Outline(rectangle(STRIP, defect), 1)], defect)
    large = plate[round(256 * 0.55) + GAP :]
    left, top, right, bottom = box_of(near(large, ORANGE))
    assert (right, bottom) == (pytest.approx(WIDTH, abs=3), pytest.approx(len(large), abs=3))
    assert (right - left) == pytest.approx(20 * 4, abs=12)
    assert (bottom - top) == pytest.approx(20 * 4, abs=12)


def test_the_number_stands_beside_its_defect() -> None:
    defect = Box(700, 100, 760, 140)
    runs = rectangle(STRIP, defect)
    plain = drawn(gray(STRIP), [Outline(runs, 1)], defect)
    numbered = drawn(gray(STRIP), [Outline(runs, 1, 7)], defect)
    assert plain.shape == numbered.shape
    changed = np.abs(plain - numbered).sum(axis=2) > 150
    whole = round(STRIP[0] * WIDTH / STRIP[1])
    assert not changed[: whole - 8].any(), "the number is on the enlarged part alone"
    left, top, right, bottom = box_of(near(numbered, "#ffffff", 40) & changed)
    assert (8 < right - left < 40, 12 < bottom - top < 40) == (True, True)
    edge = box_of(near(plain[whole + GAP :], ORANGE))
    apart = max(
        edge[0] - right, left - edge[2], edge[1] - (bottom - whole - 6), top - whole - 6 - edge[3]
    )
    assert apart < 60


def test_numbers_of_several_defects_stand_at_different_places() -> None:
    boxes = [Box(700, 100, 720, 110), Box(724, 100, 744, 110), Box(700, 114, 720, 124)]
    outlines = [Outline(rectangle(STRIP, one), place, place) for place, one in enumerate(boxes, 1)]
    plate = drawn(gray(STRIP), outlines, boxes[0])
    white = near(plate, "#ffffff", 40)[round(256 * 0.55) + 10 :].astype(np.uint8)
    closed = cv2.morphologyEx(white, cv2.MORPH_CLOSE, np.ones((9, 9), np.uint8))
    count, _, found, _ = cv2.connectedComponentsWithStats(closed)
    tags = [one for one in found[1:count] if one[cv2.CC_STAT_AREA] > 120]
    assert len(tags) == 3


def test_classes_differ_in_colour_and_in_their_line() -> None:
    defect = Box(100, 60, 1_500, 200)
    shares = []
    for class_id in range(1, 8):
        plate = drawn(gray(STRIP), [Outline(rectangle(STRIP, defect), class_id)])
        line = near(plate, class_colour(class_id), 130)
        top = round(60 * WIDTH / STRIP[1])
        shares.append(round(float(line[top - 4 : top + 3, 70:800].any(axis=0).mean()), 2))
    assert shares[0] > 0.99
    assert max(shares[1:]) < 0.95
    assert len(set(shares)) == 7


def test_what_a_second_bundle_found_is_white_dashes() -> None:
    plate = drawn(gray(STRIP), [Outline(rectangle(STRIP, Box(100, 60, 1_500, 200)), None)])
    top = round(60 * WIDTH / STRIP[1])
    share = near(plate, "#ffffff", 200)[top - 4 : top + 3, 70:800].any(axis=0).mean()
    assert 0.2 < share < 0.9


@pytest.mark.parametrize(
    ("pixel_mm", "focus"),
    [(0.5, None), (0.5, Box(700, 100, 760, 140)), (0.013, None), (40.0, Box(10, 10, 30, 30))],
)
def test_the_scale_bar_has_the_length_that_it_states(pixel_mm: float, focus: Box | None) -> None:
    plain = drawn(gray(STRIP), [], focus)
    plate = drawn(gray(STRIP), [], focus, (pixel_mm, pixel_mm))
    assert plate.shape == (plain.shape[0] + GAP + BAR, WIDTH, 3)
    row = plate[-BAR // 2].sum(axis=1) < 3 * 120
    assert not row[:8].any()
    assert row[12]
    pixels = int(np.argmin(row[12:])) + 2
    # pixels of the picture for one of the plate: all of it, or the part around the focus
    shown = 1_600 if focus is None else 220
    length = pixels * pixel_mm * shown / WIDTH
    power = 10.0 ** np.floor(np.log10(length))
    assert min(abs(length / (one * power) - 1) for one in (1, 2, 5, 10)) < 0.02
    assert 60 < pixels <= WIDTH / 4 + 2


def test_pixels_that_are_not_square_are_said() -> None:
    square = drawn(gray(STRIP), [], None, (0.5, 0.5))
    other = drawn(gray(STRIP), [], None, (0.5, 0.6))
    assert (other[-BAR:, 300:] < 128).sum() > 2 * (square[-BAR:, 300:] < 128).sum()


SHAPES = [(64, 64), (200, 4_000), (4_000, 200), (1, 1), (1, 5_000), (5_000, 1), (256, 1_600)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("part", ["all", "corner", "nothing"])
def test_pictures_of_any_shape_are_drawn(shape: tuple[int, int], part: str) -> None:
    height, width = shape
    whole = Box(0, 0, width, height)
    box = whole if part == "all" else Box(width - 1, height - 1, width, height)
    outlines = [] if part == "nothing" else [Outline(rectangle(shape, box), 1, 12)]
    plate = drawn(gray(shape), outlines, None if part == "nothing" else box, (0.5, 0.5))
    assert plate.shape[1] == WIDTH
    assert BAR < plate.shape[0] < 2_000
    if min(shape) > 1 or shape == (1, 1):  # on a line of pixels, nothing has room around it
        assert (near(plate, ORANGE).any()) == (part != "nothing")


def test_the_same_picture_gives_the_same_bytes() -> None:
    defect = Box(400, 100, 480, 140)
    one = (gray(STRIP), [Outline(rectangle(STRIP, defect), 1, 1)], defect, (0.5, 0.6))
    assert draw_plate(*one) == draw_plate(*one)


def test_a_mask_of_another_picture_is_refused() -> None:
    with pytest.raises(RunLengthError):
        draw_plate(gray((64, 64)), [Outline("4096 5", 1)], None, None)
