"""The regions of a picture's masks: each becomes one object that a person can edit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from steeldefect.pictures import run_lengths
from steeldefect.pictures.run_lengths import BoundingBox, Mask
from steeldefect.review.annotated import AnnotatedPicture


@dataclass(frozen=True)
class MaskRegion:
    """One region (8-connected) of a mask.

    Attributes:
        class_id: class of the mask.
        box: smallest upright rectangle around the region.
        pixels: bool (height, width) of the box.
    """

    class_id: int
    box: BoundingBox
    pixels: Mask

    def on_picture(self, shape: tuple[int, int]) -> Mask:
        """Return the region as a mask of a whole picture, bool `shape`."""
        mask = np.zeros(shape, bool)
        mask[self.box.top : self.box.bottom, self.box.left : self.box.right] = self.pixels
        return mask


def regions_of(picture: AnnotatedPicture) -> Iterator[MaskRegion]:
    """Yield the regions of all masks, by ascending class id."""
    for class_id, runs in sorted(picture.masks.items()):
        mask = np.ascontiguousarray(run_lengths.to_mask(runs, picture.shape))
        count, labels, stats, _ = cv2.connectedComponentsWithStats(
            mask.view(np.uint8), connectivity=8, ltype=cv2.CV_32S
        )
        for number in range(1, count):
            left, top, width, height = map(int, stats[number, : cv2.CC_STAT_AREA])
            box = BoundingBox(top, left, top + height, left + width)
            pixels = labels[box.top : box.bottom, box.left : box.right] == number
            yield MaskRegion(class_id, box, pixels)
