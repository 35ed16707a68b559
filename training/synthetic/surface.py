"""Draw the steel: light, rolled texture, the strip's edge, and harmless marks.

The width of the picture is the width of the strip. The strip moves along the height of the
picture. So rolling leaves vertical structures, and the edge of the strip is at the left or the
right of a picture. Planes are float32 (height, width): either gray levels 0..255, or gains around
1 by which gray levels are multiplied.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from training.synthetic import noise
from training.synthetic.noise import Mask, Plane

_DRAWN_HEIGHT = 256
"""All sizes in this package are in pixels of a picture of this height."""


def scale_of(height: int) -> float:
    """Return the scale from a picture of `_DRAWN_HEIGHT` to a picture of `height` pixels."""
    return height / _DRAWN_HEIGHT


def draw_steel(rng: np.random.Generator, height: int, width: int) -> Plane:
    """Draw steel with light and harmless marks, without the camera's grain."""
    level = np.float32(rng.uniform(55.0, 150.0))
    steel = level * _light(rng, height, width) * _rolled(rng, height, width)
    for chance, mark in _HARMLESS:
        if rng.random() < chance:
            mark(rng, steel)
    return steel


def draw_edge(rng: np.random.Generator, height: int, width: int) -> Mask:
    """Draw the area of the strip: true on the strip, false beyond its left or right edge.

    The part beyond the edge is 4% to 50% of the width; the edge leans and is slightly ragged.
    """
    scale = scale_of(height)
    beyond = width * rng.uniform(0.04, 0.5)
    lean = rng.normal(0.0, 4.0) * scale * np.linspace(-1.0, 1.0, height, dtype=np.float32)
    ragged = rng.uniform(0.1, 0.8) * scale * noise.line(rng, height, rng.uniform(3, 30) * scale)
    ragged += rng.uniform(0.0, 0.8) * np.abs(noise.line(rng, height, 2.0))
    border = noise.plane(beyond + lean + ragged)
    steel = np.arange(width, dtype=np.float32)[None, :] >= border[:, None]
    return steel[:, ::-1].copy() if rng.random() < 0.5 else steel


def shade_edge(rng: np.random.Generator, steel: Plane, on_strip: Mask) -> Plane:
    """Make the area beyond the edge nearly black, and darken or brighten the strip's rim."""
    if on_strip.all():
        return steel
    scale = scale_of(steel.shape[0])
    cover = noise.plane(on_strip)
    # The rim is thinner and tilts towards the lamp or away from it.
    inside = noise.plane(cv2.blur(cover, (2 * round(rng.uniform(8, 40) * scale) + 1, 1)))
    rim = 1.0 + np.float32(rng.uniform(-0.5, 0.6)) * (1.0 - inside)
    soft = noise.blur(cover, 0.9)
    return steel * rim * soft + np.float32(rng.uniform(1.0, 7.0)) * (1.0 - soft)


def expose(rng: np.random.Generator, scene: Plane) -> Plane:
    """Add the camera's grain: a constant part and one that grows with the light."""
    grain = noise.white(rng, *scene.shape)
    sharp = np.float32(rng.uniform(0.25, 0.7))
    grain = sharp * grain + (1 - sharp) * 2.5 * noise.blur(grain, 0.9)
    strength = np.float32(rng.uniform(0.02, 0.055))
    return scene + grain * (np.float32(0.8) + strength * scene)


def _light(rng: np.random.Generator, height: int, width: int) -> Plane:
    """Draw the light: uneven across the width, darker at the ends, a gradient along the height."""
    across = rng.uniform(0.03, 0.16) * noise.line(rng, width, width / rng.uniform(2.5, 6.0))
    across += rng.uniform(0.01, 0.06) * noise.line(rng, width, width / 25.0)
    ends = np.linspace(-1.0, 1.0, width, dtype=np.float32)
    across += 1.0 - rng.uniform(0.0, 0.35) * (ends - rng.uniform(-0.4, 0.4)) ** 2
    rows = np.linspace(-1.0, 1.0, height, dtype=np.float32)
    along = 1.0 + rng.normal(0.0, 0.13) * rows - rng.uniform(0.02, 0.16) * rows**2
    return np.maximum(noise.plane(across), 0.25)[None, :] * noise.plane(along)[:, None]


