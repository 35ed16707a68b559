"""Give the look of a defect to a mask of another form: copies of the look are laid side by side.

Each copy goes where it covers most of what is still bare, mirrored at random; neighbours fade into
each other. This is image quilting (Efros and Freeman, "Image Quilting for Texture Synthesis and
Transfer", 2001) with soft seams instead of cut ones, because defects are small and grainy.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
from scipy import ndimage

Plane = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

_MOST_COPIES = 80
_BARE = 0.01  # share of the mask that may stay bare; the nearest pixels fill it
_SEAM = 4.0  # pixels over which copies fade into each other
_AS_GOOD = 0.9  # of the best place: a place is chosen at random among those as good
_SEARCH = 96  # pixels; larger masks are searched on a smaller copy


def fill(rng: np.random.Generator, mask: Mask, look: Plane, of: Mask) -> Plane:
    """Cover a mask with the look of a defect.

    Args:
        rng: source of randomness.
        mask: bool (h, w), the pixels to cover; not empty.
        look: float32 (a, b), the look of a defect.
        of: bool (a, b), the pixels of that defect; not empty.

    Returns:
        Float32 (h, w): in the mask the look, elsewhere the value of the nearest pixel in the mask.
    """
    look, of = _cropped(look, of)
    covered, bare = np.zeros(mask.shape, np.float32), mask.copy()
    laid = np.zeros(mask.shape, np.float32)
    for _ in range(_MOST_COPIES):
        if bare.sum() <= _BARE * mask.sum():
            break
        for axis in (0, 1):
            if rng.random() < 0.5:
                look, of = np.flip(look, axis), np.flip(of, axis)
        rows, columns = _best_place(rng, bare, of)
        _lay(laid, covered, look, of, (rows, columns))
        bare = mask & (covered == 0)
    known = np.asarray(mask & (covered > 0), dtype=bool)
    return _nearest(laid, known) if known.any() else np.full_like(laid, look[of].mean())


def _cropped(look: Plane, of: Mask) -> tuple[Plane, Mask]:
    left, top, width, height = cv2.boundingRect(of.astype(np.uint8))
    box = (slice(top, top + height), slice(left, left + width))
    return look[box], of[box]


def _best_place(rng: np.random.Generator, bare: Mask, of: Mask) -> tuple[int, int]:
    """Return first row and column, maybe negative, at which `of` covers most of `bare`."""
    step = max(1, max(*bare.shape, *of.shape) // _SEARCH)
    target, form = _smaller(bare, step), _smaller(of, step)
    pad_rows, pad_columns = (side - 1 for side in form.shape)
    padded = np.pad(target, ((pad_rows, pad_rows), (pad_columns, pad_columns)))
    covers = cv2.matchTemplate(padded, form, cv2.TM_CCORR)
    places = np.argwhere(covers >= _AS_GOOD * covers.max())
    row, column = places[rng.integers(len(places))]
    return (int(row) - pad_rows) * step, (int(column) - pad_columns) * step


def _smaller(mask: Mask, step: int) -> Plane:
    """Return the share of each cell that a mask covers; sides are rounded up to whole cells."""
    height, width = mask.shape
    rows, columns = -(-height // step), -(-width // step)
    padded = np.zeros((rows * step, columns * step), np.float32)
    padded[:height, :width] = mask
    return np.asarray(padded.reshape(rows, step, columns, step).mean(axis=(1, 3)), np.float32)


def _lay(laid: Plane, covered: Plane, look: Plane, of: Mask, place: tuple[int, int]) -> None:
    """Lay one copy; where others lie already, it fades in from its border."""
    there, here = [], []
    for first, size, room in zip(place, of.shape, laid.shape, strict=True):
        begin, end = max(0, first), min(room, first + size)
        if begin >= end:
            return
        there.append(slice(begin, end))
        here.append(slice(begin - first, end - first))
    box, part = (there[0], there[1]), (here[0], here[1])
    inside = cv2.distanceTransform(
        np.pad(of, 1).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE
    )[1:-1, 1:-1]
    weight = np.where(covered[box] > 0, np.clip(inside[part] / _SEAM, 0.0, 1.0), of[part])
    laid[box] = weight * look[part] + (1 - weight) * laid[box]
    covered[box] = np.maximum(covered[box], of[part])


def _nearest(laid: Plane, known: Mask) -> Plane:
    rows, columns = ndimage.distance_transform_edt(
        ~known, return_distances=False, return_indices=True
    )
    return np.asarray(laid[rows, columns], dtype=np.float32)
