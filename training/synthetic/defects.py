"""Draw the four defect classes, each in a window of full height, with its mask.

A painter gets a float32 window (height, breadth) of the picture in gray levels. It changes the
window in place and returns a bool mask (height, breadth) of the defect's pixels. It does not see
the rest of the picture: `strip` places the windows. Changes are gains, not added gray levels, so
that a defect looks the same on dark and bright strips.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from training.synthetic import noise
from training.synthetic.noise import Mask, Plane
from training.synthetic.surface import scale_of

Painter = Callable[[np.random.Generator, Plane], Mask]


@dataclass(frozen=True)
class DefectClass:
    """One class of defects.

    Attributes:
        name: the class's name in `classes.json`.
        breadth: smallest and largest width of a window, in pixels of a picture 256 pixels high.
        most: largest number of windows of this class in one picture.
        paint: function that draws one window.
    """

    name: str
    breadth: tuple[int, int]
    most: int
    paint: Painter


def paint_pits(rng: np.random.Generator, window: Plane) -> Mask:
    """Draw a cluster of small dark pits, each with a rim that catches the light.

    The mask is the cluster's outline: gaps narrower than two pits are closed.
    """
    height, breadth = window.shape
    scale = scale_of(height)
    holes = _pit_holes(rng, height, breadth)
    strength = np.float32(rng.uniform(0.45, 0.8))
    below = np.roll(holes, max(1, round(2 * scale)), axis=0)
    lit = np.clip(below - holes, 0.0, 1.0) * np.float32(rng.uniform(0.3, 1.8))
    bruise = noise.blur(holes, 6.0 * scale)
    uneven = 1.0 + 0.3 * noise.smooth(rng, window.shape, 3.0, 3.0)
    window *= 1.0 - np.clip(strength * holes * uneven, 0.0, 0.92)
    window *= (1.0 + strength * lit) * (1.0 - np.float32(rng.uniform(0.05, 0.35)) * bruise)
    pitted = np.asarray(holes > 0.25, dtype=np.uint8)
    closed = cv2.morphologyEx(pitted, cv2.MORPH_CLOSE, noise.disc(8.0 * scale))
    return noise.grow(np.asarray(closed, dtype=bool), 2.0 * scale)


def paint_hairline(rng: np.random.Generator, window: Plane) -> Mask:
    """Draw a hairline scratch: long, nearly vertical, a groove of 3 to 5 pixels with a burr.

    The mask covers the groove and its burr, 9 to 12 pixels across.
    """
    height, breadth = window.shape
    scale = scale_of(height)
    rows, extent = _rows_between(rng, height, 0.5, 1.3)
    offset = _offset_from_path(rng, window.shape, rng.uniform(-0.8, 0.8) * breadth * 0.6)
    depth = 0.75 + 0.25 * noise.line(rng, height, 22.0 * scale)
    depth = (np.clip(depth, 0.35, 1.1) * np.clip(extent / 3.0, 0.0, 1.0))[:, None]
    strength = np.float32(rng.uniform(0.45, 0.85)) * (-1 if rng.random() < 0.75 else 1)
    groove = np.exp(-((offset / max(0.8, rng.uniform(1.6, 2.8) * scale)) ** 2))
    burr = np.exp(-(((np.abs(offset) - 4.0 * scale) / max(0.8, 1.5 * scale)) ** 2))
    window *= 1.0 + depth * strength * (groove - np.float32(rng.uniform(0.1, 0.35)) * burr)
    reach = max(1.0, rng.uniform(4.6, 5.8) * scale)
    return np.asarray((np.abs(offset) <= reach) & rows[:, None], dtype=bool)


def paint_scratch(rng: np.random.Generator, window: Plane) -> Mask:
    """Draw a broad scratch along the rolling direction: grooves on a bright or dark bed.

    The mask is the bundle, about 18 to 60 pixels across, from its first groove to its last in
    each row.
    """
    height, breadth = window.shape
    scale = scale_of(height)
    rows, extent = _rows_between(rng, height, 0.55, 1.6)
    offset = _offset_from_path(rng, window.shape, rng.normal(0.0, 0.1) * breadth)
    half = rng.uniform(8.0, 26.0) * scale
    grooves = _grooves(rng, offset, extent, half) * noise.plane(rows)[:, None]
    inside = np.asarray(grooves > 0.22, dtype=np.uint8)
    gaps = np.ones((1, 2 * round(14 * scale) + 1), dtype=np.uint8)
    bundle = np.asarray(cv2.morphologyEx(inside, cv2.MORPH_CLOSE, gaps), dtype=bool)
    bed = noise.plane(cv2.GaussianBlur(noise.plane(bundle), (0, 0), 2.0, sigmaY=9.0 * scale))
    bed *= np.float32(rng.uniform(0.15, 0.45)) * (1.0 + 0.5 * _fibres(rng, window.shape))
    scraped = grooves * (1.0 + 0.12 * noise.white(rng, height, breadth))
    strength = np.float32(rng.uniform(0.4, 0.75)) * (-1 if rng.random() < 0.65 else 1)
    window *= np.clip(1.0 + strength * (scraped + bed), 0.08, None)
    return noise.grow(bundle, 2.0 * scale)


def paint_patch(rng: np.random.Generator, window: Plane) -> Mask:
    """Draw a patch of rolled-in scale: an irregular crust with relief, lit from above.

    The mask is the crust, one connected region without holes.
    """
    height, breadth = window.shape
    scale = scale_of(height)
    mask = _patch_region(rng, height, breadth)
    relief = _relief(rng, window.shape)
    tone = rng.uniform(0.5, 0.9) if rng.random() < 0.7 else rng.uniform(1.05, 1.35)
    tones = tone * (1.0 + 0.16 * noise.fractal(rng, window.shape, 40.0 * scale, 50.0 * scale))
    crust = noise.plane(tones) * (1.0 + np.float32(rng.uniform(0.2, 0.45)) * relief)
    cover = noise.blur(noise.plane(mask), 1.2)
    shadow = np.roll(noise.blur(noise.plane(mask), 2.5 * scale), round(3 * scale), axis=0)
    shadow = np.clip(shadow - cover, 0.0, 1.0)
    rim = np.exp(-(((cover - 0.5) / 0.25) ** 2))
    gain = 1.0 + cover * (np.clip(crust, 0.15, 2.6) - 1.0)
    window *= gain * (1.0 - 0.3 * rim) * (1.0 - 0.3 * shadow)
    return mask


CLASSES: dict[int, DefectClass] = {
    1: DefectClass("pitting", (80, 150), 3, paint_pits),
    2: DefectClass("hairline", (44, 90), 4, paint_hairline),
    3: DefectClass("scratch", (80, 120), 4, paint_scratch),
    4: DefectClass("patch", (150, 320), 2, paint_patch),
}
"""The classes by their number, 1 to 4."""

CLASS_NAMES: dict[int, str] = {number: kind.name for number, kind in CLASSES.items()}
"""The classes' names by their number, as `classes.json` states them."""


