"""Copy defects of one picture onto another, to show few defects on many backgrounds.

Source: Ghiasi et al., "Simple Copy-Paste is a Strong Data Augmentation Method for Instance
Segmentation", 2021. Added here: a soft edge, and a matched gray level, because a defect on steel
is visible by its contrast to its surroundings.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from training.data.samples import Sample

_MARGIN = 5  # model pixels around a defect that are copied too; they fade out

Mask = npt.NDArray[np.bool_]


def paste(sample: Sample, donor: Sample, rng: np.random.Generator) -> Sample:
    """Return a copy of a sample with the donor's defects of one class at a random place.

    Args:
        sample: picture uint8 (h, w) with truth maps uint8 (h, w, classes); it is not changed.
        donor: sample of the same size. Nothing is pasted if it shows no defect.
        rng: random generator that chooses class, place and mirroring.

    Returns:
        A new sample; where the defects were pasted, its truth maps hold the donor's class alone.
    """
    present = np.flatnonzero(donor.truth.any(axis=(0, 1)))
    if not len(present):
        return sample
    channel = int(rng.choice(present))
    rows, columns = _box(donor.truth[:, :, channel])
    patch = donor.picture[rows, columns].astype(np.float32)
    mask = donor.truth[rows, columns, channel].astype(bool)
    for axis in (0, 1):
        if rng.random() < 0.5:
            patch, mask = np.flip(patch, axis), np.flip(mask, axis)
    place = _place(sample.picture.shape, mask.shape, rng)
    copied = sample.changed(np.copy)
    picture = copied.picture
    ground = picture[place].astype(np.float32)
    around = ~mask if not mask.all() else mask
    patch = patch + (ground.mean() - patch[around].mean())
    share = _soft(mask)
    blended = share * patch + (1 - share) * ground
    picture[place] = np.clip(np.rint(blended), 0, 255).astype(np.uint8)
    for maps, most in ((copied.truth, 1), (copied.soft, 255)):
        if maps is not None:
            maps[place][mask] = 0
            maps[(*place, channel)][mask] = most
    return copied


def _box(mask: npt.NDArray[np.uint8]) -> tuple[slice, slice]:
    """Return the rows and columns of a mask with its margin, as far as the picture reaches."""
    left, top, width, height = cv2.boundingRect(mask)
    rows = slice(max(0, top - _MARGIN), top + height + _MARGIN)
    return rows, slice(max(0, left - _MARGIN), left + width + _MARGIN)


def _place(
    shape: tuple[int, ...], size: tuple[int, ...], rng: np.random.Generator
) -> tuple[slice, slice]:
    top, left = (
        int(rng.integers(whole - part + 1)) for whole, part in zip(shape, size, strict=True)
    )
    return slice(top, top + size[0]), slice(left, left + size[1])


def _soft(mask: Mask) -> npt.NDArray[np.float32]:
    """Return the weight of the pasted pixels: 1 on the mask, falling to 0 within the margin."""
    wide = cv2.dilate(mask.astype(np.float32), np.ones((_MARGIN, _MARGIN), np.uint8))
    faded = cv2.GaussianBlur(wide, (0, 0), _MARGIN / 3)
    return np.asarray(np.maximum(faded, mask), dtype=np.float32)
