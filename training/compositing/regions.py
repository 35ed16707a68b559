"""Find the regions of a picture's masks: defect pixels that lie close together, of any class.

A region is moved as a whole. So a cluster of pits stays a cluster, and defects that touch each
other keep touching.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

import cv2
import numpy as np
import numpy.typing as npt

from steeldefect.pictures import run_lengths
from training.compositing.poisson import margin_of

Mask = npt.NDArray[np.bool_]
Shape = tuple[int, int]


_NEAR_A_SIDE = 80
"""A region touches a side if it is at most 1/80 of the picture's height away from it."""


class Edge(str, Enum):
    """A side of the picture."""

    TOP = "top"
    BOTTOM = "bottom"
    LEFT = "left"
    RIGHT = "right"


@dataclass(frozen=True)
class Region:
    """Defect pixels that lie close together.

    Attributes:
        masks: bool (h, w) by class, in the smallest box around the region.
        top: first row of the box in the picture.
        left: first column of the box in the picture.
        shape: (height, width) of the picture, in pixels.
    """

    masks: Mapping[int, Mask]
    top: int
    left: int
    shape: Shape

    @property
    def mask(self) -> Mask:
        """The pixels of all classes, bool (h, w)."""
        return np.asarray(np.any(list(self.masks.values()), axis=0), dtype=bool)

    @property
    def size(self) -> Shape:
        """(height, width) of the box, in pixels."""
        height, width = next(iter(self.masks.values())).shape
        return height, width

    @property
    def area(self) -> int:
        """Number of pixels."""
        return int(self.mask.sum())

    @property
    def classes(self) -> frozenset[int]:
        """The classes that the region shows."""
        return frozenset(self.masks)

    @property
    def edges(self) -> frozenset[Edge]:
        """The sides of the picture that the region touches, but for some pixels.

        Drawn masks often end a little before a side at which the defect is cut off.
        """
        height, width = self.size
        near = self.shape[0] // _NEAR_A_SIDE
        touched = {
            Edge.TOP: self.top <= near,
            Edge.BOTTOM: self.top + height >= self.shape[0] - near,
            Edge.LEFT: self.left <= near,
            Edge.RIGHT: self.left + width >= self.shape[1] - near,
        }
        return frozenset(edge for edge, touches in touched.items() if touches)

    @property
    def centre(self) -> tuple[float, float]:
        """Centre of the box: row and column as shares of the picture's height and width."""
        height, width = self.size
        return (
            (self.top + height / 2) / self.shape[0],
            (self.left + width / 2) / self.shape[1],
        )


def form_of(mask: Mask) -> npt.NDArray[np.float64]:
    """Return three numbers that describe a mask's form, to compare it with others.

    Args:
        mask: bool (h, w), not empty.

    Returns:
        float64 (3,): natural logarithms of the area, of the proportion of the box, and of the
        greatest thickness; in pixels.
    """
    padded = np.pad(mask, 1).astype(np.uint8)
    thickness = float(cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_PRECISE).max())
    height, width = (int(mask.any(axis=axis).sum()) for axis in (1, 0))
    return np.array([math.log(mask.sum()), math.log(height / width), math.log(thickness)])


def find_regions(runs: Mapping[int, run_lengths.Runs], shape: Shape) -> list[Region]:
    """Return the regions of a picture, from left to right.

    Pixels belong to one region if the margins around them, within which defects are blended,
    overlap.

    Args:
        runs: run lengths by class.
        shape: (height, width) of the picture, in pixels.
    """
    masks = {number: run_lengths.to_mask(one, shape) for number, one in sorted(runs.items())}
    if not masks:
        return []
    everything = np.any(list(masks.values()), axis=0)
    side = 2 * margin_of(shape[0]) + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    count, labels = cv2.connectedComponents(cv2.dilate(everything.astype(np.uint8), disc))
    regions = [_cut(masks, labels == number, shape) for number in range(1, count)]
    return sorted(regions, key=lambda one: (one.left, one.top))


def _cut(masks: Mapping[int, Mask], around: Mask, shape: Shape) -> Region:
    own = {number: mask & around for number, mask in masks.items()}
    left, top, width, height = cv2.boundingRect(np.any(list(own.values()), axis=0).astype(np.uint8))
    box = (slice(top, top + height), slice(left, left + width))
    kept = {number: mask[box].copy() for number, mask in own.items() if mask.any()}
    return Region(kept, top, left, shape)
