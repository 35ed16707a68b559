"""Draw the marks of a damaged roll: one imprint, at each turn of the roll, in one lane.

Other than the faint smudges of `surface`, these are defects with a mask: a cluster of pits of class
1 that comes again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from training.synthetic.coils import CoilSettings, RollMark
from training.synthetic.defects import paint_pits
from training.synthetic.noise import Mask, Plane
from training.synthetic.surface import scale_of

IMPRINT_CLASS = 1
"""Class of the marks."""

_BREADTH = 110
"""Breadth of an imprint, in pixels of a picture 256 pixels high."""
_SCATTER_MM = 4.0  # of a mark along the strip: the strip slips, and the encoder has steps
_SCATTER_ROWS = 1.5  # of a mark across the strip, in pixels of a picture 256 pixels high
_DRAWS = 16
"""Clusters of pits that are drawn for one imprint: a roll's damage is small and in one piece."""
_ROLLS = 0x526F6C6C
"""Part of the seed that keeps rolls apart from pictures."""


@dataclass(frozen=True)
class Imprint:
    """What a roll prints.

    Attributes:
        gain: float32 (height, breadth), by which the gray levels of the steel are multiplied.
        mask: bool (height, breadth), the pixels of the defect.
    """

    gain: Plane
    mask: Mask


@dataclass(frozen=True)
class Stamp:
    """One mark of a roll, as one picture shows it.

    Attributes:
        imprint: what the roll prints.
        row: rows by which the mark lies below the place at which the imprint was drawn.
        column: column of the picture at which the imprint begins. Parts of the imprint may lie
            outside the picture.
    """

    imprint: Imprint
    row: int
    column: int

    def press(self, steel: Plane, on_strip: Mask) -> Mask:
        """Draw the mark.

        Args:
            steel: float32 (height, width), changed in place.
            on_strip: bool (height, width), false beyond the strip's edge.

        Returns:
            Bool (height, width), the mark's pixels on the strip.
        """
        mask = np.zeros(steel.shape, dtype=bool)
        rows, from_rows = _overlap(self.row, self.imprint.mask.shape[0], steel.shape[0])
        columns, from_columns = _overlap(self.column, self.imprint.mask.shape[1], steel.shape[1])
        steel[rows, columns] *= self.imprint.gain[from_rows, from_columns]
        mask[rows, columns] = self.imprint.mask[from_rows, from_columns]
        return np.asarray(mask & on_strip, dtype=bool)


@dataclass(frozen=True)
class Roll:
    """A damaged roll and all of its marks on one coil.

    Attributes:
        mark: which coil, camera and roll.
        imprint: what the roll prints.
        along_mm: float64 (turns,), middle of each mark along the strip, ascending.
        rows: int64 (turns,), rows by which each mark lies below the imprint's place.
    """

    mark: RollMark
    imprint: Imprint
    along_mm: npt.NDArray[np.float64]
    rows: npt.NDArray[np.int64]


def draw_roll(seed: int, mark: RollMark, coils: CoilSettings, height: int, width: int) -> Roll:
    """Draw the imprint of a roll, and choose where it lies at each turn.

    Args:
        seed: random seed of the set.
        mark: which coil, camera and roll.
        coils: coils of the set.
        height: height of a picture in pixels.
        width: width of a picture in pixels.
    """
    rng = np.random.default_rng([seed, mark.coil, mark.camera, _ROLLS])
    imprint = _draw_imprint(rng, height)
    length = coils.frames * width * coils.pixel_mm
    along = np.arange(rng.uniform(0.0, mark.period_mm), length, mark.period_mm)
    along += np.clip(rng.standard_normal(along.size), -2.0, 2.0) * _SCATTER_MM
    rows = np.rint(rng.standard_normal(along.size) * _SCATTER_ROWS * scale_of(height))
    return Roll(mark, imprint, along, rows.astype(np.int64))


def stamps_of(rolls: tuple[Roll, ...], coils: CoilSettings, number: int, width: int) -> list[Stamp]:
    """Return the marks that a picture shows.

    Args:
        rolls: all rolls of the set.
        coils: coils of the set.
        number: number of the picture.
        width: width of a picture in pixels.
    """
    shot = coils.shot(number)
    if shot is None:
        return []
    seen = [
        roll
        for roll in rolls
        if (roll.mark.coil, roll.mark.camera) == (shot.coil, shot.camera or 1)
    ]
    begin = shot.frame * width
    return [stamp for roll in seen for stamp in _within(roll, coils.pixel_mm, begin, width)]


def _within(roll: Roll, pixel_mm: float, begin: int, width: int) -> Iterator[Stamp]:
    """Yield the marks that touch the columns from `begin` on."""
    breadth = roll.imprint.mask.shape[1]
    for along, row in zip(roll.along_mm, roll.rows, strict=True):
        column = round(along / pixel_mm - breadth / 2) - begin
        if -breadth < column < width:
            yield Stamp(roll.imprint, int(row), column)


def _draw_imprint(rng: np.random.Generator, height: int) -> Imprint:
    """Draw some clusters of pits, and return the one with the fewest pieces and rows."""
    return min((_draw_pits(rng, height) for _ in range(_DRAWS)), key=_extent)


def _draw_pits(rng: np.random.Generator, height: int) -> Imprint:
    """Draw pits on a blank window: what the painter leaves there is a gain."""
    gain = np.ones((height, round(_BREADTH * scale_of(height))), dtype=np.float32)
    mask = paint_pits(rng, gain)
    return Imprint(gain, mask)


def _extent(imprint: Imprint) -> tuple[int, int]:
    """Return the number of pieces of an imprint, and of the rows that it covers."""
    labels, _ = cv2.connectedComponents(imprint.mask.astype(np.uint8))
    return labels - 1, int(imprint.mask.any(axis=1).sum())


def _overlap(begin: int, size: int, room: int) -> tuple[slice, slice]:
    """Return where `size` pixels from `begin` on lie in `room` pixels, and which of them do."""
    first = min(max(0, begin), room)
    last = max(first, min(room, begin + size))
    return slice(first, last), slice(first - begin, last - begin)