def _pit_holes(rng: np.random.Generator, height: int, breadth: int) -> Plane:
    """Draw the pits of one cluster: 0 on good steel, 1 in a pit, with ragged outlines."""
    scale = scale_of(height)
    spread = np.array([rng.uniform(0.08, 0.16) * breadth, rng.uniform(10.0, 36.0) * scale])
    centre = np.array([0.5 * breadth, rng.uniform(0.12, 0.88) * height])
    count = int(rng.integers(14, 48))
    places = centre + spread * np.clip(rng.standard_normal((count, 2)), -1.9, 1.9)
    radii = np.clip(rng.lognormal(np.log(2.8), 0.4, size=count), 1.5, 7.5) * scale
    stretches = rng.uniform(0.8, 2.2, size=count)
    depths = rng.uniform(0.65, 1.0, size=count)
    drawn = np.zeros((height, breadth), dtype=np.float32)
    for place, radius, stretch, depth in zip(places, radii, stretches, depths, strict=True):
        middle = (round(place[0]), round(place[1]))
        half = (max(1, round(radius)), max(1, round(radius * stretch)))
        cv2.ellipse(drawn, middle, half, rng.uniform(-25, 25), 0.0, 360.0, depth, -1)
    ragged = noise.smooth(rng, drawn.shape, 4.0 * scale + 1.0, 3.0 * scale + 1.0)
    inside = noise.blur(drawn, 1.0) - 0.4 + 0.18 * ragged * noise.blur(drawn, 3.0)
    return noise.blur(noise.step(inside, 0.3), 0.6)


def _rows_between(
    rng: np.random.Generator, height: int, least: float, most: float
) -> tuple[Mask, Plane]:
    """Choose the rows of a mark whose length, before clipping, is `least` to `most` of the height.

    Returns:
        Bool (height,): rows that the mark covers. Float32 (height,): distance of each row from the
        nearer end of the mark in pixels, at least 0. Ends may lie outside the picture.
    """
    length = rng.uniform(least, most) * height
    spare = height - length
    top = rng.uniform(min(0.0, spare) - 0.15 * height, max(0.0, spare) + 0.15 * height)
    # At least two thirds of the mark's least length must be inside the picture.
    visible = 0.66 * least * height
    top = float(np.clip(top, visible - length, height - visible))
    row = np.arange(height, dtype=np.float32)
    from_end = np.minimum(row - np.float32(top), np.float32(top + length) - row)
    return from_end >= 0.0, np.maximum(from_end, 0.0)


