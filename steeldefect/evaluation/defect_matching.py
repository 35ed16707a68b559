"""Match true and found defects one to one, by the overlap of their pixels.

A defect is a separate region of a mask (8-connected). Two defects may be matched if their IoU,
intersection / union, is at least a threshold. Of all ways to match one to one, the one with the
greatest sum of IoU is taken (`scipy.optimize.linear_sum_assignment`).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from steeldefect.pictures import run_lengths
from steeldefect.pictures.run_lengths import Runs

Integers = npt.NDArray[np.int64]
Float64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Matches:
    """True and found defects of one picture and class.

    Attributes:
        true_areas: int64 (true,), pixels of each true defect.
        found_areas: int64 (found,), pixels of each found defect.
        true, found: int64 (matched,), indices of the defects that are matched.
        iou: float64 (matched,), their IoU.
    """

    true_areas: Integers
    found_areas: Integers
    true: Integers
    found: Integers
    iou: Float64


def match_defects(truth: Runs, found: Runs, shape: tuple[int, int], threshold: float) -> Matches:
    """Match the defects of two masks.

    Args:
        truth: runs of the true mask, int64 (n, 2).
        found: runs of the found mask.
        shape: height and width of the picture in pixels.
        threshold: smallest IoU of a match, above 0 to 1.
    """
    first, last = _columns(truth, found, shape[0])
    true_labels, true_areas = _label(truth, shape[0], first, last)
    found_labels, found_areas = _label(found, shape[0], first, last)
    both = (true_labels > 0) & (found_labels > 0)
    code = (true_labels[both].astype(np.int64) - 1) * len(found_areas) + found_labels[both] - 1
    codes, overlap = np.unique(code, return_counts=True)
    rows, columns = np.divmod(codes, max(len(found_areas), 1))
    iou = overlap / (true_areas[rows] + found_areas[columns] - overlap)
    enough = iou >= threshold
    chosen = _assign(rows[enough], columns[enough], iou[enough])
    return Matches(true_areas, found_areas, *chosen)


def _columns(truth: Runs, found: Runs, height: int) -> tuple[int, int]:
    """Return the first and the last pixel column, plus 1, that a mask touches."""
    runs = np.concatenate([truth, found])
    if len(runs) == 0:
        return 0, 0
    return int(runs[:, 0].min() - 1) // height, int((runs.sum(axis=1) - 2).max()) // height + 1


def _label(
    runs: Runs, height: int, first: int, last: int
) -> tuple[npt.NDArray[np.int32], Integers]:
    """Number the regions of a mask within some pixel columns; return the areas, too.

    The masks stay transposed, (columns, height), as run lengths go: a region is the same region.
    """
    shifted = runs - np.array([first * height, 0])
    mask = run_lengths.to_mask(shifted, (height, last - first)).T
    if mask.size == 0:
        return np.zeros(mask.shape, np.int32), np.zeros(0, np.int64)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(
        mask.view(np.uint8), connectivity=8, ltype=cv2.CV_32S
    )
    return labels, stats[1:, cv2.CC_STAT_AREA].astype(np.int64)


def _assign(rows: Integers, columns: Integers, iou: Float64) -> tuple[Integers, Integers, Float64]:
    """Choose pairs so that no row and no column occurs twice and the sum of IoU is greatest."""
    if len(np.unique(rows)) == len(rows) and len(np.unique(columns)) == len(columns):
        return rows, columns, iou
    height, width = int(rows.max()) + 1, int(columns.max()) + 1
    # parts that share no defect are solved alone: a matrix of all defects could be huge
    edges = coo_array((iou, (rows, columns + height)), shape=(height + width, height + width))
    parts = connected_components(edges, directed=False)[1][rows]
    order = np.argsort(parts, kind="stable")
    pairs_of_parts = np.split(order, np.flatnonzero(np.diff(parts[order])) + 1)
    chosen = [_assign_part(pairs, rows, columns, iou) for pairs in pairs_of_parts]
    kept = np.sort(np.concatenate(chosen))
    return rows[kept], columns[kept], iou[kept]


def _assign_part(pairs: Integers, rows: Integers, columns: Integers, iou: Float64) -> Integers:
    """Return which of the pairs of one part are chosen."""
    _, row = np.unique(rows[pairs], return_inverse=True)
    _, column = np.unique(columns[pairs], return_inverse=True)
    worth = np.zeros((row.max() + 1, column.max() + 1))
    number = np.full(worth.shape, -1, np.int64)
    worth[row, column], number[row, column] = iou[pairs], pairs
    found = number[linear_sum_assignment(worth, maximize=True)]
    return np.asarray(found[found >= 0])
