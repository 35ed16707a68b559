"""Settings of augmentation: random changes of training pictures, and crops."""

from __future__ import annotations

from pydantic import Field

from steeldefect.pictures.preprocessing import InputSpec
from training.recipe.part import RecipePart


class Crop(RecipePart):
    """Windows that a model is trained on instead of whole pictures; scoring uses whole pictures.

    `height`, `width`: in pixels of the model's input, multiples of 32. A window larger than the
    input is reduced to the input's size (`within`). `defect_share`: share of a defective picture's
    windows that are placed over a defect; the others are placed at random. `whole_share`: share of
    the fit, at its end, that shows whole pictures instead of windows, as scoring does. Source of
    the idea: Touvron et al., "Fixing the train-test resolution discrepancy", 2019.
    """

    height: int = Field(gt=0, multiple_of=32)
    width: int = Field(gt=0, multiple_of=32)
    defect_share: float = Field(default=0.7, ge=0, le=1)
    whole_share: float = Field(default=0.0, ge=0, le=1)

    def within(self, spec: InputSpec) -> Crop:
        """Return the window, reduced to the size of an input if it is larger."""
        size = {"height": min(self.height, spec.height), "width": min(self.width, spec.width)}
        return self.model_copy(update=size)


class Augment(RecipePart):
    """Random changes of training pictures; every epoch draws new ones.

    `brightness`: largest change, as a share: 0.2 gives factors from 0.8 to 1.2. It has no effect
    on models whose input scaling is `standard`. `gamma`: 0.3 gives exponents from 1 / 1.3 to 1.3;
    it has an effect on all models. `zoom`: 0.2 shows a picture at 1 / 1.2 to 1.2 of its size.
    `quarter_turns`: needs square inputs or crops; whole pictures that follow on crops
    (`crop.whole_share`) are turned by half if they are not square. `noise`: largest standard
    deviation, in gray levels. `black_margin`: share of pictures that get a black margin at the left
    or right, as at the end of a strip, of at most 30% of the width. `paste`: share of pictures onto
    which defects of another picture are pasted. `paste` and `crop` are for models that learn from
    outlines: segmenters, and gates of kind `places`.
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

    def of_whole_pictures(self) -> Augment:
        """Return the same changes without windows."""
        return self.model_copy(update={"crop": None})
