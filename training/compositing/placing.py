"""Find a place for a defect: near where the layout has one, on steel, and free of others."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from training.compositing.regions import Edge

Mask = npt.NDArray[np.bool_]

_TRIES = 40
_SPREAD = 0.03  # standard deviation of the first tries, as a share of the picture's side
_ON_STEEL = 0.99  # share of the defect's pixels that must lie on steel


class Free(NamedTuple):
    """Where a defect may lie.

    Attributes:
        steel: bool (height, width), false beyond the edge of the strip.
        taken: bool (height, width), pixels of other defects and of their margins.
    """

    steel: Mask
    taken: Mask


def find_place(
    rng: np.random.Generator,
    mask: Mask,
    free: Free,
    centre: tuple[float, float],
    edges: frozenset[Edge],
) -> tuple[int, int] | None:
    """Return first row and first column of a place for a mask; None if no free one was found.

    The first tries are close to `centre`, later ones farther away. A mask touches the sides in
    `edges`, and no others.

    Args:
        rng: source of randomness.
        mask: bool (h, w), the smallest box around a defect; not larger than the picture.
        free: steel, and what is taken; the defect lies on steel, but for 1% of its pixels.
        centre: row and column of the box's centre, as shares of the picture's height and width.
        edges: sides of the picture that the defect touches.
    """
    for tried in range(_TRIES):
        spread = _SPREAD * (1 + tried / 4)
        top, left = (
            _begin(rng, side, size, middle, spread, sides)
            for side, size, middle, sides in zip(
                free.steel.shape, mask.shape, centre, _sides(edges), strict=True
            )
        )
        box = (slice(top, top + mask.shape[0]), slice(left, left + mask.shape[1]))
        on_steel = free.steel[box][mask].mean() >= _ON_STEEL
        if on_steel and not free.taken[box][mask].any():
            return top, left
    return None


def _sides(edges: frozenset[Edge]) -> tuple[tuple[bool, bool], tuple[bool, bool]]:
    """Return whether first and last row, and first and last column, are touched."""
    return (
        (Edge.TOP in edges, Edge.BOTTOM in edges),
        (Edge.LEFT in edges, Edge.RIGHT in edges),
    )


def _begin(
    rng: np.random.Generator,
    side: int,
    size: int,
    middle: float,
    spread: float,
    touched: tuple[bool, bool],
) -> int:
    """Return the first row or column along one side of the picture."""
    last = side - size
    if touched[0]:
        return 0
    if touched[1]:
        return last
    wanted = round((middle + rng.normal(0.0, spread)) * side - size / 2)
    # A defect that touches no side stays a pixel away, where there is room.
    return min(max(wanted, min(1, last)), max(last - 1, 0))
