"""Settings of augmentation: random changes of training pictures, and windows of them."""

from __future__ import annotations

from pydantic import Field

from steeldefect.pictures.preprocessing import InputSpec
from training.recipe.part import RecipePart


class Crop(RecipePart):
    """Windows that training sees instead of whole pictures; scoring always sees whole ones.

    Height and width in pixels of the model's input, multiples of 32; no more than the input has
    (`within`). `defect_share`: how many of the windows of a defective picture are placed over a
    defect; the others lie anywhere.
    """

    height: int = Field(gt=0, multiple_of=32)
    width: int = Field(gt=0, multiple_of=32)
    defect_share: float = Field(default=0.7, ge=0, le=1)

    def within(self, spec: InputSpec) -> Crop:
        """Give the window as it fits into an input."""
        size = {"height": min(self.height, spec.height), "width": min(self.width, spec.width)}
        return self.model_copy(update=size)


class Augment(RecipePart):
    """Random changes of training pictures, anew in every epoch.

    `brightness` is the greatest change, as a share: 0.2 gives factors 0.8 to 1.2. It is lost on
    models whose input scaling is `standard`; `gamma` is not: 0.3 gives exponents of 1 / 1.3 to
    1.3. `zoom`: 0.2 shows a picture at 1 / 1.2 to 1.2 of its size. `quarter_turns` needs square
    inputs or crops. `noise`: greatest standard deviation, in gray levels. `black_margin`: how
    many of the pictures get a black margin at their left or right, as at a strip's end, of at
    most 30% of the width. `paste`: how many pictures get the defects of another one on top.
    `paste` and `crop` are for what learns from outlines: segmenters, and gates of kind `places`.
    """

    flip_horizontal: bool = False
    flip_vertical: bool = False
    quarter_turns: bool = False
    brightness: float = Field(default=0.0, ge=0, lt=1)
    gamma: float = Field(default=0.0, ge=0, le=2)
    zoom: float = Field(default=0.0, ge=0, le=1)
    noise: float = Field(default=0.0, ge=0, le=50)
    black_margin: float = Field(default=0.0, ge=0, le=1)
    paste: float = Field(default=0.0, ge=0, le=1)
    crop: Crop | None = None
