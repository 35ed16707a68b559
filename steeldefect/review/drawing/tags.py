"""Put a number beside each region of a drawing, where it hides as little as possible."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from steeldefect.pictures.run_lengths import Runs

Points = npt.NDArray[np.int64]
"""(n, 2): column and row."""
Boxes = npt.NDArray[np.int64]
"""(n, 4): left, top, right and bottom; right and bottom are exclusive."""

_ANCHORS = 12  # border pixels of a region beside which its tag may stand
_DIRECTIONS = 12
_DISTANCES = np.array([18, 26, 36, 50, 70, 95])  # pixels from border pixel to centre of the tag
_HIDDEN = 6.0  # cost of a hidden pixel of a region, in pixels of distance
_CLASH = 600.0  # cost of a hidden pixel of another tag
_MARGIN = 2


@dataclass(frozen=True)
class Labelled:
    """A region that gets a tag.

    Attributes:
        runs: its pixels in the picture.
        size: width and height of the tag in pixels of the drawing.
    """

    runs: Runs
    size: tuple[int, int]


@dataclass(frozen=True)
class Tag:
    """The place of a tag on a drawing, in pixels.

    Attributes:
        left, top, right, bottom: its box; right and bottom are exclusive.
        anchor: column and row of the border pixel of the region beside which it stands.
    """

    left: int
    top: int
    right: int
    bottom: int
    anchor: tuple[int, int]


def place_tags(
    labelled: Sequence[Labelled], ink: npt.NDArray[np.bool_], height: int, scale: float
) -> list[Tag]:
    """Return a place for each tag: near its region, off the regions and off the other tags.

    Where there is no room, a tag covers what costs least.

    Args:
        labelled: the regions, in the order in which they choose.
        ink: bool (rows, columns) of the drawing: where regions are drawn.
        height: height of the picture in its own pixels.
        scale: pixels of the drawing for one pixel of the picture.
    """
    hidden = cv2.integral(ink.astype(np.uint8))
    taken = np.zeros((0, 4), np.int64)
    tags: list[Tag] = []
    for one in labelled:
        anchors = _anchors(one.runs, height, scale)
        boxes, of_anchor = _boxes(anchors, one.size, ink.shape)
        best = int(np.argmin(_costs(boxes, anchors[of_anchor], hidden, taken)))
        taken = np.concatenate([taken, boxes[best : best + 1]])
        left, top, right, bottom = boxes[best].tolist()
        x, y = anchors[of_anchor[best]].tolist()
        tags.append(Tag(left, top, right, bottom, (x, y)))
    return tags


def _anchors(runs: Runs, height: int, scale: float) -> Points:
    """Return border pixels of a region, in pixels of the drawing: ends of its runs."""
    ends = np.stack([runs[:, 0] - 1, runs[:, 0] + runs[:, 1] - 2], axis=1).ravel()
    some = ends[np.unique(np.linspace(0, len(ends) - 1, _ANCHORS).astype(int))]
    points = np.stack([some // height, some % height], axis=1)
    return np.asarray((points + 0.5) * scale, np.int64)


def _boxes(
    anchors: Points, size: tuple[int, int], shape: tuple[int, ...]
) -> tuple[Boxes, npt.NDArray[np.int64]]:
    """Return the boxes that a tag may have, inside the drawing, and the anchor of each."""
    width, height = size
    angles = 2 * np.pi * np.arange(_DIRECTIONS) / _DIRECTIONS
    # a tag is wider than high: to the sides, its centre keeps more distance
    right = (_DISTANCES[:, None] + max(width - height, 0) / 2) * np.cos(angles)
    down = _DISTANCES[:, None] * np.sin(angles)
    steps = np.stack([right.ravel() - width / 2, down.ravel() - height / 2], axis=1)
    corners = np.rint(anchors[:, None, :] + steps).astype(np.int64).reshape(-1, 2)
    corners = np.clip(corners, 0, [max(shape[1] - width, 0), max(shape[0] - height, 0)])
    ends = np.minimum(corners + np.array(size), [shape[1], shape[0]])
    return np.concatenate([corners, ends], axis=1), np.repeat(np.arange(len(anchors)), len(steps))


def _costs(
    boxes: Boxes, anchors: Points, hidden: npt.NDArray[np.int32], taken: Boxes
) -> npt.NDArray[np.float64]:
    """Compute what each box costs: distance, and pixels of regions and of other tags below it."""
    left, top, right, bottom = boxes.T
    covered = hidden[bottom, right] - hidden[top, right] - hidden[bottom, left] + hidden[top, left]
    begin = np.maximum(boxes[:, None, :2], taken[None, :, :2])
    end = np.minimum(boxes[:, None, 2:], taken[None, :, 2:]) + _MARGIN
    clash = np.maximum(end - begin, 0).prod(axis=2).sum(axis=1)
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    distance = np.hypot(*(centres - anchors).T)
    return np.asarray(distance + _HIDDEN * covered + _CLASH * clash)
