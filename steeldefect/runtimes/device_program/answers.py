"""What comes back from a device for one picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from steeldefect.pictures.preprocessing import Float32
from steeldefect.pictures.run_lengths import Mask
from steeldefect.runtimes.device_program.bilinear import resize_window
from steeldefect.runtimes.device_program.program import Plane


@dataclass(frozen=True)
class PictureMasks:
    """The masks of one picture, with the class maps that have one.

    Attributes:
        shape: (height, width) of the picture.
        finite: whether all probabilities are finite; if not, the masks mean nothing.
        peaks: float32 (classes,), the greatest probability of each class map.
        planes: the masks that were asked for.
        bits: uint8 (planes, ceil(height * width / 8)), packed as `numpy.packbits` does.
        maps: float32 (h, w) by index of the class, at the model's size; only of classes with a
            pixel in one of their masks. The probabilities of regions are read from them.
    """

    shape: tuple[int, int]
    finite: bool
    peaks: Float32
    planes: tuple[Plane, ...]
    bits: npt.NDArray[np.uint8]
    maps: Mapping[int, Float32]

    def mask(self, plane: int) -> Mask:
        """Return the mask of a plane, by its index: bool (height, width)."""
        pixels = self.shape[0] * self.shape[1]
        flat = np.unpackbits(self.bits[plane], count=pixels)
        return flat.reshape(self.shape).view(np.bool_)

    def probabilities(self, number: int, rows: slice, columns: slice) -> Float32:
        """Return the probabilities of a class in a window of the picture.

        Only the window is resized. A host that measures a mask needs its bounding box, no more.

        Args:
            number: index of a class that has a map.
            rows: rows of the window, in pixels of the picture, with start and stop.
            columns: its columns.

        Returns:
            float32, as large as the window.

        Raises:
            KeyError: no pixel of the class is in a mask, so its map did not come back.
        """
        return resize_window(self.maps[number], self.shape, rows, columns)
