"""A model input whose size is computed from the pictures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import Field

from steeldefect.pictures.preprocessing import InputSpec, Interpolation, Scaling
from training.recipe.part import RecipePart

_STRIDE = 32  # largest stride of all encoders


class SizedInput(RecipePart):
    """A model input with a given number of pixels; its height and width depend on the pictures.

    The input has the proportions of the pictures' median size and about `pixels` pixels. It has
    fewer pixels if the pictures have fewer: pictures are not enlarged. Height and width are
    multiples of 32.
    """

    pixels: int = Field(ge=32 * 32)
    channels: int = Field(ge=1, le=3)
    scaling: Scaling
    interpolation: Interpolation = Interpolation.AREA

    def for_pictures(self, shapes: Sequence[tuple[int, int]]) -> InputSpec:
        """Return the input for pictures of these sizes, (height, width) in pixels."""
        height, width = (float(side) for side in np.median(np.array(shapes), axis=0))
        scale = min((self.pixels / (height * width)) ** 0.5, 1.0)
        return InputSpec(
            height=max(1, round(height * scale / _STRIDE)) * _STRIDE,
            width=max(1, round(width * scale / _STRIDE)) * _STRIDE,
            channels=self.channels,
            scaling=self.scaling,
            interpolation=self.interpolation,
        )
