"""Find the steel in a picture, and describe its surface, so that like is put on like."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from steeldefect.pictures.preprocessing import Gray

Mask = npt.NDArray[np.bool_]
Surface = npt.NDArray[np.float64]

_DARKEST = 16.0  # gray levels; darker is not steel
_RELATIVE = 0.3  # of the median of the brighter half: in a dark picture, less is not steel
_LEAST = 0.01  # share of the picture; smaller dark places are defects or dirt
_WHITE = 220  # gray levels; brighter is paint, not steel
_LEAST_PAINT = 0.001  # share of the picture; smaller white places are grain or dirt
_BLOCKS = 16  # blocks along the height of a picture
_LEAST_BLOCK = 8  # pixels
_RIM = 0.02  # of the height, kept away from the edge
_LEAST_RIM = 3  # pixels
_CALM = 1.5  # pixels of blur, against the noise of black


def steel_of(picture: Gray) -> Mask:
    """Return where a picture shows steel, bool (height, width): neither black nor paint.

    Dark areas that touch a side of the picture and cover more than 1% of it are not steel, nor is
    a rim of 2% of the height, at least three pixels, around them.
    The same holds for white areas, such as marking paint, that cover more than 0.1%.

    Args:
        picture: uint8 (height, width).
    """
    calm = cv2.GaussianBlur(picture, (0, 0), _CALM)
    bright = float(np.median(calm[calm >= np.median(calm)]))
    dark = np.asarray(calm < min(_DARKEST, _RELATIVE * bright), dtype=np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(dark)
    beyond = np.zeros(count, dtype=bool)
    beyond[1:] = stats[1:, cv2.CC_STAT_AREA] > _LEAST * picture.size
    beyond &= np.isin(np.arange(count), _at_the_sides(labels))
    other = beyond[labels] | _paint(calm)
    if not other.any():
        return np.ones(picture.shape, dtype=bool)
    side = 2 * max(_LEAST_RIM, round(_RIM * picture.shape[0])) + 1
    wide = cv2.dilate(other.astype(np.uint8), np.ones((side, side), np.uint8))
    return np.asarray(wide == 0, dtype=bool)


def surface_of(picture: Gray, steel: Mask) -> Surface:
    """Return three numbers that describe a surface, to compare it with others.

    Args:
        picture: uint8 (height, width).
        steel: bool (height, width), pixels of clean steel.

    Returns:
        float64 (3,): logarithms of the usual gray level of square blocks, of the usual spread
        within a block (grain), and of the spread between blocks (pattern, stains); "usual" is the
        median.
    """
    side = max(_LEAST_BLOCK, picture.shape[0] // _BLOCKS)
    rows, columns = (max(1, size // side) for size in picture.shape)
    side = min(side, *picture.shape)
    inside = (slice(0, rows * side), slice(0, columns * side))
    blocks = picture[inside].astype(np.float64).reshape(rows, side, columns, side)
    whole = steel[inside].reshape(rows, side, columns, side).all(axis=(1, 3))
    chosen = whole if whole.any() else np.ones_like(whole)
    means, spreads = blocks.mean(axis=(1, 3))[chosen], blocks.std(axis=(1, 3))[chosen]
    level = float(np.median(means))
    between = float(np.median(np.abs(means - level)))
    return np.log(np.array([level, np.median(spreads), between]) + 1.0)


def _paint(calm: Gray) -> Mask:
    """Return large white areas, bool (height, width)."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats((calm > _WHITE).astype(np.uint8))
    large = np.zeros(count, dtype=bool)
    large[1:] = stats[1:, cv2.CC_STAT_AREA] > _LEAST_PAINT * calm.size
    return np.asarray(large[labels], dtype=bool)


def _at_the_sides(labels: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    return np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
