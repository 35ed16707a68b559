"""Measure the shape of one region from its border pixels, in pixels or in millimetres.

A pixel is a rectangle, not a point: a region of one pixel is one pixel long and one pixel wide.
So lengths and hulls are taken around the corners of the pixels. (Around their centres, OpenCV's
`contourArea` of a region of 2 x 2 pixels is 1.)
"""

from __future__ import annotations

import math
from functools import cache
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.int32]
"""(n, 2): column and row of each pixel."""

_CORNERS = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]], np.float32)


class Shape(NamedTuple):
    """The shape of a region; lengths are in pixels or millimetres, as the scale was given.

    Attributes:
        length: long side of the least rectangle around the region.
        width: short side of this rectangle.
        angle: direction of the long side in degrees, above -90 and at most 90. 0: along the rows
            of the picture; positive: down to the right. 0 if the rectangle is a square.
        perimeter: length of the outer border.
        hull_area: area of the convex hull.
    """

    length: float
    width: float
    angle: float
    perimeter: float
    hull_area: float

    @property
    def elongation(self) -> float:
        """Length divided by width, at least 1."""
        return self.length / self.width


def measure_shape(
    border: Points, size: tuple[int, int], pixel_mm: tuple[float, float] | None = None
) -> tuple[Shape, Shape | None]:
    """Measure a region in pixels, and in millimetres if the size of a pixel is known.

    Args:
        border: the region's outer border: int32 (n, 2), column and row of each pixel, in order, as
            `cv2.findContours` returns it.
        size: width and height of the region, in pixels.
        pixel_mm: width and height of a pixel in millimetres; None if unknown.
    """
    hull = cv2.convexHull(border)
    corners = np.add(hull, _CORNERS, dtype=np.float32).reshape(-1, 2)
    area = _hull_area(hull, size)
    in_pixels = _shape(border, corners, area, (1.0, 1.0))
    if pixel_mm is None:
        return in_pixels, None
    scale = np.array(pixel_mm, np.float32)
    scaled = (border * scale).astype(np.float32)
    area *= pixel_mm[0] * pixel_mm[1]
    return in_pixels, _shape(scaled, corners * scale, area, pixel_mm)


def _hull_area(hull: npt.NDArray[np.int32], size: tuple[int, int]) -> float:
    """Return the area of the hull around the corners of pixels, given that of their centres.

    Source: the area of the Minkowski sum of a convex shape and a rectangle of a x b is the shape's
    area + a * its height + b * its width + a * b (Steiner's formula for a rectangle).
    """
    width, height = size  # counts pixels: centres span one less
    area: float = cv2.contourArea(hull) + (width - 1) + (height - 1) + 1
    return area


def _shape(
    border: Points | npt.NDArray[np.float32],
    corners: npt.NDArray[np.float32],
    hull_area: float,
    pixel: tuple[float, float],
) -> Shape:
    """Measure a region whose border, corners and hull are in the unit of length.

    The perimeter is the length of the line through the centres of the border pixels, plus the
    circumference of one pixel, taken as an ellipse. Source: for convex shapes, the perimeter of a
    Minkowski sum is the sum of the perimeters (Steiner's formula). So a single pixel has the
    perimeter pi, and a straight line of n pixels 2 (n - 1) + pi.
    """
    length, width, angle = _rectangle(corners)
    return Shape(
        length=length,
        width=width,
        angle=angle,
        perimeter=cv2.arcLength(border, closed=True)
        + _ellipse_circumference(pixel[0] / 2, pixel[1] / 2),
        hull_area=hull_area,
    )


def _rectangle(points: npt.NDArray[np.float32]) -> tuple[float, float, float]:
    """Return length, width and angle of the least rectangle around points."""
    _, (one, other), angle = cv2.minAreaRect(points)  # `angle` is that of the side `one`
    if math.isclose(one, other, rel_tol=1e-5):
        return max(one, other), min(one, other), 0.0
    turned = angle if one > other else angle + 90
    turned = -((90 - turned) % 180 - 90)
    return max(one, other), min(one, other), turned


@cache
def _ellipse_circumference(a: float, b: float) -> float:
    """Return the circumference of an ellipse with these semi-axes.

    Source: S. Ramanujan, "Modular equations and approximations to pi", 1914; exact for a circle.
    """
    return math.pi * (3 * (a + b) - math.sqrt((3 * a + b) * (a + 3 * b)))
