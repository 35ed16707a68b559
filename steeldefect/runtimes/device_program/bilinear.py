"""Bilinear resizing as OpenCV's INTER_LINEAR does it: the one rule of the device and of the host.

The centre of the first pixel is at 0.5. A place outside the outermost centres takes the nearest
pixel. Each output is a weighted mean of two neighbours, first along the rows, then along the
columns. Products of a matrix and a map would say the same, but a GPU may multiply matrices in
TensorFloat-32, which keeps 10 bits of a probability; weighted means stay in float32.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from steeldefect.pictures.preprocessing import Float32

Indices = npt.NDArray[np.int32]


class Taps(NamedTuple):
    """The two neighbours of each output along one axis.

    Attributes:
        low, high: int32 (target,), indices of the neighbours; equal at the edges.
        weight: float32 (target,), share of the neighbour `high`.
    """

    low: Indices
    high: Indices
    weight: Float32

    def part(self, window: slice) -> Taps:
        """Return the neighbours of some outputs."""
        return Taps(self.low[window], self.high[window], self.weight[window])


def taps(source: int, target: int) -> Taps:
    """Return the neighbours for resizing `source` pixels to `target` pixels, both at least 1."""
    places = (np.arange(target) + 0.5) * (source / target) - 0.5
    low = np.floor(places).astype(np.int32)
    weight = places - low  # still float64, as in OpenCV 5: float32 places are off by 1e-5
    outside = (low < 0) | (low >= source - 1)
    low = np.clip(low, 0, source - 1).astype(np.int32)
    high = np.minimum(low + 1, source - 1).astype(np.int32)
    return Taps(low, high, np.where(outside, np.float32(0), weight).astype(np.float32))


def resize_window(map_: Float32, shape: tuple[int, int], rows: slice, columns: slice) -> Float32:
    """Resize only a window of a class map: what whole resizing has there.

    Args:
        map_: float32 (h, w), the class map of a model.
        shape: (height, width) of the picture.
        rows: rows of the window, in pixels of the picture, with start and stop.
        columns: its columns.

    Returns:
        float32 (rows, columns) of the window.
    """
    across = taps(map_.shape[1], shape[1]).part(columns)
    down = taps(map_.shape[0], shape[0]).part(rows)
    first, last = int(down.low[0]), int(down.high[-1]) + 1
    lines = map_[first:last]
    lines = lines[:, across.low] * (1 - across.weight) + lines[:, across.high] * across.weight
    weight = down.weight[:, np.newaxis]
    window: Float32 = lines[down.low - first] * (1 - weight) + lines[down.high - first] * weight
    return window