def _rolled(rng: np.random.Generator, height: int, width: int) -> Plane:
    """Draw the gain of the rolled texture: fine vertical fibres, cross weave, cloudy oxide."""
    shape, scale = (height, width), scale_of(height)
    gain = np.ones(shape, dtype=np.float32)
    layers = (
        (0.010, 0.040, 60.0, 1.6),  # fibres along the rolling direction
        (0.008, 0.040, 35.0, 4.3),  # wider fibres
        (0.005, 0.030, 600.0, 9.0),  # lines left by the rolls over the whole height
        (0.008, 0.035, 5.0, 1.4),  # short fibres
        (0.002, 0.012, 1.7, 26.0),  # weave across
        (0.010, 0.050, 90.0, 140.0),  # clouds
    )
    for least, most, cell_height, cell_width in layers:
        cells = (max(1.0, cell_height * scale), max(1.0, cell_width * scale))
        gain += np.float32(rng.uniform(least, most)) * noise.smooth(rng, shape, *cells)
    # Fibres are denser in some columns; without this, the texture looks woven.
    crowd = 1.0 + 0.45 * noise.line(rng, width, 70.0 * scale)
    return noise.plane(1.0 + (gain - 1.0) * np.clip(crowd, 0.3, 2.0)[None, :])


def _mottle(rng: np.random.Generator, steel: Plane) -> None:
    """Draw peeled oxide as long drips: flat, with sharp edges, in some columns only."""
    shape, scale = steel.shape, scale_of(steel.shape[0])
    drips = noise.fractal(rng, shape, rng.uniform(40, 110) * scale, rng.uniform(8, 18) * scale)
    columns = noise.line(rng, shape[1], 220.0 * scale) - np.float32(rng.uniform(0.6, 1.6))
    cover = noise.step(drips + columns[None, :], rng.uniform(0.05, 0.25))
    steel *= 1.0 + np.float32(rng.choice((-1, 1)) * rng.uniform(0.06, 0.2)) * cover


def _water_stains(rng: np.random.Generator, steel: Plane) -> None:
    """Draw dried water: large flat shapes, slightly darker, with a faint rim."""
    shape, scale = steel.shape, scale_of(steel.shape[0])
    cells = rng.uniform(90, 220, size=2) * scale
    height_above_water = noise.fractal(rng, shape, float(cells[0]), float(cells[1]), octaves=2)
    height_above_water -= np.float32(rng.uniform(1.1, 1.7))
    cover = noise.step(height_above_water, 0.1)
    rim = np.exp(-((height_above_water / np.float32(0.08)) ** 2))
    depth = np.float32(rng.uniform(0.05, 0.16))
    steel *= 1.0 - depth * cover - 0.5 * depth * rim


def _chatter(rng: np.random.Generator, steel: Plane) -> None:
    """Draw chatter marks of a vibrating mill stand: bent, uneven ripples across the strip."""
    height, width = steel.shape
    scale = scale_of(height)
    period = rng.uniform(5.0, 16.0) * scale
    bend = rng.uniform(4.0, 14.0) * scale * noise.smooth(rng, (height, width), 120, 260)
    rows = np.arange(height, dtype=np.float32)[:, None]
    ripple = np.sin((rows + bend) * np.float32(2 * np.pi / period))
    envelope = noise.step(noise.smooth(rng, (height, width), 110 * scale, 300 * scale), 1.0)
    steel *= 1.0 + np.float32(rng.uniform(0.015, 0.055)) * ripple * envelope


def _soft_bands(rng: np.random.Generator, steel: Plane) -> None:
    """Draw vertical bands of cooler or hotter rolls: over the whole height, with soft sides."""
    height, width = steel.shape
    columns = np.arange(width, dtype=np.float32)
    gain = np.ones(width, dtype=np.float32)
    for _ in range(rng.integers(1, 4)):
        breadth = rng.uniform(25, 90) * scale_of(height)
        centre = rng.uniform(0, width)
        strength = np.float32(rng.uniform(-0.15, 0.25))
        gain += strength * np.exp(-(((columns - centre) / breadth) ** 2)).astype(np.float32)
    steel *= gain[None, :]


