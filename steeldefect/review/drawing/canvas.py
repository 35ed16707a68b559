"""A picture at the size at which people look at it, with the masks of its regions on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from steeldefect.analysis.drawings import Colour, Line, colour_of, outlines_of, tint_masks
from steeldefect.pictures import run_lengths
from steeldefect.pictures.preprocessing import Gray

WIDTH, HEIGHT = 1600, 2400
"""Size in pixels to which pictures are scaled, whichever limit they reach first."""

Mask = npt.NDArray[np.bool_]

_TINT = 0.18  # light enough to see the steel below
_DASH, _GAP = 9, 7  # pixels
_FINEST = 1.0  # a small picture is scaled up in whole steps, so that its pixels stay squares


@dataclass(frozen=True)
class ClassMasks:
    """The masks of one class, in pixels of the picture.

    Attributes:
        class_id: id of the class.
        kept: runs of each region that counts.
        rejected: runs of each region that was removed.
    """

    class_id: int
    kept: Sequence[run_lengths.Runs]
    rejected: Sequence[run_lengths.Runs]


@dataclass(frozen=True)
class Canvas:
    """A drawing of a picture.

    Attributes:
        pixels: uint8 (height, width, 3), blue green red.
        scale: pixels of the drawing for one pixel of the picture.
        ink: bool (height, width), where regions are drawn.
    """

    pixels: Colour
    scale: float
    ink: Mask


def scale_of(shape: tuple[int, int]) -> float:
    """Return the scale at which a picture (height, width) is drawn."""
    scale = min(WIDTH / shape[1], HEIGHT / shape[0])
    return float(int(scale)) if scale >= _FINEST else scale


def draw_canvas(picture: Gray, classes: Sequence[ClassMasks]) -> Canvas:
    """Draw a picture: its defects tinted and outlined, removed regions with dashed outlines.

    Args:
        picture: uint8 (height, width).
        classes: masks of the classes found or removed.

    Raises:
        RunLengthError: a mask does not lie inside the picture.
    """
    scale = scale_of(picture.shape)
    pixels = cv2.cvtColor(_scaled(picture, scale), cv2.COLOR_GRAY2BGR)
    kept = {one.class_id: _mask(one.kept, picture.shape, scale) for one in classes if one.kept}
    rejected = {
        one.class_id: _mask(one.rejected, picture.shape, scale) for one in classes if one.rejected
    }
    tint_masks(pixels, kept, _TINT)
    for class_id, mask in rejected.items():
        for outline in outlines_of(mask):
            for piece in _dashes(outline):
                cv2.polylines(pixels, [piece], False, colour_of(class_id), 2, cv2.LINE_AA)
    for class_id, mask in kept.items():
        cv2.drawContours(pixels, outlines_of(mask), -1, colour_of(class_id), 2, cv2.LINE_AA)
    ink = np.zeros(pixels.shape[:2], dtype=bool)
    for mask in (*kept.values(), *rejected.values()):
        ink |= mask
    return Canvas(pixels, scale, ink)


def _mask(regions: Sequence[run_lengths.Runs], shape: tuple[int, int], scale: float) -> Mask:
    runs = np.concatenate(regions)
    mask = run_lengths.to_mask(runs[np.argsort(runs[:, 0])], shape)
    # a region that is smaller than a pixel of the drawing is one pixel
    return _scaled(mask.astype(np.uint8) * np.uint8(255), scale) > 0


def _scaled(picture: Gray, scale: float) -> Gray:
    height, width = picture.shape
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    how = cv2.INTER_NEAREST if scale >= _FINEST else cv2.INTER_AREA
    return np.asarray(cv2.resize(np.ascontiguousarray(picture), size, interpolation=how), np.uint8)


def _dashes(outline: Line) -> list[Line]:
    """Cut a closed outline into dashes."""
    step = _DASH + _GAP
    return [outline[start : start + _DASH] for start in range(0, len(outline), step)]
