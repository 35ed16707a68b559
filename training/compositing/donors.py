"""Cut a region out of a labelled picture, with its contrast to the steel around it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum

import cv2
import numpy as np
import numpy.typing as npt

from steeldefect.pictures import run_lengths
from steeldefect.pictures.preprocessing import Gray
from training.compositing.poisson import cover_of, margin_of, membrane, to_logs
from training.compositing.regions import Edge, Region, Shape
from training.compositing.steel import Surface, steel_of, surface_of
from training.data.dataset import LabelledPicture

Plane = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

_AROUND = 3  # margins of steel around a region, on which its membrane rests
_MOST_ZOOM = 1.12
_MOST_DEGREES = 6.0
_MOST_CONTRAST = 1.12


class Blend(str, Enum):
    """How a donor is blended into the steel.

    `clone`: it replaces the steel (`poisson.clone`). `shade`: it brightens or darkens the steel
    (`poisson.shade`); for drawn looks, which have no grain.
    """

    CLONE = "clone"
    SHADE = "shade"


@dataclass(frozen=True)
class Donor:
    """A region with its look; all arrays are (h, w), a box around the region with its margin.

    Attributes:
        excess: float32, log of the gray levels minus the membrane of the steel around.
        cover: float32, weight of the piece when it is blended: 1 in the masks.
        masks: bool by class.
        edges: the sides of the picture that the region touches.
        names: names of the pictures that the look is from; empty if it was drawn.
        surface: the surface of that picture; None if the look was drawn.
        blend: how it is blended.
    """

    excess: Plane
    cover: Plane
    masks: Mapping[int, Mask]
    edges: frozenset[Edge]
    names: tuple[str, ...]
    surface: Surface | None = None
    blend: Blend = Blend.CLONE

    @property
    def mask(self) -> Mask:
        """The pixels of all classes, bool (h, w)."""
        return np.asarray(np.any(list(self.masks.values()), axis=0), dtype=bool)


def cut_out(picture: LabelledPicture, region: Region) -> Donor:
    """Read a picture and cut a region out of it.

    Other defects in the box, and what lies beyond the edge of the strip, are not part of the donor
    (`cover` is 0 there), and its membrane does not rest on them.

    Args:
        picture: picture with outlined masks.
        region: one of its regions.

    Raises:
        DataError: the picture cannot be read.
    """
    gray = picture.read()
    margin = margin_of(gray.shape[0])
    wide = box_of(region, (1 + _AROUND) * margin)
    masks = masks_in(region, wide)
    own = np.any(list(masks.values()), axis=0)
    steel, defective = steel_of(gray), _all_masks(picture)
    others = defective[wide] & ~own
    usable = steel[wide] & ~others
    cover = cover_of(own, margin) * usable
    cover[own] = 1.0
    logs = to_logs(gray[wide])
    away_from_others = cover_of(others, margin) == 0
    excess = logs - membrane(logs, usable & away_from_others & (cover_of(own, margin) == 0))
    near = _within(box_of(region, margin), wide)
    masks = {number: mask[near] for number, mask in masks.items()}
    surface = surface_of(gray, steel & ~defective)
    return Donor(excess[near], cover[near], masks, region.edges, (picture.name,), surface)


def clean_piece(gray: Gray, steel: Mask, mask: Mask, top: int, left: int) -> tuple[Plane, Plane]:
    """Cut a piece of clean steel out of a picture, in the form of a mask.

    Args:
        gray: uint8 (height, width).
        steel: bool (height, width).
        mask: bool (h, w), the form, with room for its margin on each side.
        top: first row of the form.
        left: first column of the form; the form lies inside the picture.

    Returns:
        Excess and cover, as in `Donor`, for the box of the mask.
    """
    margin = margin_of(gray.shape[0])
    height, width = mask.shape
    form = np.zeros(gray.shape, dtype=bool)
    form[top : top + height, left : left + width] = mask
    pad = _AROUND * margin
    wide = (
        slice(max(0, top - pad), top + height + pad),
        slice(max(0, left - pad), left + width + pad),
    )
    cover = cover_of(form[wide], margin) * steel[wide]
    logs = to_logs(gray[wide])
    excess = logs - membrane(logs, steel[wide] & (cover == 0))
    near = _within((slice(top, top + height), slice(left, left + width)), wide)
    return excess[near], cover[near]


def varied(rng: np.random.Generator, donor: Donor, shape: Shape) -> Donor:
    """Return a donor that is mirrored, enlarged or reduced, and turned a little.

    A donor that touches a side of its picture keeps touching it: it is mirrored along that side
    alone. Masks get the same change as the gray levels. The contrast changes by at most 12%.

    Args:
        rng: source of randomness.
        donor: donor; it is not changed.
        shape: (height, width) of the picture into which it must fit, in pixels.
    """
    changed = _mirrored(rng, donor)
    if not donor.edges:
        warped = _warped(rng, changed)
        changed = warped if _fits(warped.mask, shape) else changed
    factor = np.float32(np.exp(rng.uniform(-1, 1) * np.log(_MOST_CONTRAST)))
    return replace(changed, excess=changed.excess * factor)


def _fits(mask: Mask, shape: Shape) -> bool:
    return bool(mask.any(axis=1).sum() < shape[0] and mask.any(axis=0).sum() < shape[1])


def _mirrored(rng: np.random.Generator, donor: Donor) -> Donor:
    excess, cover, masks = donor.excess, donor.cover, dict(donor.masks)
    for axis, sides in ((0, {Edge.TOP, Edge.BOTTOM}), (1, {Edge.LEFT, Edge.RIGHT})):
        if donor.edges & sides or rng.random() < 0.5:
            continue
        excess, cover = np.flip(excess, axis), np.flip(cover, axis)
        masks = {number: np.flip(mask, axis) for number, mask in masks.items()}
    return replace(donor, excess=excess, cover=cover, masks=masks)


def _warped(rng: np.random.Generator, donor: Donor) -> Donor:
    """Enlarge or reduce and turn around the centre, in a box with room for it."""
    height, width = donor.excess.shape
    zoom = float(np.exp(rng.uniform(-1, 1) * np.log(_MOST_ZOOM)))
    # A long piece turns less: its ends must not leave their place.
    slim = min(height, width) / max(height, width)
    degrees = float(rng.uniform(-1, 1)) * _MOST_DEGREES * max(slim, 0.15)
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, zoom)
    cosine, sine = abs(matrix[0, 0]), abs(matrix[0, 1])
    size = (
        int(np.ceil(width * cosine + height * sine)),
        int(np.ceil(width * sine + height * cosine)),
    )
    matrix[:, 2] += np.array(size) / 2 - np.array([width, height]) / 2

    def warped(values: Plane, border: int) -> Plane:
        values = np.ascontiguousarray(values, dtype=np.float32)
        return np.asarray(
            cv2.warpAffine(values, matrix, size, flags=cv2.INTER_LINEAR, borderMode=border),
            np.float32,
        )

    masks = {
        number: warped(mask.astype(np.float32), cv2.BORDER_CONSTANT) >= 0.5
        for number, mask in donor.masks.items()
    }
    if not all(mask.any() for mask in masks.values()):  # some pixels only: keep them
        return donor
    excess = warped(donor.excess, cv2.BORDER_REFLECT_101)
    cover = warped(donor.cover, cv2.BORDER_CONSTANT)
    cover[np.any(list(masks.values()), axis=0)] = 1.0
    return replace(donor, excess=excess, cover=cover, masks=masks)


def box_of(region: Region, pad: int) -> tuple[slice, slice]:
    """Return rows and columns of a region's box with `pad` pixels around it, inside the picture."""
    height, width = region.size
    return (
        slice(max(0, region.top - pad), min(region.shape[0], region.top + height + pad)),
        slice(max(0, region.left - pad), min(region.shape[1], region.left + width + pad)),
    )


def _within(box: tuple[slice, slice], wide: tuple[slice, slice]) -> tuple[slice, slice]:
    """Return a box relative to a wider one that contains it."""
    rows, columns = (
        slice(part.start - whole.start, part.stop - whole.start)
        for part, whole in zip(box, wide, strict=True)
    )
    return rows, columns


def masks_in(region: Region, box: tuple[slice, slice]) -> dict[int, Mask]:
    """Return a region's masks in a box of the picture that contains it, bool (h, w) by class."""
    rows, columns = _within(box_of(region, 0), box)
    size = tuple(side.stop - side.start for side in box)
    masks = {number: np.zeros(size, dtype=bool) for number in region.masks}
    for number, mask in region.masks.items():
        masks[number][rows, columns] = mask
    return masks


def _all_masks(picture: LabelledPicture) -> Mask:
    masks = [run_lengths.to_mask(runs, picture.shape) for runs in picture.runs.values()]
    return np.asarray(np.any(masks, axis=0), dtype=bool)
