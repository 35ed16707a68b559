"""Split a mask into its separate regions (8-connected), and measure each of them.

All numbers come from the mask's own pixels, never from an outline that is drawn and filled again:
such an outline loses up to half the area of a small region.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from steeldefect.detection.region_shape import Points, Shape, measure_shape
from steeldefect.pictures.preprocessing import Float32, Gray
from steeldefect.pictures.run_lengths import BoundingBox, Mask, Runs

Integers = npt.NDArray[np.int64]


class Region(NamedTuple):
    """One separate region of a mask, in pixels of the picture.

    Attributes:
        runs: the region as run lengths.
        area: number of pixels.
        box: smallest upright rectangle around it.
        centroid: mean column and mean row of its pixels, 0-based: the centre of the picture's first
            pixel is (0, 0).
        shape: length, width, angle and perimeter, in pixels.
        physical: the same in millimetres; None if the scale is unknown.
        mean_probability, max_probability: of its pixels.
        touches_edge: whether it reaches the edge of the picture, so that a part may be missing.
    """

    runs: Runs
    area: int
    box: BoundingBox
    centroid: tuple[float, float]
    shape: Shape
    physical: Shape | None
    mean_probability: float
    max_probability: float
    touches_edge: bool

    @property
    def solidity(self) -> float:
        """Area divided by the area of the convex hull, above 0 and at most 1."""
        return min(1.0, self.area / self.shape.hull_area)


class MaskRegions:
    """The regions of one mask: counted at once, measured on demand.

    Attributes:
        areas: int64 (n,), number of pixels of each region.
        box: smallest upright rectangle around the mask.
        values: float32 (area,), the probabilities of the mask's pixels, row by row.
    """

    def __init__(
        self,
        mask: Mask,
        probability: Float32,
        origin: tuple[int, int] = (0, 0),
        shape: tuple[int, int] | None = None,
    ) -> None:
        """Find the regions.

        Args:
            mask: bool (h, w), a part of the picture, with at least one pixel set.
            probability: float32 (h, w), probability of the class there.
            origin: row and column of the part's first pixel in the picture.
            shape: (height, width) of the picture; None if the mask is all of it.
        """
        self._shape = mask.shape if shape is None else shape
        left, top, width, height = cv2.boundingRect(mask.view(np.uint8))
        self._top, self._left = top + origin[0], left + origin[1]
        self.box = BoundingBox(self._top, self._left, self._top + height, self._left + width)
        window = np.s_[top : top + height, left : left + width]
        self._mask = mask[window]
        self.values: Float32 = probability[window][self._mask]
        self._runs = _column_runs(self._mask)
        self._borders, self._labels = _labelled(self._mask)
        self._of_run = self._numbers_at(self._runs.rows, self._runs.columns)
        self.areas: Integers = self._sums(self._runs.lengths).astype(np.int64)

    @property
    def area(self) -> int:
        """Number of pixels of the mask."""
        return int(self.areas.sum())

    def runs(self) -> Runs:
        """Return the whole mask as run lengths."""
        starts = self._starts()
        return _joined(starts, self._runs.lengths, None)[0]

    def measured(
        self, pixel_mm: tuple[float, float] | None = None, largest: int | None = None
    ) -> list[Region]:
        """Measure the regions, in the order of their first pixels (column by column).

        Args:
            pixel_mm: width and height of a pixel in millimetres; None if unknown.
            largest: measure only so many regions, the largest; None for all. Of equal areas, those
                that begin first.
        """
        return [] if largest == 0 else list(self._measured(pixel_mm, largest))

    def _measured(
        self, pixel_mm: tuple[float, float] | None, largest: int | None
    ) -> Iterator[Region]:
        lengths, columns, rows = self._runs
        of_run = self._of_run
        means, peaks = self._probabilities()
        x = self._sums(lengths * columns) / self.areas + self._left
        y = self._sums(lengths * (2 * rows + lengths - 1)) / 2 / self.areas + self._top
        order = np.argsort(of_run, kind="stable")
        of_run = of_run[order]
        runs, first = _joined(self._starts()[order], lengths[order], of_run)
        begins = np.flatnonzero(np.diff(of_run[first], prepend=-1))
        # lists are much faster to read than arrays
        numbers = zip(
            *(one.tolist() for one in (self.areas, x, y, means, peaks, begins)),
            np.append(begins[1:], len(runs)).tolist(),
            strict=True,
        )
        known = list(numbers)
        height, width = self._shape
        for number in self._chosen(runs[begins, 0], largest):
            area, column, row, mean, peak, begin, end = known[number]
            border = self._borders[number]
            left, top, across, down = cv2.boundingRect(border)
            if pixel_mm is not None:  # small coordinates, because OpenCV computes with float32
                border = border - np.array([left, top], np.int32)
            shape, physical = measure_shape(border, (across, down), pixel_mm)
            top, left = top + self._top, left + self._left
            bottom, right = top + down, left + across
            yield Region(
                runs=runs[begin:end],
                area=area,
                box=BoundingBox(top, left, bottom, right),
                centroid=(column, row),
                shape=shape,
                physical=physical,
                mean_probability=mean,
                max_probability=peak,
                touches_edge=top == 0 or left == 0 or bottom == height or right == width,
            )

    def _probabilities(self) -> tuple[npt.NDArray[np.float64], Float32]:
        """Return the mean and the greatest probability of each region.

        `values` holds the pixels row by row, so they are summed by runs within rows: to read the
        pixels a second time, column by column, would take twice as long.
        """
        firsts, lasts = _edges(self._mask)
        of_run = self._numbers_at(*np.divmod(firsts, self._mask.shape[1]))
        offsets = np.concatenate(([0], np.cumsum(lasts - firsts)[:-1]))
        sums = np.add.reduceat(self.values, offsets, dtype=np.float64)
        order = np.argsort(of_run, kind="stable")
        begins = np.searchsorted(of_run[order], np.arange(len(self.areas)))
        peaks = np.maximum.reduceat(np.maximum.reduceat(self.values, offsets)[order], begins)
        return np.bincount(of_run, sums) / self.areas, peaks

    def _chosen(self, firsts: Integers, largest: int | None) -> Sequence[int]:
        """Return the numbers of the regions to measure, in the order of their first pixels."""
        ordered = np.argsort(firsts)
        if largest is None or largest >= len(ordered):
            chosen: list[int] = ordered.tolist()
            return chosen
        by_area = ordered[np.argsort(-self.areas[ordered], kind="stable")][:largest]
        return sorted(map(int, by_area), key=lambda number: int(firsts[number]))

    def _numbers_at(self, rows: Integers, columns: Integers) -> npt.NDArray[np.intp]:
        """Return the number of the region of border pixels."""
        if self._labels is None:
            return np.zeros(len(rows), np.intp)
        return self._labels[rows, columns].astype(np.intp)

    def _sums(self, values: npt.NDArray[np.generic]) -> npt.NDArray[np.float64]:
        """Return the sum of values of the runs, for each region."""
        return np.bincount(self._of_run, values).astype(np.float64, copy=False)

    def _starts(self) -> Integers:
        """Return the start of each run in the picture, 1-based, as run lengths count."""
        _, columns, rows = self._runs
        starts: Integers = (columns + self._left) * self._shape[0] + rows + self._top + 1
        return starts


def _labelled(mask: Mask) -> tuple[list[Points], npt.NDArray[np.int32] | None]:
    """Find the regions of a mask by their borders, which costs less than to label all pixels.

    Returns:
        The outer border of each region, int32 (n, 2); and an array (height, width) that holds the
        number of its region at each border pixel, or None if there is only one region. Border
        pixels are those beside a pixel that is not set, or at the edge: also the first and the last
        pixel of each run.
    """
    # two levels: also regions inside holes of others have an outer border, without a parent
    found, hierarchy = cv2.findContours(mask.view(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    parents: list[int] = hierarchy[0, :, 3].tolist()
    outer = [place for place, parent in enumerate(parents) if parent < 0]
    borders = [found[place].reshape(-1, 2) for place in outer]
    if len(outer) == 1:
        return borders, None
    number_of = {place: number for number, place in enumerate(outer)}
    numbers = [number_of[place if parent < 0 else parent] for place, parent in enumerate(parents)]
    points = np.concatenate(found).reshape(-1, 2)
    labels = np.empty(mask.shape, np.int32)  # only border pixels are read
    labels[points[:, 1], points[:, 0]] = np.repeat(numbers, [len(one) for one in found])
    return borders, labels


class _ColumnRuns(NamedTuple):
    """The runs of a mask, each within one column: int64 (n,) each, column by column.

    Attributes:
        lengths: number of pixels of each run.
        columns, rows: column and row of the first pixel of each run.
    """

    lengths: Integers
    columns: Integers
    rows: Integers


def _column_runs(mask: Mask) -> _ColumnRuns:
    firsts, lasts = _edges(cv2.transpose(mask.view(np.uint8)))
    columns, rows = np.divmod(firsts, len(mask))
    return _ColumnRuns(lasts - firsts, columns, rows)


def _edges(mask: npt.NDArray[np.generic]) -> tuple[Integers, Integers]:
    """Return the runs within the rows of a mask: places in the flat mask.

    Args:
        mask: (height, width), 0 or 1.

    Returns:
        int64 (n,) each: the first pixel of each run, and the pixel after its last.
    """
    width = mask.shape[1] + 1  # with a column that is not set, so that no run goes on
    flat = cv2.copyMakeBorder(mask.view(np.uint8), 0, 0, 0, 1, cv2.BORDER_CONSTANT, value=0)
    edges = _changes(flat.ravel())
    edges -= edges // width  # without the added column
    return edges[0::2], edges[1::2]


def _changes(pixels: Gray) -> Integers:
    """Return the places, ascending, of pixels (0 or 1) that differ from the pixel before them.

    Before the first pixel, 0 counts. Eight pixels in a byte are compared at once, and most bytes
    are left out, because changes are rare.
    """
    packed = np.packbits(pixels, bitorder="little")
    changed: Gray = np.left_shift(packed, np.uint8(1))
    changed[1:] |= packed[:-1] >> 7
    changed ^= packed
    places = np.flatnonzero(changed != 0)  # NumPy finds the true ones of bool much faster
    bits = np.unpackbits(changed[places], bitorder="little")
    found = np.flatnonzero(bits.view(bool))
    changes: Integers = places[found >> 3] * 8 + (found & 7)
    return changes


def _joined(
    starts: Integers, lengths: Integers, owners: npt.NDArray[np.generic] | None
) -> tuple[Runs, Integers]:
    """Join runs that go on in the next column, as `run_lengths.from_mask` does.

    Args:
        starts: int64 (n,), starts of runs within columns, ascending for each owner.
        lengths: int64 (n,), their lengths.
        owners: (n,), the region of each run; only runs of one region are joined. None: there is
            one.

    Returns:
        int64 (m, 2), the joined runs, and int64 (m,), the number of the first run of each.
    """
    begins = np.ones(len(starts), bool)
    begins[1:] = starts[1:] != starts[:-1] + lengths[:-1]
    if owners is not None:
        begins[1:] |= owners[1:] != owners[:-1]
    first = np.flatnonzero(begins)
    return np.stack([starts[first], np.add.reduceat(lengths, first)], axis=1), first
