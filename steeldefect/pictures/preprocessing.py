"""Turn a gray picture into the input of a model. Training and scoring share this code.

The bundle holds the `InputSpec` of each model beside the weights. Pictures are therefore prepared
in production exactly as they were in training.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

import cv2
import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from steeldefect.pictures.narrowing import narrowed

Gray = npt.NDArray[np.uint8]
Float32 = npt.NDArray[np.float32]


class Interpolation(str, Enum):
    """How a picture is resized. `area` averages, so thin lines survive when a picture shrinks."""

    AREA = "area"
    LINEAR = "linear"
    NEAREST = "nearest"


class Scaling(str, Enum):
    """How gray values become model inputs.

    `unit`: x / 255, in [0, 1]. `standard`: (x - mean) / std, both computed on the resized picture.
    """

    UNIT = "unit"
    STANDARD = "standard"


class InputSpec(BaseModel):
    """A model's input: its height, width and channels, and how a picture is resized and scaled."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    height: int = Field(gt=0)
    width: int = Field(gt=0)
    channels: int = Field(ge=1, le=3)
    scaling: Scaling
    interpolation: Interpolation = Interpolation.AREA

    def resizes_as(self, other: InputSpec) -> bool:
        """Return whether `resize` produces the same picture for both specs."""
        return (self.height, self.width, self.interpolation) == (
            other.height,
            other.width,
            other.interpolation,
        )


_CV2_INTERPOLATION = {
    Interpolation.AREA: cv2.INTER_AREA,
    Interpolation.LINEAR: cv2.INTER_LINEAR,
    Interpolation.NEAREST: cv2.INTER_NEAREST,
}
SMALLEST_STD = (
    1e-3  # in gray values 0..255: a picture of one gray value becomes zeros, not infinities
)
_GRAY_VALUES: Float32 = np.arange(256, dtype=np.float32)
_UNIT_VALUES: Float32 = _GRAY_VALUES / np.float32(255.0)
_COLOURS = 3  # channels of a colour picture


def resize(picture: Gray, spec: InputSpec) -> Gray:
    """Resize a gray picture uint8 (H, W) to uint8 (spec.height, spec.width)."""
    if picture.shape == (spec.height, spec.width):
        return picture
    if spec.interpolation is Interpolation.AREA:
        fewer = narrowed(picture, spec.height, spec.width)
        if fewer is not None:
            return fewer
    size = (spec.width, spec.height)
    resized = cv2.resize(picture, size, interpolation=_CV2_INTERPOLATION[spec.interpolation])
    return np.asarray(resized, dtype=np.uint8)


class Resizer:
    """Resizes one picture for several models; two models of one size share the result."""

    def __init__(self, picture: Gray) -> None:
        """Keep the picture, uint8 (H, W)."""
        self.picture = picture
        self._made: list[tuple[InputSpec, Gray]] = []

    def to(self, spec: InputSpec) -> Gray:
        """Return the picture as `resize` does, uint8 (spec.height, spec.width)."""
        for made, resized in self._made:
            if made.resizes_as(spec):
                return resized
        resized = resize(self.picture, spec)
        self._made.append((spec, resized))
        return resized


def scale(resized: Gray, spec: InputSpec) -> Float32:
    """Return gray values uint8 (h, w) as model inputs float32 (h, w, spec.channels)."""
    scaled: Float32 = scale_batch([resized], spec)[0]
    return scaled


def scale_batch(resized: Sequence[Gray], spec: InputSpec) -> Float32:
    """Scale resized pictures into one batch.

    Args:
        resized: at least one picture, uint8 (h, w), all of the same size.
        spec: input of the model.

    Returns:
        float32 (n, h, w, spec.channels); the gray channel is repeated.
    """
    batch = np.empty((len(resized), *resized[0].shape, spec.channels), dtype=np.float32)
    scale_into(batch, resized, spec)
    return batch


def scale_into(batch: Float32, resized: Sequence[Gray], spec: InputSpec) -> None:
    """Scale resized pictures into the first places of a batch, without copies in between.

    A picture has only 256 gray values, so only these are computed, and looked up for each pixel.

    Args:
        batch: float32 (n, h, w, spec.channels), contiguous, n at least the number of pictures.
        resized: pictures, uint8 (h, w).
        spec: input of the model.
    """
    for place, picture in zip(batch, resized, strict=False):
        values = _scaled_values(picture, spec)
        if spec.channels == 1:
            cv2.LUT(picture, values, dst=place[:, :, 0])
        else:
            _repeat(cv2.LUT(picture, values), place)


def _repeat(gray: npt.NDArray[np.generic], place: Float32) -> None:
    """Repeat one channel (h, w) in the channels of `place`, (h, w, channels)."""
    if place.shape[2] == _COLOURS:
        cv2.cvtColor(gray, cv2.COLOR_GRAY2BGR, dst=place)
    else:
        place[:] = gray[:, :, np.newaxis]


def _scaled_values(resized: Gray, spec: InputSpec) -> Float32:
    """Return the model input for each of the 256 gray values of a picture: float32 (256,)."""
    if spec.scaling is Scaling.UNIT:
        return _UNIT_VALUES
    mean, std = cv2.meanStdDev(resized)
    values = _GRAY_VALUES - np.float32(mean[0, 0])
    values /= np.float32(max(std[0, 0], SMALLEST_STD))
    return values


def prepare(picture: Gray, spec: InputSpec) -> Float32:
    """Resize and scale one gray picture.

    Args:
        picture: uint8 (H, W), any size.
        spec: input of the model.

    Returns:
        float32 (spec.height, spec.width, spec.channels); the gray channel is repeated.
    """
    return scale(resize(picture, spec), spec)
