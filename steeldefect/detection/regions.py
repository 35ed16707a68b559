"""Split a mask into its separate regions (8-connected), and measure each of them.

All numbers come from the mask's own pixels, never from an outline that is drawn and filled again:
such an outline loses up to half the area of a small region.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from steeldefect.detection.region_shape import Points, Shape, measure_shape
from steeldefect.pictures.preprocessing import Float32
from steeldefect.pictures.run_lengths import BoundingBox, Mask, Runs

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Region:
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

    def __init__(self, mask: Mask, probability: Float32) -> None:
        """Find the regions.

        Args:
            mask: bool (height, width) of the picture, with at least one pixel set.
            probability: float32 (height, width), probability of the class.
        """
        self._shape = mask.shape
        left, top, width, height = cv2.boundingRect(mask.view(np.uint8))
        self._top, self._left = top, left
        self.box = BoundingBox(top, left, top + height, left + width)
        window = np.s_[top : top + height, left : left + width]
        self._mask = np.ascontiguousarray(mask[window])
        self._probability = probability[window]
        self.values: Float32 = self._probability[self._mask]
        self._runs = _column_runs(self._mask)
        # much faster than connectedComponentsWithStats: the sizes come from the runs
        _, self._labels = cv2.connectedComponents(self._mask.view(np.uint8), connectivity=8)
        self._of_run = self._labels[self._runs.rows, self._runs.columns] - 1
        self.areas: Integers = self._sums(self._runs.lengths).astype(np.int64)

    @property
    def area(self) -> int:
        """Number of pixels of the mask."""
        return int(self.areas.sum())

    def runs(self) -> Runs:
        """Return the whole mask as run lengths."""
        starts = self._starts()
        return _joined(starts, self._runs.lengths, np.zeros(len(starts)))[0]

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
        areas: list[int] = self.areas.tolist()  # much faster to read than an array
        numbers: list[list[float]] = [one.tolist() for one in (x, y, means, peaks)]
        order = np.argsort(of_run, kind="stable")
        of_run = of_run[order]
        runs, first = _joined(self._starts()[order], lengths[order], of_run)
        begins = np.flatnonzero(np.diff(of_run[first], prepend=-1))
        ends = np.append(begins[1:], len(runs))
        borders = self._borders()
        for number in self._chosen(runs[begins, 0], largest):
            border = borders[number]
            left, top, width, height = cv2.boundingRect(border)
            if pixel_mm is not None:  # small coordinates, because OpenCV computes with float32
                border = border - np.array([left, top], np.int32)
            shape, physical = measure_shape(border, pixel_mm)
            top, left = top + self._top, left + self._left
            box = BoundingBox(top, left, top + height, left + width)
            column, row, mean, peak = (one[number] for one in numbers)
            yield Region(
                runs=runs[begins[number] : ends[number]],
                area=areas[number],
                box=box,
                centroid=(column, row),
                shape=shape,
                physical=physical,
                mean_probability=mean,
                max_probability=peak,
                touches_edge=self._at_edge(box),
            )

    def _probabilities(self) -> tuple[npt.NDArray[np.float64], Float32]:
        """Return the mean and the greatest probability of each region.

        `values` holds the pixels row by row, so they are summed by runs within rows: to read the
        pixels a second time, column by column, would take twice as long.
        """
        firsts, lasts = _edges(self._mask)
        of_run = self._labels.ravel()[firsts] - 1
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
            return list(map(int, ordered))
        by_area = ordered[np.argsort(-self.areas[ordered], kind="stable")][:largest]
        return sorted(map(int, by_area), key=lambda number: int(firsts[number]))

    def _borders(self) -> dict[int, Points]:
        """Return the outer border of each region, in pixels of the window."""
        # two levels: also regions inside holes of others have an outer border, without a parent
        found, hierarchy = cv2.findContours(
            self._mask.view(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE
        )
        borders = {}
        for border, parent in zip(found, hierarchy.reshape(-1, 4)[:, 3].tolist(), strict=True):
            if parent < 0:
                column, row = border[0].ravel()
                borders[int(self._labels[row, column]) - 1] = border.reshape(-1, 2)
        return borders

    def _at_edge(self, box: BoundingBox) -> bool:
        """Return whether a rectangle reaches the edge of the picture."""
        height, width = self._shape
        return min(box.top, box.left) == 0 or box.bottom == height or box.right == width

    def _sums(self, values: npt.NDArray[np.generic]) -> npt.NDArray[np.float64]:
        """Return the sum of values of the runs, for each region."""
        return np.bincount(self._of_run, values).astype(np.float64, copy=False)

    def _starts(self) -> Integers:
        """Return the start of each run in the picture, 1-based, as run lengths count."""
        _, columns, rows = self._runs
        starts: Integers = (columns + self._left) * self._shape[0] + rows + self._top + 1
        return starts


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
    height, width = mask.shape
    padded = np.zeros((height, width + 1), bool)
    padded[:, :-1] = mask
    flat = padded.ravel()
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    if flat[0]:
        edges = np.concatenate(([0], edges))
    edges -= edges // (width + 1)  # without the added column
    return edges[0::2], edges[1::2]


def _joined(
    starts: Integers, lengths: Integers, owners: npt.NDArray[np.generic]
) -> tuple[Runs, Integers]:
    """Join runs that go on in the next column, as `run_lengths.from_mask` does.

    Args:
        starts: int64 (n,), starts of runs within columns, ascending for each owner.
        lengths: int64 (n,), their lengths.
        owners: (n,), the region of each run; only runs of one region are joined.

    Returns:
        int64 (m, 2), the joined runs, and int64 (m,), the number of the first run of each.
    """
    begins = np.ones(len(starts), bool)
    begins[1:] = (starts[1:] != starts[:-1] + lengths[:-1]) | (owners[1:] != owners[:-1])
    first = np.flatnonzero(begins)
    return np.stack([starts[first], np.add.reduceat(lengths, first)], axis=1), first