def _roll_marks(rng: np.random.Generator, steel: Plane) -> None:
    """Draw marks of a worn roll: the same faint smudge at each turn of the roll."""
    height, width = steel.shape
    scale = scale_of(height)
    pitch = rng.uniform(45, 110) * scale
    smudge = np.zeros_like(steel)
    half = (max(2, round(rng.uniform(8, 30) * scale)), max(1, round(rng.uniform(2, 6) * scale)))
    for column in rng.uniform(0.05, 0.95, size=rng.integers(1, 4)) * width:
        for row in np.arange(rng.uniform(0, pitch), height, pitch):
            cv2.ellipse(smudge, (round(column), round(row)), half, 0.0, 0.0, 360.0, 1.0, -1)
    broken = noise.step(noise.smooth(rng, (height, width), 6 * scale + 1, 9 * scale + 1), 1.0)
    strength = np.float32(rng.choice((-1, 1)) * rng.uniform(0.06, 0.14))
    steel *= 1.0 + strength * noise.blur(smudge, 3.0 * scale) * broken


def _ticks(rng: np.random.Generator, steel: Plane) -> None:
    """Draw short dark fibres along the rolling direction, too short for hairlines."""
    height, width = steel.shape
    scale = scale_of(height)
    dark = np.zeros_like(steel)
    for _ in range(rng.integers(3, 14)):
        column, row = round(rng.uniform(0, width)), round(rng.uniform(0, height))
        length = round(rng.uniform(8, 30) * scale)
        cv2.line(dark, (column, row), (column, row + length), 1.0, rng.choice((1, 2)).item())
    steel *= 1.0 - np.float32(rng.uniform(0.15, 0.4)) * noise.blur(dark, 0.8)


def _specks(rng: np.random.Generator, steel: Plane) -> None:
    """Draw dust and grains of scale: single bright or dark points, denser in some columns."""
    height, width = steel.shape
    count = round(width * scale_of(height) * rng.choice((0.05, 0.2, 1.5)))
    crowd = np.exp(1.2 * noise.line(rng, width, width / 8.0)).astype(np.float64)
    columns = rng.choice(width, size=count, p=crowd / crowd.sum())
    points = np.zeros_like(steel)
    points[rng.integers(0, height, size=count), columns] = rng.normal(0.5, 0.9, size=count)
    steel *= np.maximum(1.0 + 1.3 * noise.blur(points, 0.55), 0.4)


def _paint(rng: np.random.Generator, steel: Plane) -> None:
    """Draw marking paint: white splashes in up to three columns of a stencil."""
    height, width = steel.shape
    scale = scale_of(height)
    splash = np.zeros_like(steel)
    left = rng.uniform(0.1, 0.85) * width
    for _ in range(rng.integers(3, 9)):
        centre = (
            round(left + rng.choice((0.0, 35.0, 70.0)) * scale),
            round(rng.uniform(0, height)),
        )
        half = (round(rng.uniform(5, 11) * scale), round(rng.uniform(8, 26) * scale))
        cv2.ellipse(splash, centre, half, 0.0, 0.0, 360.0, 1.0, -1)
    ragged = noise.blur(splash, 5.0 * scale) - 0.45
    ragged += 0.3 * noise.fractal(rng, (height, width), 11 * scale + 1, 8 * scale + 1, octaves=3)
    cover = noise.step(ragged, 0.06) * (noise.blur(splash, 6.0 * scale) > 0.12)
    steel += cover * np.maximum(np.float32(rng.uniform(225, 290)) - steel, 0.0)


_HARMLESS: tuple[tuple[float, Callable[[np.random.Generator, Plane], None]], ...] = (
    (0.40, _mottle),
    (0.25, _water_stains),
    (0.28, _chatter),
    (0.40, _soft_bands),
    (0.25, _roll_marks),
    (0.25, _ticks),
    (0.60, _specks),
    (0.07, _paint),
)
"""Harmless marks on good steel: probability, and function that draws the mark in place.

Clean and defective pictures get the same marks, so a mark does not reveal a defect."""
