"""A model's input whose size follows from the pictures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import Field

from steeldefect.pictures.preprocessing import InputSpec, Interpolation, Scaling
from training.recipe.part import RecipePart

_STRIDE = 32  # of all encoders


class SizedInput(RecipePart):
    """The number of pixels of a model's input; its sides follow from the pictures.

    It keeps the proportions of the pictures' median size, has about `pixels` pixels, or fewer
    where the pictures have: they are not enlarged. Its sides are multiples of 32.
    """

    pixels: int = Field(ge=32 * 32)
    channels: int = Field(ge=1, le=3)
    scaling: Scaling
    interpolation: Interpolation = Interpolation.AREA

    def for_pictures(self, shapes: Sequence[tuple[int, int]]) -> InputSpec:
        """Fix the size for pictures of these (height, width)."""
        height, width = (float(side) for side in np.median(np.array(shapes), axis=0))
        scale = min((self.pixels / (height * width)) ** 0.5, 1.0)
        return InputSpec(
            height=max(1, round(height * scale / _STRIDE)) * _STRIDE,
            width=max(1, round(width * scale / _STRIDE)) * _STRIDE,
            channels=self.channels,
            scaling=self.scaling,
            interpolation=self.interpolation,
        )
