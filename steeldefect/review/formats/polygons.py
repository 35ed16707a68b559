"""Outlines of regions, and the pixels within outlines.

Two kinds are in use. *Edge outlines* run along the edges of pixels: the first pixel of a picture is
the square from (0, 0) to (1, 1). COCO and CVAT mean these. *Pixel outlines* run from pixel to pixel
and belong to the region themselves; readers of YOLO fill these. Both kinds give a region without
holes back to the pixel. Neither can state a hole.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

from steeldefect.errors import DataError
from steeldefect.pictures import run_lengths
from steeldefect.pictures.run_lengths import Mask
from steeldefect.review.annotated import AnnotatedPicture
from steeldefect.review.formats.counts import parse_compressed, to_pixels
from steeldefect.review.formats.exchange import Lost, Shape, review_extra
from steeldefect.review.formats.mask_regions import MaskRegion, regions_of

Points = npt.NDArray[np.float64]
"""Corners of an outline, (n, 2): column and row."""

_BESIDE = 0.5  # pixels; tools round, and less than half a pixel outside reaches no pixel's centre
_LONGEST = 8  # in pixels per pixel of the picture; no region's own outline is longer than 4
_THICK = 3


def pixel_outline(region: Mask) -> Points:
    """Compute the outer outline of one region, from pixel to pixel.

    Args:
        region: bool (h, w), one region.

    Returns:
        At least three points, because readers take fewer for a box: the last one is repeated.
    """
    outlines, _ = cv2.findContours(
        region.view(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE
    )
    points = outlines[0].reshape(-1, 2).astype(np.float64)
    return np.pad(points, ((0, max(0, 3 - len(points))), (0, 0)), mode="edge")


def edge_outline(region: Mask) -> Points:
    """Compute the outer outline of one region, along the edges of its pixels.

    Each pixel becomes 3 by 3 pixels: then the outline through the centres of its outer pixels lies
    nearest to the right corners.

    Args:
        region: bool (h, w), one region.

    Returns:
        float64 (n, 2), whole numbers.
    """
    thick = np.repeat(np.repeat(region, _THICK, axis=0), _THICK, axis=1)
    points: Points = np.round(pixel_outline(thick) / _THICK)
    turns: Points = points[(points != np.roll(points, 1, axis=0)).any(axis=1)]
    return turns


def count_holes(region: Mask) -> int:
    """Count the holes of a region: 4-connected pixels that the region encloses."""
    _, hierarchy = cv2.findContours(region.view(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    return int((hierarchy[0, :, 3] >= 0).sum())


def fill_pixel_outline(points: Points, shape: Shape) -> Mask:
    """Compute the pixels within and on a pixel outline, as Ultralytics does.

    Args:
        points: at least three points; their decimals are cut off.
        shape: height and width of the picture.

    Returns:
        bool `shape`.

    Raises:
        DataError: see `fill_edge_outline`.
    """
    _check(points, shape)
    mask = np.zeros(shape, np.uint8)
    cv2.fillPoly(mask, [np.floor(points).astype(np.int32)], 1)
    return mask.astype(bool)


def fill_edge_outline(points: Points, shape: Shape) -> Mask:
    """Compute the pixels within an edge outline, as COCO and CVAT do.

    Args:
        points: at least three points.
        shape: height and width of the picture.

    Returns:
        bool `shape`.

    Raises:
        DataError: the outline has fewer than three points, a number that is not finite, a point
            outside the picture, or many more turns than the picture has pixels.
        SettingsError: pycocotools is not installed.
    """
    with review_extra():
        from pycocotools import mask as coco_masks
    _check(points, shape)
    height, width = shape
    encoded = coco_masks.frPyObjects([points.ravel().tolist()], height, width)[0]
    # not its `decode`, which warns with NumPy 2
    pixels = to_pixels(parse_compressed(encoded["counts"].decode("ascii")), height * width)
    return pixels.reshape(width, height).T


def count_lost(
    picture: AnnotatedPicture,
    outline: Callable[[MaskRegion], Points],
    fill: Callable[[Points, Shape], Mask],
) -> Lost:
    """Count what outlines lose of a picture's masks.

    Args:
        picture: the picture with its masks.
        outline: computes the outline of a region on the picture, as it is written.
        fill: computes the pixels of an outline, as readers do.

    Returns:
        Number of holes, and of pixels that differ.
    """
    holes = 0
    filled = {class_id: np.zeros(picture.shape, bool) for class_id in picture.masks}
    for region in regions_of(picture):
        holes += count_holes(region.pixels)
        filled[region.class_id] |= fill(outline(region), picture.shape)
    differ = sum(
        int((filled[class_id] ^ run_lengths.to_mask(runs, picture.shape)).sum())
        for class_id, runs in picture.masks.items()
    )
    return Lost(holes, differ)


def _check(points: Points, shape: Shape) -> None:
    height, width = shape
    if len(points) < 3:
        raise DataError("a polygon has three points at least; draw it again")
    if not np.isfinite(points).all():
        raise DataError("the polygon has numbers that are not finite; draw it again")
    if points.min() < -_BESIDE or (points > (width + _BESIDE, height + _BESIDE)).any():
        raise DataError(
            f"the polygon lies outside its picture of {width}x{height} pixels; move it inside, and "
            "compare the picture's size"
        )
    length = np.abs(np.diff(points, axis=0, append=points[:1])).sum()
    if length > _LONGEST * (height * width + height + width):
        raise DataError("the polygon is longer than any outline of pixels; draw it again")
