"""Resize only the part of a class map in which it exceeds a threshold.

Most of a picture is sound, so most of a class map at the picture's size would be computed for
nothing. The values inside the window equal those of the whole map, resized, bit by bit: the window
begins and ends at pixels of the model whose edges fall on edges of the picture's pixels, so OpenCV
uses the same weights. If sides have no common divisor, the window is as large as the map.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import gcd
from typing import TYPE_CHECKING, NamedTuple, Protocol

import cv2
import numpy as np

from steeldefect.pictures.preprocessing import Float32
from steeldefect.pictures.run_lengths import Mask

if TYPE_CHECKING:
    from steeldefect.runtimes.device_program import PictureMasks

_MARGIN = 1
"""Pixels of the model beside those above the threshold that also enter the interpolation. Without
any, a window could be one pixel wide: OpenCV rounds its weights otherwise then. A class map that is
one pixel wide is resized as a whole."""


class Window(NamedTuple):
    """A part of a class map at the size of the picture.

    Attributes:
        top, left: place of its first pixel in the picture.
        values: float32 (height, width); elsewhere, the map is not above the threshold.
        masks: bool (height, width) by threshold, if a device has compared the values already.
    """

    top: int
    left: int
    values: Float32
    masks: Mapping[float, Mask] | None = None

    def above(self, threshold: float) -> Mask:
        """Return the pixels above a threshold, bool (height, width)."""
        if self.masks is not None:
            return self.masks[threshold]
        return np.asarray(self.values > threshold)


class PictureMaps(Protocol):
    """What the segmenter says of one picture."""

    @property
    def finite(self) -> bool:
        """Whether all values are finite."""
        ...

    def window_above(
        self, number: int, shape: tuple[int, int], threshold: float, peak: float
    ) -> Window | None:
        """Return the part of a class map that may be above a threshold, at the picture's size.

        Args:
            number: number of the class, from 0.
            shape: (height, width) of the picture.
            threshold: probability.
            peak: probability, not below `threshold`.

        Returns:
            The window; None if no pixel of the class map is above `peak`.
        """
        ...


class DeviceMaps:
    """What a device program says of one picture: masks, and the class maps behind them."""

    def __init__(self, masks: PictureMasks) -> None:
        """Take the answer of the program."""
        self._masks = masks

    @property
    def finite(self) -> bool:
        """Whether all values are finite."""
        return self._masks.finite

    def window_above(
        self, number: int, shape: tuple[int, int], threshold: float, peak: float
    ) -> Window | None:
        """Return the rectangle around a mask; see `PictureMaps`.

        Args:
            number: number of the class.
            shape: (height, width) of the picture.
            threshold: one of those that the program was asked for.
            peak: see `PictureMaps`.
        """
        # without a map, none of its masks has a pixel
        if number not in self._masks.maps or not self._masks.peaks[number] > peak:
            return None
        planes = {
            plane.threshold: self._masks.mask(place)
            for place, plane in enumerate(self._masks.planes)
            if plane.number == number
        }
        left, top, width, height = cv2.boundingRect(planes[threshold].view(np.uint8))
        if not width:
            return None
        rows, columns = slice(top, top + height), slice(left, left + width)
        cut = {one: np.ascontiguousarray(mask[rows, columns]) for one, mask in planes.items()}
        return Window(top, left, self._masks.probabilities(number, rows, columns), cut)


class ClassMaps:
    """The class maps of one picture, as the segmenter returns them: all classes side by side."""

    def __init__(self, maps: Float32) -> None:
        """Find the greatest value of each column and class, which says where to look.

        Args:
            maps: float32 (h, w, classes), contiguous.
        """
        height, width, classes = maps.shape
        self._maps = maps
        self._peaks = maps.reshape(height, width * classes).max(axis=0).reshape(width, classes)

    @property
    def finite(self) -> bool:
        """Whether all values are finite."""
        # greatest and smallest value pass NaN on
        return bool(np.isfinite(self._peaks).all() and np.isfinite(self._maps.min()))

    def window_above(
        self, number: int, shape: tuple[int, int], threshold: float, peak: float
    ) -> Window | None:
        """Resize the part of a class map that may be above a threshold.

        The class map is resized (bilinear) before the threshold is applied, so that outlines do not
        show the model's larger pixels.

        Args:
            number: number of the class, from 0.
            shape: (height, width) of the picture.
            threshold: probability.
            peak: see `PictureMaps`.

        Returns:
            The window; None if no pixel of the class map is above `peak`.
        """
        peaks = self._peaks[:, number]
        if not (peaks > peak).any():
            return None
        height, width = self._maps.shape[:2]
        # pixels equal to the threshold count: rounding may lift what lies between them above it
        least = threshold if min(height, width) > 1 else -np.inf
        near = np.flatnonzero(peaks >= least)
        columns = _Span.around(int(near[0]), int(near[-1]) + 1, width, shape[1])
        part = np.asarray(cv2.extractChannel(self._maps[:, columns.begin : columns.end], number))
        near = np.flatnonzero(part.max(axis=1) >= least)
        rows = _Span.around(int(near[0]), int(near[-1]) + 1, height, shape[0])
        values = resize_map(part[rows.begin : rows.end], (rows.size, columns.size))
        return Window(rows.first, columns.first, values)


def resize_map(class_map: Float32, shape: tuple[int, int]) -> Float32:
    """Resize a class map float32 (h, w) to a picture's (height, width), bilinear."""
    if class_map.shape == shape:
        return class_map
    size = (shape[1], shape[0])
    # one channel of an interleaved array is not contiguous, as OpenCV needs it
    contiguous = np.ascontiguousarray(class_map)
    return np.asarray(cv2.resize(contiguous, size, interpolation=cv2.INTER_LINEAR), np.float32)


class _Span(NamedTuple):
    """One side of a window.

    Attributes:
        begin, end: its pixels of the class map.
        first: its first pixel of the picture.
        size: number of its pixels of the picture.
    """

    begin: int
    end: int
    first: int
    size: int

    @classmethod
    def around(cls, begin: int, end: int, source: int, target: int) -> _Span:
        """Return the smallest span that can be resized on its own, with a margin.

        Args:
            begin: first pixel of the class map that the span must hold.
            end: pixel after the last one.
            source: number of pixels of the whole side, of the class map.
            target: the same, of the picture.
        """
        common = gcd(source, target)
        step, made = source // common, target // common
        from_step = max(begin - _MARGIN, 0) // step
        to_step = -(-min(end + _MARGIN, source) // step)
        return cls(from_step * step, to_step * step, from_step * made, (to_step - from_step) * made)
