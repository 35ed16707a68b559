"""Blend gray levels without a seam: Poisson blending of a piece of one picture into another.

Source: Perez, Gangnet and Blake, "Poisson Image Editing", 2003. Their "seamless cloning" keeps all
gradients of the piece and meets the gray levels of the ground at its border. The solution is the
piece, plus a membrane: the smooth (harmonic) surface that at the border equals ground minus piece.
Here the membrane of the piece and the membrane of the ground are computed apart, so that a piece is
cut out once and pasted often:

    excess of the piece = log(piece) - membrane of log(piece)
    blended             = exp(excess + membrane of log(ground))

Three choices differ from OpenCV's `seamlessClone`:

- Logarithms of gray levels: a defect keeps its contrast relative to the steel, on brighter and on
  darker steel.
- Nothing changes outside the piece. `seamlessClone` solves for the whole box around the piece, and
  changes the steel between the piece and the sides of the box.
- All gradients are those of the piece. "Mixed" gradients take the stronger one of piece and ground:
  the grain of both then adds up, and faint defects drown in it.

The membrane meets averages of the border, not single pixels: grain would else draw streaks across
the piece.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.sparse.linalg import spsolve

from steeldefect.pictures.preprocessing import Gray

Plane = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

_BLACK = 8.0
"""Gray levels added before the logarithm, so that the noise of black pixels stays small."""

_CELLS = 2500  # largest number of unknown cells of a membrane: solved in some milliseconds
_LEAST_CELL = 4  # pixels; a border cell averages the grain
_SOLID = 1.5  # pixels around a mask that are the piece alone


class Piece(NamedTuple):
    """What is blended into a ground; all arrays are (h, w).

    Attributes:
        excess: float32, log of the gray levels minus the membrane of the steel around.
        cover: float32, weight of the piece: 1 in the mask, falling to 0 at the end of the margin.
    """

    excess: Plane
    cover: Plane


def to_logs(gray: npt.NDArray[np.uint8] | Plane) -> Plane:
    """Return the logarithms of gray levels, float32 of the same shape."""
    levels = np.asarray(gray, dtype=np.float32)
    return np.asarray(np.log(levels + np.float32(_BLACK)), dtype=np.float32)


def to_levels(logs: Plane) -> Plane:
    """Return the gray levels of logarithms, float32 of the same shape, from 0 to 255."""
    return np.clip(np.exp(logs) - np.float32(_BLACK), 0.0, 255.0).astype(np.float32)


def margin_of(height: int) -> int:
    """Return the width of the margin around a mask, in pixels, for a picture of this height."""
    return max(3, round(6 * height / 256))


def cover_of(mask: Mask, margin: int) -> Plane:
    """Return the weight of a piece, float32 (h, w): 1 at the mask, 0 from `margin` pixels on.

    Args:
        mask: bool (h, w), the pixels of the defect.
        margin: pixels, above 1.5.
    """
    if not mask.any():
        return np.zeros(mask.shape, np.float32)
    away = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.asarray(np.clip((margin - away) / (margin - _SOLID), 0.0, 1.0), dtype=np.float32)


def membrane(logs: Plane, trusted: Mask) -> Plane:
    """Return the smooth surface through the trusted pixels: the steel as it would be elsewhere.

    It solves Laplace's equation on cells of at least four pixels a side. Cells with enough trusted
    pixels are fixed at their mean. At the sides of the window the surface runs on level.

    Args:
        logs: float32 (h, w), logarithms of gray levels.
        trusted: bool (h, w), pixels of clean steel; if none is, the surface is the mean of all.

    Returns:
        float32 (h, w).
    """
    if not trusted.any():
        return np.full_like(logs, logs.mean())
    height, width = logs.shape
    cell = max(_LEAST_CELL, math.ceil(math.sqrt((~trusted).sum() / _CELLS)))
    size = (max(1, round(width / cell)), max(1, round(height / cell)))
    share = _shrunk(trusted.astype(np.float32), size)
    sums = _shrunk(np.where(trusted, logs, 0).astype(np.float32), size)
    known = np.asarray(share >= min(0.5, float(share.max())), dtype=bool)
    levels = np.where(known, sums / np.maximum(share, 1e-6), 0.0)
    surface = _harmonic(levels.astype(np.float64), known).astype(np.float32)
    return np.asarray(
        cv2.resize(surface, (width, height), interpolation=cv2.INTER_LINEAR), np.float32
    )


def clone(ground: Plane, piece: Piece, trusted: Mask) -> Plane:
    """Return a ground with a piece that replaces it: steel, grain and defect are the piece's.

    Args:
        ground: float32 (h, w), gray levels.
        piece: arrays of the same shape.
        trusted: bool (h, w), pixels of the ground that are clean steel.

    Returns:
        float32 (h, w), gray levels; equal to `ground` where `piece.cover` is 0.
    """
    level = membrane(to_logs(ground), trusted & (piece.cover == 0))
    return _mixed(ground, to_levels(level + piece.excess), piece.cover)


def shade(ground: Plane, piece: Piece) -> Plane:
    """Return a ground that a piece brightens or darkens: the grain of the ground stays.

    Arguments and result are those of `clone`.
    """
    return _mixed(ground, to_levels(to_logs(ground) + piece.excess), piece.cover)


def to_gray(levels: Plane) -> Gray:
    """Round gray levels to uint8."""
    return np.clip(np.rint(levels), 0, 255).astype(np.uint8)


def _mixed(ground: Plane, changed: Plane, cover: Plane) -> Plane:
    mixed = cover * changed + (1 - cover) * ground
    return np.where(cover > 0, mixed, ground).astype(np.float32)


def _shrunk(values: Plane, size: tuple[int, int]) -> Plane:
    return np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_AREA), np.float32)


def _harmonic(levels: npt.NDArray[np.float64], known: Mask) -> npt.NDArray[np.float64]:
    """Fill the cells that are not known: each becomes the mean of its four neighbours.

    Args:
        levels: float64 (h, w), values of the known cells.
        known: bool (h, w), at least one of them true.
    """
    unknown = ~known
    count = int(unknown.sum())
    if not count:
        return levels
    numbers = np.full(known.shape, -1)
    numbers[unknown] = np.arange(count)
    degree, right = np.zeros(count), np.zeros(count)
    rows, columns = [], []
    for one, other in _neighbours(known.shape):
        here = unknown[one]
        own, next_to = numbers[one][here], numbers[other][here]
        np.add.at(degree, own, 1.0)
        fixed = next_to < 0
        np.add.at(right, own[fixed], levels[other][here][fixed])
        rows.append(own[~fixed])
        columns.append(next_to[~fixed])
    row, column = np.concatenate(rows), np.concatenate(columns)
    links = sparse.coo_array((np.ones(len(row)), (row, column)), shape=(count, count))
    laplacian = sparse.csc_array(sparse.diags_array(degree) - links)
    filled = levels.copy()
    filled[unknown] = spsolve(laplacian, right)
    return filled


def _neighbours(shape: tuple[int, ...]) -> list[tuple[tuple[slice, slice], tuple[slice, slice]]]:
    """Return the slices of all cells that have a neighbour, and of that neighbour, in four ways."""
    everything, first, last = slice(None), slice(1, None), slice(None, -1)
    pairs = [((first, everything), (last, everything)), ((everything, first), (everything, last))]
    return [pair for one, other in pairs for pair in ((one, other), (other, one))]
