"""Draw random fields, from which surfaces and defects are made.

A field is a float32 array (height, width) with a mean of about 0 and a variance of about 1.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Plane = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]


def white(rng: np.random.Generator, height: int, width: int) -> Plane:
    """Draw independent normal noise, float32 (height, width)."""
    return rng.standard_normal((height, width), dtype=np.float32)


def smooth(
    rng: np.random.Generator, shape: tuple[int, int], cell_height: float, cell_width: float
) -> Plane:
    """Draw noise whose grains are about `cell_height` by `cell_width` pixels.

    A coarse grid of normal noise is enlarged by cubic interpolation. The cost does not depend on
    the grain size. If a cell is longer than a side, the field is almost constant along that side.

    Args:
        rng: source of randomness.
        shape: (height, width) of the field in pixels.
        cell_height: grain along the height, pixels, at least 1.
        cell_width: grain along the width, pixels, at least 1.
    """
    height, width = shape
    rows = max(1, round(height / cell_height) + 1)
    columns = max(1, round(width / cell_width) + 1)
    grid = white(rng, rows, columns)
    # Interpolation averages neighbours; the factor brings the variance back to about one.
    return 1.25 * plane(cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC))


def fractal(
    rng: np.random.Generator,
    shape: tuple[int, int],
    cell_height: float,
    cell_width: float,
    octaves: int = 3,
) -> Plane:
    """Sum `octaves` smooth fields; each has half the grain, 0.6 of the weight of the previous."""
    total = smooth(rng, shape, cell_height, cell_width)
    weight, power = 1.0, 1.0
    for octave in range(1, octaves):
        weight *= 0.6
        power += weight**2
        finer = smooth(
            rng, shape, max(1.0, cell_height / 2**octave), max(1.0, cell_width / 2**octave)
        )
        total += np.float32(weight) * finer
    return total / np.float32(np.sqrt(power))


def line(rng: np.random.Generator, length: int, cell: float) -> Plane:
    """Draw one-dimensional noise, float32 (length,), with grains of about `cell` pixels."""
    return smooth(rng, (1, length), 1.0, cell).ravel()


def step(values: Plane, softness: float) -> Plane:
    """Map a field to 0..1: 0 below -softness, 1 above +softness, linear between."""
    return plane(np.clip(values / np.float32(2 * softness) + np.float32(0.5), 0.0, 1.0))


def blur(values: Plane, sigma: float) -> Plane:
    """Blur with a Gaussian of `sigma` pixels; the border is mirrored."""
    return plane(cv2.GaussianBlur(values, (0, 0), sigma))


def grow(mask: Mask, radius: float) -> Mask:
    """Dilate a mask (height, width) by a disc of `radius` pixels."""
    return np.asarray(cv2.dilate(mask.astype(np.uint8), disc(radius)), dtype=bool)


def disc(radius: float) -> npt.NDArray[np.uint8]:
    """Return a disc as a morphological element; the radius is rounded and at least 1 pixel."""
    side = 2 * max(1, round(radius)) + 1
    element = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    return np.asarray(element, dtype=np.uint8)


def plane(values: npt.NDArray[Any]) -> Plane:
    """Return an array as float32, without a copy if it is float32 already."""
    return np.asarray(values, dtype=np.float32)
