"""Measure a picture as a picture: brightness, contrast, sharpness, clipping, black margin.

These numbers say whether a camera, its lamp or its lens has changed. The models do not use them.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from steeldefect.pictures.preprocessing import Gray

DARK, BRIGHT = 2, 253
"""Pixels at most `DARK`, or at least `BRIGHT`, count as clipped; JPEG blurs 0 and 255 a little."""
BLACK = 16
"""A row or column of a mean below this is part of the black margin."""

_ROWS = 7  # sharpness is taken from every seventh row: JPEG's blocks are 8 pixels high
_GRID = 4  # the margin is taken from every fourth pixel of every fourth row


class PictureStatistics(NamedTuple):
    """The statistics of one picture.

    Attributes:
        gray_mean: mean gray, 0 to 255.
        gray_std: contrast: standard deviation of the gray values.
        sharpness: mean square of the Laplacian (4 neighbours) inside the picture, on every seventh
            row; None for pictures of less than 3 x 3 pixels. Source: the focus measure LAPE of
            Pertuz et al., "Analysis of focus measure operators for shape-from-focus", 2013.
        clipped_dark: share of the pixels that are black (at most `DARK`), on every second row.
        clipped_bright: share of the pixels that are white (at least `BRIGHT`), on the same rows.
        black_margin: share of the picture beyond the first and last row and column that are not
            black on average; 1 for a black picture.
    """

    gray_mean: float
    gray_std: float
    sharpness: float | None
    clipped_dark: float
    clipped_bright: float
    black_margin: float


def picture_statistics(picture: Gray) -> PictureStatistics:
    """Measure a decoded picture, uint8 (H, W), of at least one pixel."""
    mean, deviation = cv2.meanStdDev(picture)
    rows = picture[::2]
    return PictureStatistics(
        gray_mean=float(mean[0, 0]),
        gray_std=float(deviation[0, 0]),
        sharpness=_sharpness(picture),
        clipped_dark=int(np.count_nonzero(rows <= DARK)) / rows.size,
        clipped_bright=int(np.count_nonzero(rows >= BRIGHT)) / rows.size,
        black_margin=_black_margin(picture),
    )


def _sharpness(picture: Gray) -> float | None:
    if min(picture.shape) < 3:
        return None
    middle = picture[1:-1:_ROWS]
    count = len(middle)
    laplacian = middle[:, 1:-1].astype(np.int16) * 4
    laplacian -= picture[:-2:_ROWS, 1:-1][:count]
    laplacian -= picture[2::_ROWS, 1:-1][:count]
    laplacian -= middle[:, :-2]
    laplacian -= middle[:, 2:]
    # the norm of 16-bit numbers is summed exactly
    return float(cv2.norm(laplacian, cv2.NORM_L2SQR)) / laplacian.size


def _black_margin(picture: Gray) -> float:
    grid = np.ascontiguousarray(picture[::_GRID, ::_GRID])
    lit = 1.0
    for axis in (0, 1):
        means = cv2.reduce(grid, axis, cv2.REDUCE_AVG, dtype=cv2.CV_32F).ravel()
        bright = np.flatnonzero(means >= BLACK)
        lit *= (bright[-1] - bright[0] + 1) / len(means) if len(bright) else 0.0
    return 1.0 - float(lit)