def _offset_from_path(rng: np.random.Generator, shape: tuple[int, ...], drift: float) -> Plane:
    """Draw a slightly bent path down a window; return each pixel's signed horizontal distance.

    Args:
        rng: source of randomness.
        shape: (height, breadth) of the window.
        drift: sideways movement of the path over the whole height, in pixels.
    """
    height, breadth = shape
    path = 0.5 * breadth + drift * np.linspace(-0.5, 0.5, height)
    path += rng.uniform(0.2, 1.2) * scale_of(height) * noise.line(rng, height, height / 3.0)
    return noise.plane(np.arange(breadth)[None, :] - path[:, None])


def _grooves(rng: np.random.Generator, offset: Plane, extent: Plane, half: float) -> Plane:
    """Draw the grooves of a broad scratch: 0 on good steel, 1 in a groove.

    Args:
        rng: source of randomness.
        offset: float32 (height, breadth), distance from the scratch's path, in pixels.
        extent: float32 (height,), distance from the nearer end of the scratch, in pixels.
        half: the scratch's half width, in pixels.
    """
    height = offset.shape[0]
    scale = scale_of(height)
    grooves = np.zeros_like(offset)
    spacing = max(2.0, rng.uniform(4.5, 9.0) * scale)
    for place in np.arange(-half, half + 1.0, spacing):
        aside = place + rng.normal(0.0, 0.35) * spacing
        thick = max(0.8, rng.lognormal(np.log(1.7), 0.45) * scale)
        # Grooves end one after another, the outer ones first, and fade out.
        late = (abs(place) / half * rng.uniform(0.0, 45.0) + rng.uniform(0.0, 20.0)) * scale
        presence = np.clip((extent - late) / (22.0 * scale), 0.0, 1.0)
        presence *= np.clip(0.8 + 0.35 * noise.line(rng, height, 35.0 * scale), 0.3, 1.2)
        across = np.exp(-(((offset - np.float32(aside)) / np.float32(thick)) ** 2))
        depth = np.float32(rng.uniform(0.5, 1.0))
        np.maximum(grooves, depth * presence[:, None] * across, out=grooves)
    return grooves


def _fibres(rng: np.random.Generator, shape: tuple[int, ...]) -> Plane:
    height, breadth = shape
    scale = scale_of(height)
    return noise.smooth(rng, (height, breadth), 50.0 * scale, max(1.0, 2.0 * scale))


def _patch_region(rng: np.random.Generator, height: int, breadth: int) -> Mask:
    """Draw the outline of a patch: a noisy ellipse, its largest piece, without holes."""
    scale = scale_of(height)
    half_height = rng.uniform(34.0, 90.0) * scale
    half_breadth = 0.42 * breadth
    centre = rng.uniform(0.1, 0.9) * height
    rows = ((np.arange(height, dtype=np.float32) - centre) / half_height)[:, None]
    columns = ((np.arange(breadth, dtype=np.float32) - 0.5 * breadth) / half_breadth)[None, :]
    lean = rng.uniform(-0.5, 0.5)
    distance = np.hypot(rows, columns + noise.plane(lean * rows))
    # Keep the outline away from the window's side, which would cut it straight.
    distance = distance + 6.0 * np.maximum(np.abs(columns) - 1.0, 0.0)
    shape_noise = noise.fractal(rng, (height, breadth), 55.0 * scale, 55.0 * scale, octaves=4)
    return _largest_piece(np.asarray(distance + 0.2 * shape_noise < 0.85, dtype=np.uint8))


def _largest_piece(region: npt.NDArray[np.uint8]) -> Mask:
    contours, _ = cv2.findContours(region, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = np.zeros_like(region)
    if contours:
        cv2.drawContours(filled, [max(contours, key=cv2.contourArea)], -1, 1, -1)
    return filled.astype(bool)


def _relief(rng: np.random.Generator, shape: tuple[int, ...]) -> Plane:
    """Draw a rough surface lit from above: folds in a random direction, and fine grit."""
    height, breadth = shape
    scale = scale_of(height)
    flat, tall = rng.uniform(12.0, 40.0) * scale, rng.uniform(20.0, 70.0) * scale
    folds = noise.fractal(rng, (height, breadth), max(2.0, flat), max(2.0, tall), octaves=4)
    # Creases: the absolute value folds the noise, as crust folds when it is rolled in.
    heights = noise.blur(np.abs(folds), max(0.6, rng.uniform(0.7, 2.4) * scale))
    slope = noise.plane(cv2.Sobel(heights, cv2.CV_32F, 0, 1))
    slope += np.float32(rng.uniform(-0.7, 0.7)) * noise.plane(cv2.Sobel(heights, cv2.CV_32F, 1, 0))
    grit = noise.smooth(rng, (height, breadth), 2.0, 2.0)
    return 1.1 * slope / np.float32(slope.std() + 1e-6) + np.float32(rng.uniform(0.15, 0.5)) * grit
