"""Regions of a mask, compared with scipy's labels and with brute force over all angles."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import ndimage

from steeldefect.detection.region_shape import Shape
from steeldefect.detection.regions import MaskRegions, Region
from steeldefect.pictures import run_lengths
from steeldefect.pictures.run_lengths import Mask

masks = arrays.arrays(
    bool, st.tuples(st.integers(1, 12), st.integers(1, 12)), elements=st.booleans()
).filter(lambda mask: bool(mask.any()))


def regions_of(mask: Mask, pixel_mm: tuple[float, float] | None = None) -> list[Region]:
    probability = np.linspace(0.5, 1, mask.size, dtype=np.float32).reshape(mask.shape)
    return MaskRegions(mask, probability).measured(pixel_mm)


def picture(text: str) -> Mask:
    """Return a mask that is drawn with `#`."""
    return np.array([[one == "#" for one in line] for line in text.split()])


@settings(max_examples=300)
@given(masks)
def test_regions_are_those_of_scipy(mask: Mask) -> None:
    probability = np.linspace(0.5, 1, mask.size, dtype=np.float32).reshape(mask.shape)
    found = MaskRegions(mask, probability)
    assert np.array_equal(found.runs(), run_lengths.from_mask(mask))
    assert found.area == mask.sum()
    labels, count = ndimage.label(mask, np.ones((3, 3)))
    regions = found.measured()
    assert len(regions) == len(found.areas) == count
    numbers = set()
    for region in regions:
        own = run_lengths.to_mask(region.runs, mask.shape)
        assert np.array_equal(run_lengths.from_mask(own), region.runs)
        (number,) = set(labels[own].tolist())
        numbers.add(number)
        assert region.area == own.sum() == (labels == number).sum()
        rows, columns = np.nonzero(own)
        box = (rows.min(), columns.min(), rows.max() + 1, columns.max() + 1)
        assert region.box == box
        assert region.centroid == pytest.approx((columns.mean(), rows.mean()))
        assert region.mean_probability == pytest.approx(probability[own].mean(), rel=1e-5)
        assert region.max_probability == probability[own].max()
        height, width = mask.shape
        edge = rows.min() == 0 or columns.min() == 0
        assert region.touches_edge == (edge or box[2] == height or box[3] == width)
    assert len(numbers) == count
    firsts = [int(region.runs[0, 0]) for region in regions]
    assert firsts == sorted(firsts)


def corners(mask: Mask, pixel: tuple[float, float]) -> npt.NDArray[np.float64]:
    rows, columns = np.nonzero(mask)
    around = [(columns + x, rows + y) for x in (-0.5, 0.5) for y in (-0.5, 0.5)]
    return np.concatenate([np.stack(one, axis=1) for one in around]) * pixel


def extent(points: npt.NDArray[np.float64], degrees: float) -> tuple[float, float]:
    """Return the extents of points along a direction, and across it."""
    turn = np.deg2rad(degrees)
    one = points @ [np.cos(turn), np.sin(turn)]
    other = points @ [-np.sin(turn), np.cos(turn)]
    return float(np.ptp(one)), float(np.ptp(other))


@settings(max_examples=150)
@given(masks, st.sampled_from([(1.0, 1.0), (0.5, 2.0), (3.0, 0.7)]))
def test_the_rectangle_is_the_least_one(mask: Mask, pixel: tuple[float, float]) -> None:
    for region in regions_of(mask, pixel):
        own = run_lengths.to_mask(region.runs, mask.shape)
        for shape, size in ((region.shape, (1.0, 1.0)), (region.physical, pixel)):
            assert shape is not None
            points = corners(own, size)
            areas = [np.prod(extent(points, degrees)) for degrees in np.arange(0, 90, 0.5)]
            assert shape.length * shape.width <= min(areas) * 1.001
            assert shape.length >= shape.width > 0
            assert -90 < shape.angle <= 90
            if shape.elongation > 1.001:
                stated = (shape.length, shape.width)
                assert extent(points, shape.angle) == pytest.approx(stated, rel=1e-3)
        assert 0 < region.solidity <= 1


@pytest.mark.parametrize(
    ("drawn", "length", "width", "angle"),
    [
        ("#", 1, 1, 0),
        ("####", 4, 1, 0),
        ("# # # #", 4, 1, 90),
        ("### ###", 3, 2, 0),
        ("#... .#.. ..#. ...#", 4 * 2**0.5, 2**0.5, 45),
        ("...# ..#. .#.. #...", 4 * 2**0.5, 2**0.5, -45),
    ],
)
def test_simple_shapes(drawn: str, length: float, width: float, angle: float) -> None:
    (region,) = regions_of(picture(drawn))
    shape = region.shape
    stated = (shape.length, shape.width, shape.angle)
    assert stated == pytest.approx((length, width, angle), rel=1e-5)


@pytest.mark.parametrize(
    ("drawn", "perimeter", "solidity"),
    [
        ("#", np.pi, 1),
        ("####", 6 + np.pi, 1),
        ("### ### ###", 8 + np.pi, 1),
        ("### #.# ###", 8 + np.pi, 8 / 9),  # the border of the hole does not count
        ("#.. #.. ###", 6 + 2**0.5 + np.pi, 5 / 7),
    ],
)
def test_perimeter_and_solidity(drawn: str, perimeter: float, solidity: float) -> None:
    (region,) = regions_of(picture(drawn))
    assert region.shape.perimeter == pytest.approx(perimeter, rel=1e-5)
    assert region.solidity == pytest.approx(solidity)


def test_millimetres_of_pixels_that_are_not_square() -> None:
    (region,) = regions_of(picture("#### ####"), (0.5, 2.0))
    assert region.shape == Shape(4, 2, 0, pytest.approx(8 + np.pi, rel=1e-6), 8)
    assert region.physical is not None
    assert (region.physical.length, region.physical.width) == pytest.approx((4, 2))
    assert region.physical.angle == pytest.approx(90)  # 2 rows of 2 mm are longer than 4 of 0.5 mm
    assert region.physical.hull_area == pytest.approx(8)


def test_a_run_that_goes_on_in_the_next_column_belongs_to_two_regions() -> None:
    mask = np.zeros((4, 2), bool)
    mask[3, 0] = mask[0, 1] = True
    assert run_lengths.encode(mask) == "4 2"
    assert [run_lengths.to_text(one.runs) for one in regions_of(mask)] == ["4 1", "5 1"]


def test_only_the_largest_are_measured() -> None:
    mask = picture("#.##.#.###.# #..#...###..")
    areas = [region.area for region in regions_of(mask)]
    assert areas == [2, 3, 1, 6, 1]
    probability = mask.astype(np.float32)
    for largest, kept in ((0, []), (1, [6]), (3, [2, 3, 6]), (4, [2, 3, 1, 6]), (9, areas)):
        found = MaskRegions(mask, probability).measured(largest=largest)
        assert [region.area for region in found] == kept
